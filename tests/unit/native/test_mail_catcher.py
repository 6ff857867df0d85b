"""The mail catcher's messages, search and API, without a socket."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from starlette.testclient import TestClient

from builtin_plugins.optional.mailpit.catcher.message import Message
from builtin_plugins.optional.mailpit.catcher.store import Store
from builtin_plugins.optional.mailpit.catcher.web import application


def caught(subject: str = "Welcome", to: str = "Bob <bob@example.com>", text: str = "your code is 1234") -> Message:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann <ann@example.com>", to, subject
    mail.set_content(text)
    mail.add_alternative(f"<script>alert(1)</script><p>{text}</p>", subtype="html")
    mail.add_attachment(b"a,b", maintype="text", subtype="csv", filename="figures.csv")
    return Message(mail.as_bytes(), "ann@example.com", ["bob@example.com", "hidden@example.com"])


@pytest.fixture
def store() -> Store:
    made = Store(limit=3)
    made.add(caught())
    made.add(caught("Invoice 7", to="eve@example.com", text="please pay"))
    return made


@pytest.fixture
def client(store: Store) -> TestClient:
    return TestClient(application(store, ""))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("to:bob@example.com", ["Welcome"]),
        ("from:ann subject:invoice", ["Invoice 7"]),
        ('"code is 1234"', ["Welcome"]),
        ("-subject:welcome", ["Invoice 7"]),
        ("addressed:hidden", ["Invoice 7", "Welcome"]),
        ("has:attachment is:unread", ["Invoice 7", "Welcome"]),
        ("nowhere", []),
    ],
)
def test_search(store: Store, query: str, found: list[str]) -> None:
    assert [message.subject for message in store.search(query)] == found


def test_the_oldest_goes_when_the_limit_is_reached(store: Store) -> None:
    for number in range(3):
        store.add(caught(f"more {number}"))
    assert [message.subject for message in store.all()] == ["more 2", "more 1", "more 0"]


def test_a_message_is_told_in_mailpits_fields(client: TestClient) -> None:
    listed = client.get("/api/v1/messages").json()
    assert (listed["total"], listed["unread"]) == (2, 2)
    summary = listed["messages"][1]
    assert summary["From"] == {"Name": "Ann", "Address": "ann@example.com"}
    assert summary["Bcc"] == [{"Name": "", "Address": "hidden@example.com"}]
    assert summary["Snippet"] == "your code is 1234"
    detail = client.get(f"/api/v1/message/{summary['ID']}").json()
    assert detail["Text"].strip() == "your code is 1234"
    (attachment,) = detail["Attachments"]
    assert attachment["FileName"] == "figures.csv"
    part = client.get(f"/api/v1/message/{summary['ID']}/part/{attachment['PartID']}")
    assert part.content == b"a,b"
    assert client.get("/api/v1/messages").json()["unread"] == 1


def test_latest_raw_headers_and_unknown(client: TestClient) -> None:
    assert client.get("/api/v1/message/latest").json()["Subject"] == "Invoice 7"
    assert client.get("/api/v1/message/latest/headers").json()["To"] == ["eve@example.com"]
    assert "Subject: Invoice 7" in client.get("/api/v1/message/latest/raw").text
    assert client.get("/api/v1/message/none").status_code == 404
    assert client.get("/view/none.html").status_code == 404


def test_a_shown_message_runs_no_script(client: TestClient) -> None:
    shown = client.get("/view/latest.html")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "sandbox" in shown.headers["content-security-policy"]


def test_the_page_escapes_what_it_shows(store: Store, client: TestClient) -> None:
    store.add(caught("<img src=x onerror=alert(1)>"))
    assert "<img src=x" not in client.get("/").text


def test_deleting_some_and_all(client: TestClient) -> None:
    first = client.get("/api/v1/messages").json()["messages"][0]["ID"]
    client.request("DELETE", "/api/v1/messages", json={"IDs": [first]})
    assert client.get("/api/v1/messages").json()["total"] == 1
    client.request("DELETE", "/api/v1/messages")
    assert client.get("/api/v1/messages").json()["total"] == 0


def test_a_password_guards_all_but_the_health_paths(store: Store) -> None:
    client = TestClient(application(store, "admin:odd:päss"))
    assert client.get("/readyz").status_code == 200
    assert client.get("/api/v1/messages").status_code == 401
    assert client.get("/api/v1/messages", auth=("admin", "wrong")).status_code == 401
    assert client.get("/api/v1/messages", auth=("admin", "odd:päss".encode())).status_code == 200
