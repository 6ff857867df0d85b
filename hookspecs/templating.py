"""Jinja2 for generated files, set up once: unknown names are errors, nothing is escaped, blocks leave no blank lines."""

from __future__ import annotations

import json
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment

#: Below a package: its templates, and what our wheel's build compiled them to.
TEMPLATES, COMPILED = "templates", "templates_compiled"


@cache
def environment(package: str) -> Environment:
    """The Jinja2 environment over a package's ``templates`` folder."""
    from jinja2 import ChoiceLoader, ModuleLoader, PackageLoader

    loader: BaseLoader = PackageLoader(package)
    spec = find_spec(package)
    # a package that is imported from verified bytes has its templates compiled from text, as modules beside them are not
    if spec is not None and spec.origin and isinstance(spec.loader, SourceFileLoader):
        compiled = Path(spec.origin).with_name(COMPILED)
        if compiled.is_dir():
            loader = ChoiceLoader([ModuleLoader(compiled), loader])
    return _environment(loader)


def _environment(loader: BaseLoader) -> Environment:
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  configuration files, not HTML
    )
    made.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


def compile_below(root: Path) -> None:
    """Compile the templates of every package below ``root`` to Python beside them, for an installed copy that nobody edits."""
    from jinja2 import FileSystemLoader

    for folder in sorted(root.rglob(TEMPLATES)):
        if folder.is_dir() and folder.with_name("__init__.py").exists():
            made = _environment(FileSystemLoader(folder))
            target = folder.with_name(COMPILED)
            made.compile_templates(target, extensions=["j2"], zip=None, ignore_errors=False)


def render(package: str, template: str, **values: Any) -> str:
    """Render ``templates/<template>`` of a package: ``render(__package__, "nginx.conf.j2", sites=sites)``."""
    return environment(package).get_template(template).render(**values)
