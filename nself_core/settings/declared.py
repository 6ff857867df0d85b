"""The declared settings of every plugin, looked up by name: exact, numbered (``CS_{N}_PORT``) or by another spelling.

Made from raw manifests, without pydantic, since an unchanged build comes this way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hookspecs.patterns import match_pattern

#: Never taken from the process environment: other programs set these for themselves.
AMBIENT = frozenset({"DEBUG", "ENV", "PORT", "LOG_LEVEL"})
#: Steer nself itself, from the process environment alone: they are no settings of a project.
CONTROL = frozenset({"NSELF_ENV", "TARGET_ENV", "NSELF_HOME", "NSELF_DEBUG", "NO_COLOR"})

#: Ends of names that mean the same for every service.
GENERIC_ENDS = ("_REPLICAS", "_MEMORY_LIMIT", "_MEM_LIMIT", "_MEMORY", "_CPU_LIMIT", "_CPU", "_IMAGE")
#: A service is known by one of these settings of its own.
KNOWN_BY = ("_ENABLED", "_VERSION", "_PORT")

_CORE = Path(__file__).parent.parent / "core.json"


class Spelling(NamedTuple):
    """Another name of a setting, as in the manifest's ``aliases``."""

    name: str
    json_fields: Mapping[str, str]
    values: Mapping[str, str]
    preferred: bool


class Declared(NamedTuple):
    """A declared setting. ``name`` may hold braces; ``owner`` is the plugin. Fields as in ``hookspecs`` ``Setting``."""

    name: str
    owner: str
    type: str = "string"
    default: str | None = None
    defaults: Mapping[str, str] = {}
    help: str = ""
    secret: bool = False
    generate: int | None = None
    strength: int | None = None
    rotate_with: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    when: str | None = None
    aliases: tuple[Spelling, ...] = ()
    unused: str = ""
    refused: str = ""
    example: str | None = None
    forwards: bool = False

    @property
    def numbered(self) -> bool:
        """Whether the name holds braces."""
        return "{" in self.name

    def default_for(self, cls: str) -> str | None:
        """The default in ``.env`` form for a class of environment."""
        return self.defaults.get(cls, self.default)


class Meaning(NamedTuple):
    """What a written name sets: the canonical name, its declaration, and the spelling used where it is not the name itself."""

    name: str
    declared: Declared
    spelling: Spelling | None = None
    groups: tuple[str, ...] = ()


class Declarations:
    """Every declared setting. Where two plugins declare one name the first given wins, and ``clashes`` tells."""

    def __init__(
        self,
        declared: Iterable[Declared],
        disabled: Mapping[str, str] | None = None,
        catalogue: Path | Mapping[str, Any] | None = None,
    ) -> None:
        self._exact: dict[str, Declared] = {}
        self._patterns: list[Declared] = []
        self._spellings: dict[str, list[tuple[Spelling, Declared]]] = {}
        self._spelling_patterns: list[tuple[Spelling, Declared]] = []
        self.clashes: list[tuple[str, str, str]] = []
        self._disabled = disabled or {}
        self._catalogue = catalogue
        for one in declared:
            self._add(one)
        # the longest literal text first, so that the most particular pattern answers
        self._patterns.sort(key=lambda d: -len(re.sub(r"\{[A-Z]+\}", "", d.name)))
        self._spelling_patterns.sort(key=lambda s: -len(re.sub(r"\{[A-Z]+\}", "", s[0].name)))
        numbered = [d.name for d in self._patterns] + [s.name for s, _ in self._spelling_patterns]
        self._starts = tuple({name.partition("{")[0] for name in numbered})
        self._cache: dict[str, tuple[Meaning, ...]] = {}

    @classmethod
    def of(
        cls,
        manifests: Iterable[Mapping[str, Any]],
        *,
        disabled: Iterable[Mapping[str, Any]] = (),
        catalogue: Path | Mapping[str, Any] | None = None,
    ) -> Declarations:
        """From raw manifests of the enabled plugins (the core's own among them or not: it is always added first).

        ``disabled``: manifests of what is installed but not enabled; ``catalogue``: a JSON file, or its content, with
        ``variables`` and ``prefixes`` of plugins that can be installed (the built-in one where not given). Both serve
        messages alone.
        """
        declared = [d for manifest in [core_manifest(), *manifests] for d in _read(manifest)]
        off = {setting["name"]: manifest["name"] for manifest in disabled for setting in manifest.get("settings", ())}
        return cls(declared, off, catalogue or _built_in_catalogue())

    def _add(self, one: Declared) -> None:
        if one.numbered:
            self._patterns.append(one)
        elif one.name in self._exact:
            first = self._exact[one.name]
            if first.owner != one.owner:
                self.clashes.append((one.name, first.owner, one.owner))
            return
        else:
            self._exact[one.name] = one
        for spelling in one.aliases:
            if "{" in spelling.name:
                self._spelling_patterns.append((spelling, one))
            else:
                self._spellings.setdefault(spelling.name, []).append((spelling, one))

    def __iter__(self) -> Any:
        yield from self._exact.values()
        yield from self._patterns

    def find(self, name: str) -> Declared | None:
        """The declaration that a written name, in whatever spelling, belongs to."""
        meanings = self.meanings(name)
        return meanings[0].declared if meanings else None

    def meanings(self, name: str) -> tuple[Meaning, ...]:
        """What a written name sets: nothing (unknown), one setting, or several where a spelling stands for several."""
        found = self._cache.get(name)
        if found is None:
            found = self._cache[name] = tuple(self._look_up(name))
        return found

    def _look_up(self, name: str) -> Iterable[Meaning]:
        exact = self._exact.get(name)
        if exact is not None:
            yield Meaning(name, exact)
            return
        spellings = self._spellings.get(name)
        if spellings:
            for spelling, declared in spellings:
                yield Meaning(declared.name, declared, spelling)
            return
        if not name.startswith(self._starts):  # most of a process's variables
            return
        for declared in self._patterns:
            match = match_pattern(declared.name, name)
            if match:
                yield Meaning(name, declared, None, match.groups())
                return
        for spelling, declared in self._spelling_patterns:
            match = match_pattern(spelling.name, name)
            if match:
                groups = match.groups()
                yield Meaning(fill(declared.name, groups), declared, spelling, groups)
                return

    def names(self) -> list[str]:
        """Every exact name and spelling, for suggesting a near one."""
        return [*self._exact, *self._spellings]

    def patterns(self) -> list[str]:
        """Every name with braces."""
        return [declared.name for declared in self._patterns]

    def from_process(self) -> set[str]:
        """The names, some with braces, under which a process variable counts without being referred to."""
        services = {name.removesuffix(end) for name in self._exact for end in KNOWN_BY if name.endswith(end)}
        spellings = [spelling.name for spelling, _ in self._spelling_patterns]
        generic = (service + end for service in services for end in GENERIC_ENDS)
        return {*self.names(), *self.patterns(), *spellings, *generic} - AMBIENT

    def owner_elsewhere(self, name: str, *, prefixes: bool = True) -> str | None:
        """The command that would bring the plugin which reads a variable nobody here declares.

        With ``prefixes`` also where only the beginning of the name is a plugin's.
        """
        for written, plugin in self._disabled.items():
            if written == name or ("{" in written and match_pattern(written, name)):
                return f"nself plugin allow {plugin}"
        known = self._known_elsewhere()
        found = known.get("variables", {}).get(name)
        if found is None and prefixes:
            beginnings = known.get("prefixes", {})
            prefix = max((p for p in beginnings if name.startswith(p)), key=len, default=None)
            found = beginnings[prefix] if prefix else None
        return f"nself plugin install {found}" if found else None

    def _known_elsewhere(self) -> Mapping[str, Any]:
        """The catalogue, read when it is first asked for."""
        if isinstance(self._catalogue, Path):
            self._catalogue = json.loads(self._catalogue.read_text(encoding="utf-8"))
        return self._catalogue if isinstance(self._catalogue, Mapping) else {}

    def wants_from_process(self, name: str) -> bool:
        """Whether a variable of the process environment counts without being referred to."""
        if name in AMBIENT or name in CONTROL:
            return False
        return bool(self.meanings(name))


def fill(pattern: str, groups: Iterable[str]) -> str:
    """Put what the braces matched into another pattern: ``fill("CS_{N}_PORT", ["2"])`` is ``CS_2_PORT``."""
    values = iter(groups)
    return re.sub(r"\{[A-Z]+\}", lambda _: next(values, ""), pattern)


def _built_in_catalogue() -> Path | None:
    from importlib.util import find_spec

    spec = find_spec("builtin_plugins")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = Path(folders[0]) / "registry" / "known_settings.json" if folders else None
    return found if found and found.is_file() else None


def core_manifest() -> dict[str, Any]:
    """The core's own settings."""
    data: dict[str, Any] = json.loads(_CORE.read_text(encoding="utf-8"))
    return data


def _read(manifest: Mapping[str, Any]) -> Iterable[Declared]:
    owner = manifest["name"]
    for raw in manifest.get("settings", ()):
        fields = dict(raw)
        fields["aliases"] = tuple(
            Spelling(a["name"], a.get("json_fields", {}), a.get("values", {}), bool(a.get("preferred")))
            for a in raw.get("aliases", ())
        )
        fields["choices"] = tuple(raw.get("choices", ()))
        yield Declared(owner=owner, **fields)
