"""Values of environment variables, arguments and files: what they mean, never an address written down.

A plugin says *what* it wants (``Ref(service="cache", port="tcp", as_="host")``); each runtime says where
that is. Secrets travel by name and are put in by the writer, last of all.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hookspecs.models.base import Model, Name


class Secret(Model):
    """The value of a secret setting, by the setting's name.

    ``quote`` says how the value is written where it stands: ``none`` as it is, ``url`` percent-encoded
    (for the password of a URL), ``json`` as the inside of a JSON string, ``ini`` for a file that Python's ``configparser``
    reads, where a per cent sign is doubled.
    """

    kind: Literal["secret"] = "secret"
    name: str
    quote: Literal["none", "url", "json", "ini"] = "none"
    derive: str = ""
    """A purpose: the value is then not the secret itself but one derived from it for that purpose alone, 64 hexadecimal
    digits (HMAC-SHA256 of the purpose under the secret)."""


class Ref(Model):
    """Where a service's port is reached.

    ``audience`` ``internal`` is another service of the stack; ``public`` is a browser outside (the service's
    route if it has one). ``as_`` ``url`` gives ``scheme://host:port`` (``http`` for http and grpc ports, ``tcp`` else).
    """

    kind: Literal["ref"] = "ref"
    service: Name
    port: str = "http"
    as_: Literal["url", "host", "port"] = "url"
    audience: Literal["internal", "public"] = "internal"


class Get(Model):
    """An attribute that the provider of a capability declares, e.g. ``Get(capability="sql", attribute="url")``.

    Where nobody provides the capability, or it is unavailable on this runtime, the value is ``default``;
    ``None`` leaves the whole variable out.
    """

    kind: Literal["get"] = "get"
    capability: str
    attribute: str
    default: str | None = None


class Frontends(Model):
    """Public addresses of the project's frontends (routes with ``frontend``) by their number, joined by commas.

    ``first`` takes the first one alone; ``before`` is put in front. Where there is none the value is ``default`` alone;
    ``None`` leaves the whole variable out.
    """

    kind: Literal["frontends"] = "frontends"
    first: bool = False
    before: str = ""
    default: str | None = None


class Place(Model):
    """A folder or file of this service under the native runtime, as an absolute path.

    ``volume`` the folder that stands for the named volume; ``config`` a file or folder rendered for the native
    runtime (``name`` is the path given to ``File`` there); ``run`` a scratch folder for sockets and pid files;
    ``project`` a path relative to the project's root.
    """

    kind: Literal["place"] = "place"
    of: Literal["volume", "config", "run", "project"]
    name: str = ""


class Program(Model):
    """The absolute path of one of the service's ``NativeProgram`` entries, by its name."""

    kind: Literal["program"] = "program"
    name: str


def python_module(module: str) -> tuple[str | Program, ...]:
    """The command that runs a module of a built-in plugin, verified before it is imported, with the service's program ``python``.

    ``package.module:function`` calls a function with a ``PluginLoader`` and the arguments.
    """
    return (Program(name="python"), "-m", "nself_core.plugins.serve", module)


class Join(Model):
    """Parts written one after the other; if a part is left out (an absent ``Get``), so is the whole.

    ``quote`` is for a ``Join`` inside a ``File``: ``env-line`` takes its text as ``NAME=value`` and writes it as a line of
    an env file (see ``hookspecs.quoting``).
    """

    kind: Literal["join"] = "join"
    parts: tuple[Part, ...]
    quote: Literal["none", "env-line"] = "none"

    @classmethod
    def of(cls, *parts: Part) -> Join:
        """``Join.of("redis://:", Secret(name="X", quote="url"), "@", Ref(...))``."""
        return cls(parts=parts)


Part = str | Annotated[Secret | Ref | Get | Frontends | Place | Program | Join, Field(discriminator="kind")]
Value = Part

Join.model_rebuild()
