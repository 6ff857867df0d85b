"""The stack as a folder that Docker Compose runs alone: the Compose file, what it mounts and builds, and the migrations as SQL.

The migrations run in a one-shot service with the database's own image before whatever needs the database, unless the ledger that
nself keeps too tells that they were applied.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from builtin_plugins.runtimes.compose import envfile, text
from builtin_plugins.runtimes.compose.document import compose_file, present
from builtin_plugins.runtimes.compose.files import FILE
from hookspecs import Project, Resolver, Service, Stack
from hookspecs.quoting import env_line

MIGRATE = "migrate"
SQL = "sql"
#: Stands for the project's own database until its name is known.
MAIN = "<main>"
#: Where nself keeps its own things → where they stand in the folder.
_MOVED = (("./.nself/compose/env/", "./env/"), ("./.nself/certs", "./certs"), ("./.nself/", "./state/"))
#: What a copy of a service's source leaves out: it is made again by the build.
_MADE = shutil.ignore_patterns("node_modules", ".venv", "__pycache__", ".git", "dist")

_README = """\
# {name}, without nself

Made by `nself eject`. Everything that the project ran is here: the Compose file, the proxy's configuration in `nginx/`, further
configuration, the sources of your own services, and the database's migrations in `sql/`.

    docker compose up -d          # or: docker-compose up -d
    docker compose ps

`.env` holds the project's name for Compose alone; with it, data volumes are the ones that nself made. The secrets are in `env/`
and `sql/`, which `.gitignore` keeps out of git: store them where you keep secrets. SQL of your own that goes at the end of
`sql/apply.sql` runs at every `up`.
"""


def eject(project: Project, stack: Stack, values: Resolver, into: Path) -> list[str]:
    """Write the folder, which must not hold anything; returns the files and folders made. The project was just built."""
    document = compose_file(project, stack)
    for service in present(stack):
        entry = document["services"][service.name]
        _plain(entry)
        _environment(stack, service, values, entry, into)
        _sources(project.root, entry, into)
    _migrations(project, stack, values, document["services"], into)
    heading = f"# Project {stack.project}, environment {stack.environment}, ejected from nself.\n"
    (into / FILE).write_text(heading + text.dump(document), encoding="utf-8")
    (into / ".env").write_text(f"COMPOSE_PROJECT_NAME={stack.project}\n", encoding="utf-8")
    (into / ".gitignore").write_text("/env/\n/certs/\n/sql/\n/state/\n", encoding="utf-8")
    (into / "README.md").write_text(_README.format(name=stack.project), encoding="utf-8")
    return sorted(f"{path.name}/" if path.is_dir() else path.name for path in into.iterdir())


def _plain(entry: dict[str, Any]) -> None:
    """Without the labels by which nself finds its containers."""
    entry.pop("labels", None)


def _environment(stack: Stack, service: Service, values: Resolver, entry: dict[str, Any], into: Path) -> None:
    lines = envfile.secret_lines(stack, service)
    if not lines:
        return
    _private(into / "env" / f"{service.name}.env", values.value(service.name, envfile.content(lines)) or "")
    entry["env_file"] = [_place(name) for name in entry["env_file"]]


def _sources(root: Path, entry: dict[str, Any], into: Path) -> None:
    """Copy what the service builds from and mounts, and name it where it now stands."""
    if "build" in entry:
        context = entry["build"]["context"]
        entry["build"]["context"] = _copy(root, context, into) if context.startswith("./") else context
    for mount in entry.get("volumes", ()):
        if isinstance(mount, dict) and mount["type"] == "bind" and mount["source"].startswith("./"):
            mount["source"] = _copy(root, mount["source"], into)


def _copy(root: Path, relative: str, into: Path) -> str:
    place = _place(relative)
    source, target = root / relative, into / place
    if source.is_dir():
        shutil.copytree(source, target, ignore=_MADE, symlinks=True, dirs_exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return place


def _place(relative: str) -> str:
    for old, new in _MOVED:
        if relative.startswith(old):
            return new + relative.removeprefix(old)
    return relative


class _Recorder:
    """A ``SqlAccess`` that writes down what it is asked to run, as against a database in which nothing is yet."""

    def __init__(self) -> None:
        self.script = ""
        self._database = ""

    def run(self, sql: str, *, database: str = "") -> str:
        """See ``hookspecs.SqlAccess``; there is no answer."""
        if database != self._database:
            self.script += f"\\connect {_quoted(database or MAIN)}\n"
            self._database = database
        self.script += sql.rstrip("\n") + "\n"
        return ""


def _migrations(project: Project, stack: Stack, values: Resolver, services: dict[str, Any], into: Path) -> None:
    """The SQL, and the one-shot service that applies it before whatever waits for the database."""
    database = stack.provider("sql")
    if database is None or not database.migrator or database.name not in services:
        return
    module, _, name = database.migrator.partition(":")
    recorder = _Recorder()
    applied = getattr(import_module(module), name)(recorder, project, stack, values).apply()
    if not applied:
        return
    attributes = database.provides["sql"].attributes
    known = {key: values.value(database.name, value) or "" for key, value in attributes.items()}
    folder = into / SQL
    folder.mkdir()
    _private(folder / "migrations.sql", recorder.script.replace(f'\\connect "{MAIN}"', f"\\connect {_quoted(known['database'])}"))
    rows = ", ".join(f"({_literal(plugin)}, {_literal(migration)})" for plugin, migration in applied)
    (folder / "apply.sql").write_text(_APPLY.format(rows=rows, count=len(applied)), encoding="utf-8")
    _private(into / "env" / f"{MIGRATE}.env", env_line(f"PGPASSWORD={known['password']}") + "\n")
    for entry in services.values():
        if database.name in entry.get("depends_on", {}):
            entry["depends_on"][MIGRATE] = {"condition": "service_completed_successfully"}
    services[MIGRATE] = {
        "image": services[database.name]["image"],
        "entrypoint": ["psql", "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-f", f"/{SQL}/apply.sql"],
        "environment": {
            "PGHOST": database.name,
            "PGPORT": str(database.port("tcp").container),
            "PGUSER": known["user"],
            "PGDATABASE": known["database"],
        },
        "env_file": [f"./env/{MIGRATE}.env"],
        "depends_on": {database.name: {"condition": "service_healthy"}},
        "volumes": [{"type": "bind", "source": f"./{SQL}", "target": f"/{SQL}", "read_only": True}],
        "restart": "no",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["DAC_OVERRIDE"],  # the files belong to whoever ejected, and hold passwords of roles
        "security_opt": ["no-new-privileges:true"],
    }


#: Whether all is there already, by the ledger that nself keeps too.
_APPLY = """\
SELECT to_regclass('nself.migrations') IS NOT NULL AS known \\gset
\\set todo true
\\if :known
SELECT count(*) < {count} AS todo FROM nself.migrations WHERE (plugin, id) IN ({rows}) \\gset
\\endif
\\if :todo
\\ir migrations.sql
\\endif
"""


def _private(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
