"""Templates compiled into a wheel render as their text does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hookspecs import templating

TEXTS = {
    "page.j2": '{% include "shared/top.j2" %}\n{% for n in names %}\n{{ n | json }},\n{% endfor %}\n',
    "shared/top.j2": "# {{ title }}\n",
}


def test_compiled_templates_render_as_their_text_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "with_templates"
    for name, text in TEXTS.items():
        (package / "templates" / name).parent.mkdir(parents=True, exist_ok=True)
        (package / "templates" / name).write_text(text)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def rendered() -> str:
        templating.environment.cache_clear()
        return templating.render("with_templates", "page.j2", title="it's", names=["a", 'b"'])

    from_text = rendered()
    assert from_text == '# it\'s\n"a",\n"b\\"",\n'
    templating.compile_below(tmp_path)
    shutil.rmtree(package / "templates")
    assert rendered() == from_text
    templating.environment.cache_clear()
