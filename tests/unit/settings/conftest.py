"""A project folder, declarations for it, and loading in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nself_core.settings import Declarations, LoadedSettings, load

MANIFEST = {
    "name": "shop",
    "settings": [
        {"name": "DB_PASSWORD", "secret": True, "generate": 32, "strength": 16, "help": "Database."},
        {"name": "DB_PORT", "type": "port", "default": "5432", "help": "Port.", "aliases": [{"name": "DB_EXTERNAL_PORT"}]},
        {"name": "DB_URL", "help": "Address.", "default": "db://${BASE_DOMAIN}/${PROJECT_NAME}"},
        {"name": "CACHE_ENABLED", "type": "bool", "default": "false", "help": "Cache.", "aliases": [
            {"name": "KV_ENABLED", "preferred": True}, {"name": "KV_ENGINE", "values": {"cache": "true"}}]},
        {"name": "CACHE_PASSWORD", "secret": True, "generate": 24, "when": "CACHE_ENABLED", "help": "Cache's password."},
        {"name": "CACHE_MEMORY", "type": "size", "when": "CACHE_ENABLED", "help": "Cache's memory."},
        {"name": "MAIL_KEY", "secret": True, "required": True, "when": "MAIL_ENABLED", "help": "Key of the mail provider."},
        {"name": "MAIL_ENABLED", "type": "bool", "default": "false", "help": "Mail."},
        {"name": "JWT_KEY", "secret": True, "generate": 64, "strength": 32, "help": "Key of tokens.", "aliases": [
            {"name": "AUTH_JWT_SECRET"}, {"name": "JWT_JSON", "json_fields": {"key": "JWT_KEY", "type": "JWT_TYPE"}}]},
        {"name": "JWT_TYPE", "default": "HS256", "choices": ["HS256", "RS256"], "help": "Algorithm."},
        {"name": "API_ROUTE", "type": "route", "default": "api", "help": "Host."},
        {"name": "CS_{N}", "help": "A service.", "aliases": [{"name": "CUSTOM_SERVICE_{N}"}]},
        {"name": "CS_{N}_PORT", "type": "port", "when": "CS_{N}", "help": "Its port."},
        {"name": "PROVIDER_{NAME}_SECRET", "secret": True, "help": "A provider's secret."},
        {"name": "HAND_ON", "type": "list", "forwards": True, "help": "Names to hand on."},
        {"name": "OLD_THING", "help": "Old.", "unused": "the museum will use it"},
        {"name": "BAD_THING", "help": "Bad.", "refused": "it never worked; use DB_PORT"},
    ],
}  # fmt: skip
CATALOGUE = {"variables": {"ML_ENABLED": "ml"}, "prefixes": {"ML_": "ml"}}


class Shop:
    """A project in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.declarations = Declarations.of([MANIFEST], catalogue=CATALOGUE)

    def write(self, files: Mapping[str, str]) -> Shop:
        for label, text in files.items():
            path = self.root / label
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if label.endswith(".env.secrets"):
                path.chmod(0o600)
        return self

    def load(self, env: str | None = None, **environ: str) -> LoadedSettings:
        return load(self.root, self.declarations, env=env, environ=environ)


def codes(loaded: LoadedSettings, level: str | None = None) -> set[str]:
    """The codes of what was found, of one level or of all."""
    return {p.code for p in loaded.problems if level in {None, p.level}}


def found(loaded: LoadedSettings, code: str) -> object:
    """The one finding of a code."""
    (one,) = [p for p in loaded.problems if p.code == code]
    return one


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path).write({".env.dev": "PROJECT_NAME=shop\n"})


@pytest.fixture
def shop_of(tmp_path: Path) -> Callable[[str], Shop]:
    """A shop whose ``.env.dev`` holds more lines."""
    return lambda text: Shop(tmp_path).write({".env.dev": f"PROJECT_NAME=shop\n{text}\n"})
