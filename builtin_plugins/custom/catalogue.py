"""The templates: what each is made of and how it runs, and the other names it is known by."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal, NamedTuple

Kind = Literal["python", "node", "go", "docker"]
Tool = Literal["wget", "curl", "python", "node", "outside"]


class Template(NamedTuple):
    """A kind of service.

    ``main`` is what the native form runs (below the service's folder). ``compile_first``: the source must be built before
    each start. ``tool`` is the program of its image that can ask for the health path. ``wants_cache``: useless without one.
    """

    name: str
    kind: Kind
    summary: str
    main: tuple[str, ...] = ()
    compile_first: bool = False
    tool: Tool = "wget"
    grpc: bool = False
    wants_cache: bool = False

    @property
    def interpreted(self) -> bool:
        """Whether dev mounts the source into the container: compiled stacks would lose their program."""
        return self.kind in {"python", "node"}


_ALL = (
    Template("fastapi", "python", "FastAPI on uvicorn", ("main.py",), tool="python"),
    Template("flask", "python", "Flask on gunicorn", ("-m", "gunicorn", "app:app"), tool="python"),
    Template("express-js", "node", "Express in JavaScript", ("index.js",)),
    Template("express-ts", "node", "Express in TypeScript", ("--import", "tsx", "src/index.ts")),
    Template("nest-ts", "node", "NestJS in TypeScript", ("dist/main.js",), compile_first=True),
    Template("bullmq-js", "node", "BullMQ worker in JavaScript", ("worker.js",), wants_cache=True),
    Template("bullmq-ts", "node", "BullMQ worker in TypeScript", ("--import", "tsx", "src/worker.ts"), wants_cache=True),
    Template("gin", "go", "Gin in Go"),
    Template("grpc", "go", "gRPC in Go, with HTTP health on the same port", grpc=True),
    Template("custom", "docker", "a Dockerfile of your own", tool="outside"),
)
TEMPLATES = {template.name: template for template in _ALL}

#: Spellings of the original and of its documentation → the template they mean. A target this version lacks is an error
#: that names it, so that a name never silently means something else later.
ALIASES = {
    "express": "express-js",
    "nest": "nest-js",
    "nestjs": "nest-js",
    "nestjs-js": "nest-js",
    "nestjs-ts": "nest-ts",
    "bullmq": "bullmq-js",
    "go-grpc": "grpc",
    "go-api": "gin",
    "fastapi-py": "fastapi",
    "python-api": "fastapi",
    "fastify": "fastify-js",
    "hono": "hono-js",
    "socketio": "socketio-js",
    "temporal": "temporal-js",
    "node": "node-js",
    "django": "django-rest",
    "actix": "actix-web",
    "spring": "spring-boot",
}


def is_path(template: str) -> bool:
    """Whether the template field is a folder of the project with a Dockerfile of the user's own."""
    return "/" in template or template.startswith(".")


def find(name: str) -> Template | None:
    """The template of that name or alias; a path is the ``custom`` one."""
    if is_path(name):
        return TEMPLATES["custom"]
    return TEMPLATES.get(ALIASES.get(name, name))


def unknown(name: str) -> tuple[str, str]:
    """What is wrong with a template's name that nothing has, and what to write instead."""
    meant = ALIASES.get(name, name)
    near = get_close_matches(meant.lower(), [*TEMPLATES, *(a for a, t in ALIASES.items() if t in TEMPLATES)], n=1, cutoff=0.5)
    also = f" ({name!r} means {meant!r})" if meant != name else ""
    message = f"there is no template {meant!r}{also}" + (f"; did you mean {near[0]!r}?" if near else "")
    return message, f"it is one of {', '.join(sorted(TEMPLATES))}, or a folder with a Dockerfile (./apps/api)"
