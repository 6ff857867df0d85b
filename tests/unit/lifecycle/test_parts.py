"""The smaller parts: names, progress, verdicts, checks of the doctor, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from hookspecs import Image, Service, ServiceState, UserError
from nself_core.cli.commands.health import verdict
from nself_core.cli.commands.logs import Moment
from nself_core.cli.commands.status import counts, duration, size
from nself_core.lifecycle import progress, select
from nself_core.lifecycle.choice import choose
from nself_core.lifecycle.doctor import machine
from nself_core.lifecycle.doctor import project as doctored
from nself_core.lifecycle.starting import failures
from tests.unit.compose.stacks import project, stack


def test_names_are_taken_as_people_write_them(tmp_path: Path) -> None:
    bound = stack(
        project(tmp_path),
        Service(name="express-api", aliases=("express_api",), image=Image(ref="x")),
        Service(name="gone", no_image="no image is published"),
    )
    assert select.chosen(bound, []) is None
    assert select.chosen(bound, ["express_api", "express-api", "Express_API"]) == ["express-api"]
    with pytest.raises(UserError, match="there is no service 'expres-api'") as caught:
        select.one(bound, "expres-api")
    assert caught.value.remedy == "did you mean express-api?"
    assert caught.value.exit_code == 2
    with pytest.raises(UserError, match="gone cannot run on the compose runtime: no image is published"):
        select.runnable(bound, "gone")


class FakeRuntime:
    def holds_data(self) -> list[str]:
        return ["db_data"]


class FakeWorkspace:
    """What choosing a runtime asks of a workspace."""

    def __init__(self, recorded: str | None, **available: bool) -> None:
        from hookspecs import Offer

        self.recorded = recorded
        self._offers = {
            n: Offer(name=n, available=a, reason="asleep", load="x:y", addressing="names") for n, a in available.items()
        }

    def recorded_runtime(self) -> str | None:
        return self.recorded

    def runtime_name(self, wanted: str | None = None) -> str:
        return wanted or self.recorded or next(n for n, o in self._offers.items() if o.available)

    def offer(self, name: str) -> Any:
        return self._offers[name]

    def offers(self) -> list[Any]:
        return list(self._offers.values())

    def runtime(self, name: str) -> FakeRuntime:
        return FakeRuntime()


def test_another_runtime_is_refused_while_the_first_holds_data() -> None:
    with pytest.raises(UserError, match=r"the one runtime holds this project's data \(db_data\)"):
        choose(FakeWorkspace("one", one=True, two=True), "two")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="it cannot be told whether it holds data"):
        choose(FakeWorkspace("one", one=False, two=True), "two")  # type: ignore[arg-type]
    assert choose(FakeWorkspace("one", one=True, two=True), None) == "one"  # type: ignore[arg-type]


def test_a_runtime_that_cannot_run_says_so_and_names_another() -> None:
    with pytest.raises(UserError, match="the two runtime cannot run here: asleep") as caught:
        choose(FakeWorkspace(None, one=True, two=False), "two")  # type: ignore[arg-type]
    assert caught.value.remedy == "nself start --runtime one"


def test_progress_away_from_a_terminal_is_a_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown("Starting") as report:
        for state in ("starting", "starting", "healthy"):
            report("web", state, "")
        report("db", "failed", "exit code 1")
    lines = [line.split("s  ")[-1] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["Starting", "web: starting", "web: healthy", "db: failed (exit code 1)"]


def state(status: Any, health: Any = "none") -> ServiceState:
    return ServiceState(name="x", status=status, health=health)


def test_one_shots_and_unavailable_services_are_neither_stopped_nor_failed() -> None:
    states = [state("completed"), state("unavailable"), state("running", "healthy"), state("running"), state("failed")]
    found = counts(states)
    assert (found["total"], found["running"], found["healthy"], found["unhealthy"], found["stopped"]) == (5, 2, 1, 1, 0)
    assert [s.status for s in failures(states)] == ["failed"]
    assert failures([state("running", "unhealthy"), state("starting", "starting"), state("stopped")]) != []
    assert [verdict(s) for s in states[2:]] == ["healthy", "running", "failed"]


def test_spans_and_times_of_logs() -> None:
    now = datetime.now(UTC)
    back = Moment().convert("1h30m", None, None)
    assert timedelta(minutes=89) < now - back < timedelta(minutes=91)
    assert Moment().convert("2026-01-02T03:04:05+00:00", None, None) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for wrong in ("", "soon", "5x"):
        with pytest.raises(click.BadParameter, match="neither a span"):
            Moment().convert(wrong, None, None)


def test_numbers_for_people() -> None:
    assert [duration(s) for s in (-1, 42, 61, 7200, 200000)] == ["0s", "42s", "1m", "2h", "2d"]
    assert [size(None), size(5 * 1024 * 1024)] == ["-", "5 MB"]


def test_doctor_finds_a_readable_secret_and_mends_it(tmp_path: Path) -> None:
    secret = tmp_path / ".environments" / "prod" / ".env.secrets"
    secret.parent.mkdir(parents=True)
    secret.write_text("X=1")
    secret.chmod(0o644)
    (found,) = doctored.permissions(tmp_path, tmp_path / ".nself")
    assert found.finding.where == ".environments/prod/.env.secrets"
    assert found.mend is not None
    found.mend()
    assert list(doctored.permissions(tmp_path, tmp_path / ".nself")) == []


def test_doctor_judges_disk_and_clock(tmp_path: Path) -> None:
    gigabyte = 1024**3
    assert [str(d.finding.level) for free in (9, 3, 0.5) for d in machine.disk(tmp_path, int(free * gigabyte))] == [
        "warning",
        "error",
    ]
    assert [d.finding.code for d in machine.clock(tmp_path, 1e9)] == ["clock"]
    assert list(machine.clock(tmp_path)) == []
    (tmp_path / ".env").touch()
    (found,) = machine.clock(tmp_path, (tmp_path / ".env").stat().st_mtime - 3600)
    assert "behind the project's own files" in found.finding.message
