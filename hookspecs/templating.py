"""Jinja2 for generated files, set up once: unknown names are errors, nothing is escaped, blocks leave no blank lines."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment, Template

#: Below a package: its templates, and the modules that our wheel's build compiled them to.
TEMPLATES, COMPILED = "templates", "templates_compiled"


@cache
def environment(package: str) -> Environment:
    """The Jinja2 environment over a package's ``templates`` folder, or over what they were compiled to."""
    from jinja2 import PackageLoader

    spec = find_spec(package)
    if spec is not None and spec.origin and Path(spec.origin).with_name(COMPILED).is_dir():
        return _environment(_modules(f"{package}.{COMPILED}"))
    return _environment(PackageLoader(package))


def _modules(folder: str) -> BaseLoader:
    """Jinja2's ``ModuleLoader``, but that modules are imported as the package's own: verified where those are."""
    from jinja2 import BaseLoader, ModuleLoader

    class Modules(BaseLoader):
        def load(self, environment: Environment, name: str, globals: Any = None) -> Template:
            module = import_module(f"{folder}.{ModuleLoader.get_template_key(name)}")
            return environment.template_class.from_module_dict(environment, vars(module), globals or {})

    return Modules()


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
