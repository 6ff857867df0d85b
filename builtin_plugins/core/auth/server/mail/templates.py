"""The texts of mails and short messages, per locale, from our folder or the project's.

A project's template (under AUTH_TEMPLATES_PATH) is a folder `<locale>/<name>/` with `subject.txt` and `body.html`, in
either of two forms: with a further ending `.j2` it is Jinja2, without it hasura-auth's own form, where `${link}` stands
for a value. Ours lie side by side in `texts/`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

BUILTIN = Path(__file__).parent / "texts"
NAMES = ("email-verify", "email-confirm-change", "signin-passwordless", "signin-otp", "password-reset", "account-exists")
_PLACEHOLDER = re.compile(r"\$\{\s*(\w+)\s*\}")
_TAG = re.compile(r"<[^>]+>")
_LINK = re.compile(r"""<a\b[^>]*\bhref=["']([^"']+)["'][^>]*>.*?</a>""", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's text."""

    subject: str
    html: str
    plain: str


@cache
def _environment(as_html: bool) -> SandboxedEnvironment:
    """Made for the first mail: the library is a tenth of the server's start."""
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(autoescape=as_html)


class Templates:
    """Finds and renders templates."""

    def __init__(self, folder: str, default_locale: str) -> None:
        self._folder = Path(folder) if folder else None
        self._default = default_locale

    def _find(self, locale: str, name: str, file: str) -> Path:
        if not re.fullmatch(r"[A-Za-z]{2}", locale):
            locale = self._default
        for language in dict.fromkeys((locale, self._default, "en")):
            own = self._folder / language / name if self._folder else None
            candidates = [own / f"{file}.j2", own / file] if own else []
            for candidate in (*candidates, BUILTIN / f"{language}.{name}.{file}.j2"):
                if candidate.is_file():
                    return candidate
        raise FileNotFoundError(f"mail template {name}/{file} for locale {locale}")

    def _render(self, path: Path, values: Mapping[str, str], *, as_html: bool) -> str:
        try:
            source = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: it is not UTF-8") from None
        if path.suffix == ".j2":
            from jinja2 import TemplateError

            try:
                return _environment(as_html).from_string(source).render(values)
            except TemplateError as error:
                raise ValueError(f"{path}: {error}") from error

        def fill(match: re.Match[str]) -> str:
            value = values.get(match[1], "")
            return html.escape(value) if as_html else value

        return _PLACEHOLDER.sub(fill, source)

    def mail(self, locale: str, name: str, values: Mapping[str, str]) -> Rendered:
        """A mail in the user's locale, else the default one, else English."""
        subject = self._render(self._find(locale, name, "subject.txt"), values, as_html=False)
        body = self._render(self._find(locale, name, "body.html"), values, as_html=True)
        return Rendered(_CONTROL.sub(" ", subject).strip(), body, plain(body))

    def check(self) -> None:
        """Render each of the project's templates once; ``ValueError`` names the first that cannot be."""
        folders = [path for path in self._folder.iterdir() if path.is_dir()] if self._folder and self._folder.is_dir() else []
        for locale in (path.name for path in folders):
            for name in NAMES:
                self.mail(locale, name, {})
            self.text(locale, "signin-passwordless-sms", {})

    def text(self, locale: str, name: str, values: Mapping[str, str]) -> str:
        """A short message."""
        return self._render(self._find(locale, name, "body.txt"), values, as_html=False).strip()


def plain(body: str) -> str:
    """An HTML body as text, links as their addresses, for readers without HTML."""
    text = _LINK.sub(lambda match: f" {match[1]} ", body)
    text = re.sub(r"(?i)<(br|/p|/h\d|/div|/tr)\b[^>]*>", "\n", text)
    lines = (" ".join(line.split()) for line in html.unescape(_TAG.sub("", text)).splitlines())
    return "\n".join(line for line in lines if line) + "\n"
