"""Jinja2 for generated files, set up once: unknown names are errors, nothing is escaped, blocks leave no blank lines."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment(package: str) -> Environment:
    """The Jinja2 environment over a package's ``templates`` folder."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  configuration files, not HTML
    )
    made.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


def render(package: str, template: str, **values: Any) -> str:
    """Render ``templates/<template>`` of a package: ``render(__package__, "nginx.conf.j2", sites=sites)``."""
    return environment(package).get_template(template).render(**values)
