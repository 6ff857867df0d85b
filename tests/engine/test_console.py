"""The query page, in a real browser that can reach nothing but the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.auth.browser import Browser, missing

from .servers import SECRET, Engine
from .webhooks import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


class Page:
    """The page, spoken to as a user would."""

    def __init__(self, browser: Browser, engine: Engine, path: str = "/", secret: str = SECRET) -> None:
        self.browser = browser
        browser.open(engine.base + path)
        kept = json.dumps([["x-hasura-admin-secret", secret]])
        browser.run("localStorage.clear(); sessionStorage.setItem('graphql.headers', given[0])", kept)
        browser.open(engine.base + path)

    def text(self, selector: str) -> str:
        return self.browser.run("return document.querySelector(given[0]).innerText", selector)

    def write(self, text: str, into: str = "query") -> None:
        script = "const a = document.querySelector(given[0]); a.focus(); a.select();"
        script += "document.execCommand('insertText', false, given[1])"
        self.browser.run(script, f"#{into} textarea", text)

    def click(self, selector: str) -> None:
        self.browser.run("document.querySelector(given[0]).click()", selector)

    def complete(self, text: str) -> list[str]:
        """What the page offers at the `|` of a text."""
        place = text.index("|")
        self.write(text.replace("|", ""))
        self.browser.run(
            "const a = document.querySelector('#query textarea'); a.setSelectionRange(given[0], given[0]);"
            "a.dispatchEvent(new KeyboardEvent('keydown', {key: ' ', ctrlKey: true, bubbles: true}))",
            place,
        )
        return self.browser.run("return [...document.querySelectorAll('#query li')].map(li => li.firstChild.textContent)")


@pytest.fixture
def page(browser: Browser, engine: Engine) -> Page:
    opened = Page(browser, engine)
    until(lambda: "query_root" in opened.text("aside"))
    return opened


def test_it_needs_nothing_from_elsewhere(engine: Engine, browser: Browser) -> None:
    reply = engine.http.get("/")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert not re.search(r"(src|href)=\"?(https?:)?//", reply.text)
    assert engine.http.get("/console").text == reply.text
    Page(browser, engine)
    assert (
        browser.run(
            "return performance.getEntriesByType('resource').map(e => new URL(e.name).host).filter(h => h && h !== location.host)"
        )
        == []
    )


def test_run_with_variables_and_history(page: Page) -> None:
    page.write("query ($i: Int!) { author_by_pk(id: $i) { name } }")
    page.write('{"i": 1}', "variables")
    page.click("#run")
    until(lambda: '"Ada"' in page.text("#answer"))
    assert page.text("#status").startswith("200")
    page.write("{ nothing }")
    page.write("{}", "variables")
    page.click("#run")
    until(lambda: "not found in type" in page.text("#answer"))
    page.write("{", "variables")
    page.click("#run")
    assert "not JSON" in page.text("#answer")
    page.click("#show-history")
    assert "author_by_pk" in page.text("aside")
    page.click("aside .entry:nth-of-type(2)")
    assert "author_by_pk" in page.browser.run("return document.querySelector('#query textarea').value")


def test_completion_knows_the_place(page: Page) -> None:
    assert "articles" in page.complete("{ author { | } }")
    assert page.complete("{ author { arti| } }")[0] == "articles"
    assert "title" in page.complete("{ author { articles { | } } }")
    assert "where" in page.complete("{ author(|) { id } }")
    assert "name" in page.complete("{ author(where: {|}) { id } }")
    assert "_eq" in page.complete("{ author(where: {name: {|}}) { id } }")
    assert "asc" in page.complete("{ author(order_by: {id: |}) { id } }")
    assert "$i" in page.complete("query ($i: Int!) { author_by_pk(id: |) { id } }")
    assert "include" in " ".join(page.complete("{ author { id @| } }"))
    page.write("{ author { nothing } }")
    assert page.browser.run("return document.querySelector('#query .unknown').textContent") == "nothing"


def test_a_subscription_shows_each_event(page: Page, engine: Engine) -> None:
    page.write("subscription { author(order_by: {id: asc}) { score } }")
    page.click("#run")
    until(lambda: page.text("#status").startswith("event 1"))
    engine.sql("UPDATE author SET score = 777 WHERE id = 1")
    until(lambda: "777" in page.text("#answer"))
    page.click("#run")
    until(lambda: page.text("#run") == "Run")


def test_the_schema_is_that_of_who_asks(browser: Browser, engine: Engine) -> None:
    page = Page(browser, engine, "/console/", secret="wrong")
    until(lambda: "cannot be read" in page.text("aside"))
    page.write("{ __typename }")
    page.click("#run")
    until(lambda: "x-hasura-admin-secret" in page.text("#answer"))


def test_prettify(page: Page) -> None:
    page.write(
        "query A($i:Int=1){a:author(where:{id:{_eq:$i}})@include(if:true)"
        "{id ...F # why\n articles{id}}}fragment F on author{name}"
    )
    page.click("#prettify")
    wanted = """query A($i: Int = 1) {
  a: author(where: {id: {_eq: $i}}) @include(if: true) {
    id
    ...F
    # why
    articles {
      id
    }
  }
}

fragment F on author {
  name
}
"""
    assert page.browser.run("return document.querySelector('#query textarea').value") == wanted
