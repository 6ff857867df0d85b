"""A webhook forged in every way is refused, by every scheme, and nothing of it is stored."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from builtin_plugins.host.webhooks.endpoint import Intake, Source
from builtin_plugins.host.webhooks.schemes.standard import sign
from builtin_plugins.host.webhooks.store import Row, Store, Told

from .signing import NOW, SENDERS, Request, Sender


class Memory(Store):
    """A store that remembers."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, row: Row, told: Told) -> None:
        """Remember."""
        self.rows.append(row)
        told(True)


async def send(
    sender: Sender, request: Request, *, secrets: tuple[str, ...] | None = None, now: float = NOW, method: str = "POST"
) -> tuple[int, bytes, list[Row]]:
    """Status, body, and what was stored."""
    memory = Memory()
    app = Intake(memory, base_url="https://api.example.com", clock=lambda: now)
    app.serve("demo", [Source("demo", sender.rule, (sender.secret,) if secrets is None else secrets)])
    query = request.url.partition("?")[2].encode()
    scope = {"type": "http", "method": method, "path": "/webhooks/demo", "query_string": query, "headers": request.raw()}
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": request.body[:5], "more_body": True},
                {"type": "http.request", "body": request.body[5:]}]  # fmt: skip

    async def receive() -> Any:
        return messages.pop(0)

    async def put(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, put)
    found = (sent[0]["status"], sent[1].get("body", b""), memory.rows)
    if method == "POST":
        assert await send_short(sender, request, secrets=secrets, now=now) in (None, found)
    return found


async def send_short(sender: Sender, request: Request, *, secrets: tuple[str, ...] | None, now: float) -> Any:
    """The same by the way without ASGI; nothing where that is not taken."""
    memory = Memory()
    app = Intake(memory, base_url="https://api.example.com", clock=lambda: now)
    app.serve("demo", [Source("demo", sender.rule, (sender.secret,) if secrets is None else secrets)])
    headers = [*request.raw(), (b"content-length", str(len(request.body)).encode())]
    entry = app.direct(b"/webhooks/demo", headers)
    if entry is None:
        assert sender.rule.scheme in {"paypal", "twilio"}
        return None
    answers: list[Any] = []
    app.take(entry, headers, request.body, answers.append)
    await asyncio.sleep(0)
    (answer,) = answers
    return answer.status, answer.body, memory.rows


every = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)


@every
async def test_a_genuine_one_is_taken_with_its_id_and_type(sender: Sender) -> None:
    status, answer, rows = await send(sender, sender.sign(sender.secret, NOW, sender.body))
    assert (status, answer) == (200, b"")
    assert rows[0].body == sender.body
    assert rows[0].once.startswith(sender.id or "sha256:")
    assert f'"type":"{sender.type}"' in rows[0].event
    assert sender.signature not in rows[0].event


@every
async def test_during_a_rotation_both_secrets_count(sender: Sender) -> None:
    for secret in (sender.secret, sender.other):
        status, _, rows = await send(sender, sender.sign(secret, NOW, sender.body), secrets=(sender.other, sender.secret))
        assert status == 200
        assert rows


def _changed(change: Callable[[str], str]) -> Callable[[Sender, Request], Request]:
    """The header of the signature changed."""
    return lambda sender, request: request.but(**{sender.signature: change(request.headers[sender.signature])})


def _flip(value: str) -> str:
    return value[:-7] + ("0" if value[-7] != "0" else "1") + value[-6:]


def _another_algorithm(value: str) -> str:
    for name in ("v1=", "v1,", "sha256=", "v0="):
        if name in value:
            return value.replace(name, {"sha256=": "sha1="}.get(name, "v1a" + name[-1]))
    return "none"


def _doubled(sender: Sender, request: Request) -> Request:
    return replace(request, doubled=((sender.signature, request.headers[sender.signature]),))


FORGERIES: dict[str, Callable[[Sender, Request], Request]] = {
    "another key": lambda s, r: s.sign(s.other, NOW, s.body),
    "signed with nothing": lambda s, r: _unkeyed(s),
    "a byte more": lambda s, r: replace(r, body=r.body + b" "),
    "a byte less": lambda s, r: replace(r, body=r.body[:-1]),
    "a byte changed": lambda s, r: replace(r, body=r.body.replace(b"1", b"2", 1)),
    "another body": lambda s, r: replace(r, body=b'{"id": "evt_1"}'),
    "no body": lambda s, r: replace(r, body=b""),
    "no signature": lambda s, r: r.but(**{s.signature: None}),
    "the signature twice": _doubled,
    "a forged one before it": lambda s, r: _doubled(s, r).but(**{s.signature: "x"}),
    "an empty signature": _changed(lambda value: ""),
    "a signature of blanks": _changed(lambda value: "  "),
    "a digit of it changed": _changed(_flip),
    "a shorter signature": _changed(lambda value: value[:-2]),
    "the beginning of it": _changed(lambda value: value[:12]),
    "a longer signature": _changed(lambda value: value + "00"),
    "other than ASCII": _changed(lambda value: value + "é"),
    "full-width digits": _changed(lambda value: value.translate({48 + n: 0xFF10 + n for n in range(10)})),
    "a null in it": _changed(lambda value: value + "\0"),
    "a line break in it": _changed(lambda value: value + "\n"),
    "another algorithm": _changed(_another_algorithm),
    "the words null and none": _changed(lambda value: "v1=,v1=null,t=0"),
}


def _unkeyed(sender: Sender) -> Request:
    return sender.sign("whsec_" if sender.rule.scheme == "standard" else "", NOW, sender.body)


@every
async def test_a_forged_one_is_refused(sender: Sender) -> None:
    for name, forge in FORGERIES.items():
        status, answer, rows = await send(sender, forge(sender, sender.sign(sender.secret, NOW, sender.body)))
        assert status in (400, 401, 415), name
        assert rows == [], name
        assert sender.secret.encode() not in answer


@every
async def test_an_old_or_future_one_is_refused_where_a_time_is_signed(sender: Sender) -> None:
    for seconds in (-301, 301, -86400, 86400, -NOW):
        status, _, rows = await send(sender, sender.sign(sender.secret, NOW + seconds, sender.body))
        assert (status, len(rows)) == ((401, 0) if sender.timed else (200, 1)), seconds
    for seconds in (-299, 299):
        assert (await send(sender, sender.sign(sender.secret, NOW + seconds, sender.body)))[0] == 200


@pytest.mark.parametrize("name", ["standard", "stripe", "slack"])
async def test_a_signed_time_is_a_number_of_seconds(name: str) -> None:
    sender = SENDERS[name]
    request = sender.sign(sender.secret, NOW, sender.body)
    wide = str(int(NOW)).translate({48 + n: 0xFF10 + n for n in range(10)})
    for value in ("", "soon", "-1", "1e9", "1800000000.5", wide, "+1800000000", " 1800000000", "9" * 30):
        changed = {k: v.replace(str(int(NOW)), value) for k, v in request.headers.items()}
        assert (await send(sender, replace(request, headers=changed)))[0] == 401, value


@every
@pytest.mark.parametrize("secrets", [(), ("",)])
async def test_without_a_secret_everything_is_refused(sender: Sender, secrets: tuple[str, ...]) -> None:
    for request in (sender.sign(sender.secret, NOW, sender.body), _unkeyed(sender)):
        status, _, rows = await send(sender, request, secrets=secrets)
        assert (status, rows) == (503, [])


async def test_a_signature_of_another_scheme_counts_for_nothing() -> None:
    for sender in SENDERS.values():
        for other in SENDERS.values():
            if other.rule.scheme != sender.rule.scheme:
                request = other.sign(sender.secret if other.rule.scheme != "standard" else other.secret, NOW, sender.body)
                assert (await send(sender, request))[0] in (400, 401, 415), (sender.rule.scheme, other.rule.scheme)


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
async def test_only_post_is_taken(method: str) -> None:
    sender = SENDERS["github"]
    assert (await send(sender, sender.sign(sender.secret, NOW, sender.body), method=method))[0] == 405


async def test_slack_is_answered_its_challenge_only_when_it_signs() -> None:
    sender = SENDERS["slack"]
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"}'
    status, answer, rows = await send(sender, sender.sign(sender.secret, NOW, body))
    assert (status, answer, rows) == (200, b'{"challenge":"3eZbrw1aB"}', [])
    assert (await send(sender, sender.sign(sender.other, NOW, body)))[0] == 401


async def test_slack_commands_are_forms() -> None:
    sender = SENDERS["slack"]
    request = sender.sign(sender.secret, NOW, b"command=%2Fweather&text=94070").but(
        content_type="application/x-www-form-urlencoded"
    )
    status, _, rows = await send(sender, request)
    assert status == 200
    assert '"type":"command"' in rows[0].event


async def test_twilio_signs_with_or_without_the_port() -> None:
    sender = SENDERS["twilio"]
    for url in ("https://api.example.com:443/webhooks/demo", "https://api.example.com/webhooks/demo"):
        from . import signing

        text = url + "".join(k + v for k, v in sorted(signing.parse_qsl(sender.body.decode(), keep_blank_values=True)))
        signature = signing._b64(sender.secret.encode(), text.encode(), "sha1")
        request = sender.sign(sender.secret, NOW, sender.body).but(x_twilio_signature=signature)
        assert (await send(sender, request))[0] == 200


async def test_twilio_json_whose_body_nothing_signs_is_refused() -> None:
    """The URL's signature alone would let any JSON body pass."""
    sender = SENDERS["twilio-json"]
    from . import signing

    signature = signing._b64(sender.secret.encode(), signing.URL.encode(), "sha1")
    request = Request({"content-type": "application/json", "x-twilio-signature": signature}, b'{"any": "thing"}')
    assert (await send(sender, request))[0] == 401


async def test_types_that_the_manifest_does_not_name_are_acknowledged_and_dropped() -> None:
    sender = SENDERS["stripe"]
    for events, wanted in [(("thing.done",), 1), (("thing.*",), 1), (("other", "thing"), 0), (("*",), 1), ((), 1)]:
        chosen = replace(sender, rule=sender.rule.model_copy(update={"events": events}))
        status, _, rows = await send(chosen, sender.sign(sender.secret, NOW, sender.body))
        assert (status, len(rows)) == (200, wanted)


@pytest.mark.parametrize("ident", ["x" * 5000, "a\u0000b", "a\nb", "\ud83d"])
async def test_ids_that_a_database_would_not_take_are_hashed(ident: str) -> None:
    import json

    sender = SENDERS["stripe"]
    body = json.dumps({"id": ident, "type": ident}).encode()
    status, _, rows = await send(sender, sender.sign(sender.secret, NOW, body))
    if status == 200:
        assert rows[0].once.startswith("sha256:")
        assert json.loads(rows[0].event)["type"].startswith("sha256:")
    else:
        assert status == 415  # a lone surrogate is no JSON


# --- Standard Webhooks: the specification's own vectors, and its reference library as the other side ---

_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_ID, _TIME, _PAYLOAD = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
_SEED = "VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="


def test_the_published_vectors_are_signed_alike() -> None:
    assert sign(_KEY, _ID, _TIME, _PAYLOAD) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign("whsk_" + _SEED, _ID, _TIME, _PAYLOAD) == (
        "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
    )
    with pytest.raises(ValueError, match="24 bytes"):
        sign("whsec_" + base64.b64encode(b"short").decode(), _ID, _TIME, _PAYLOAD)
    with pytest.raises(ValueError, match="no secret"):
        sign(" ", _ID, _TIME, _PAYLOAD)


def _public() -> str:
    raw = Ed25519PrivateKey.from_private_bytes(base64.b64decode(_SEED)).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return "whpk_" + base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("signatures", "taken"),
    [
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", True),
        ("v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==", True),
        ("v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= "
         "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=", True),
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=", False),
        ("v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", False),
        ("v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", False),
        ("v1,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==", False),
        ("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", False),
        ("v1a,", False), ("v1,", False), ("v1", False), (",", False), ("v1,not Base64!", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [_KEY, _KEY.removeprefix("whsec_")])
async def test_the_published_vectors_verify_and_their_wrong_ones_do_not(signatures: str, taken: bool, key: str) -> None:
    sender = SENDERS["standard"]
    request = Request({"webhook-id": _ID, "webhook-timestamp": str(_TIME), "webhook-signature": signatures}, _PAYLOAD)
    status, _, _ = await send(sender, request, secrets=(key, _public()), now=_TIME + 10)
    assert status == (200 if taken else 401)


async def test_the_reference_library_reads_what_we_sign_and_we_what_it_signs() -> None:
    now = datetime.now(UTC)
    stamp = str(int(now.timestamp()))
    ours = {"webhook-id": _ID, "webhook-timestamp": stamp, "webhook-signature": sign(_KEY, _ID, int(stamp), _PAYLOAD)}
    assert standardwebhooks.Webhook(_KEY).verify(_PAYLOAD, ours) == {"test": 2432232314}
    theirs = ours | {"webhook-signature": standardwebhooks.Webhook(_KEY).sign(_ID, now.replace(tzinfo=None), _PAYLOAD.decode())}
    status, _, rows = await send(SENDERS["standard"], Request(theirs, _PAYLOAD), secrets=(_KEY,), now=now.timestamp())
    assert (status, rows[0].once) == (200, _ID)


async def test_a_private_key_configured_to_verify_is_refused() -> None:
    sender = SENDERS["standard"]
    request = sender.sign(sender.secret, NOW, sender.body)
    assert (await send(sender, request, secrets=("whsk_" + _SEED,)))[0] == 503
