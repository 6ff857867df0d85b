"""Which data can move between runtimes, and that the rest is named with its reason."""

from __future__ import annotations

from pathlib import Path

from builtin_plugins.core.postgres.dump import _connection, _unless_there
from hookspecs import Backup, Image, Mount, Native, Service
from nself_core.lifecycle.moving import movable
from nself_core.stack.assemble import assemble
from tests.unit.compose.stacks import project


def test_what_can_move_and_why_the_rest_cannot(tmp_path: Path) -> None:
    def holding(name: str, backup: Backup | None, native: bool = True) -> Service:
        return Service(
            name=name,
            image=Image(ref="x"),
            native=Native(command=("x",)) if native else None,
            no_native="" if native else "there is no program",
            mounts=(Mount(kind="volume", source=f"{name}_data", target="/d"),),
            backup=backup,
        )

    dump = Backup(method="sql-dump", dump="m:dump", restore="m:restore")
    services = [
        holding("db", dump), holding("files", Backup(method="volumes")), holding("search", dump, native=False),
        holding("idle", dump),
    ]  # fmt: skip
    made = project(tmp_path)
    here = assemble(made, [("test", s) for s in services], addressing="names").stack
    there = assemble(
        made.model_copy(update={"runtime": "native"}),
        [("test", s) for s in services[:3]],
        addressing="loopback",
        missing=lambda s: s.no_native,
    ).stack
    found, left = movable(here, ["db_data", "files_data", "search_data", "gone_data"], there)
    assert [s.name for s in found] == ["db"], "what holds no data need not move"
    told = {finding.where: finding.message for finding in left}
    assert told["files_data"] == "files has no dump that another runtime could read"
    assert "search cannot run on the native runtime" in told["search_data"]
    assert told["gone_data"] == "it is of a service that is switched off now"
    both = Backup(method="volumes", volumes=("files_data",), portable=True)
    copied = holding("files", both)
    stacks = [assemble(made, [("test", copied)], addressing=how).stack for how in ("names", "loopback")]  # type: ignore[arg-type]
    assert [s.name for s in movable(stacks[0], ["files_data"], stacks[1])[0]] == ["files"], (
        "files that both read alike are copied"
    )
    assert all("--leave" in finding.remedy for finding in left)


def test_a_role_that_is_there_is_not_made_again() -> None:
    assert _unless_there("ALTER ROLE x WITH LOGIN;") == "ALTER ROLE x WITH LOGIN;"
    made = _unless_there("""CREATE ROLE "odd ""role's";""")
    assert "rolname = 'odd \"role''s'" in made
    assert made.endswith("\\gexec")
    assert _connection("it's") == "'it\\'s'"
