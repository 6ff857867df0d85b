"""Profiles as providers document them, and what we make of them."""

from __future__ import annotations

from typing import Any

import pytest

from builtin_plugins.core.auth.server.oauth.exchange import posted_name, with_email
from builtin_plugins.core.auth.server.oauth.identity import Identity, IdentityError, from_profile
from builtin_plugins.core.auth.server.oauth.providers import load_providers

TABLE = load_providers({})
PROFILES: dict[str, tuple[dict[str, Any], Identity]] = {
    "discord": (
        {"id": "80351110224678912", "username": "nelly", "global_name": "Nelly", "email": "n@d.com", "verified": True},
        Identity("80351110224678912", "n@d.com", True, "Nelly", ""),
    ),
    "facebook": (
        {"id": "12", "name": "A B", "email": "a@f.com", "picture": {"data": {"url": "https://f.example/p.jpg"}}},
        Identity("12", "a@f.com", False, "A B", "https://f.example/p.jpg"),
    ),
    "github": (
        {"id": 583231, "login": "octocat", "name": None, "email": "public@gh.com", "avatar_url": "https://gh.example/a"},
        Identity("583231", None, False, "octocat", "https://gh.example/a"),
    ),
    "gitlab": (
        {
            "id": 1,
            "name": "John",
            "email": "j@gl.com",
            "confirmed_at": "2012-05-23T09:05:22Z",
            "avatar_url": "http://plain.example/x",
        },
        Identity("1", "j@gl.com", True, "John", ""),
    ),
    "google": (
        {
            "sub": "10769150350006150715113082367",
            "email": "j@gmail.com",
            "email_verified": True,
            "name": "J",
            "picture": "https://g/p",
        },
        Identity("10769150350006150715113082367", "j@gmail.com", True, "J", "https://g/p"),
    ),
    "apple": (
        {"sub": "001473.fe6f", "email": "x@privaterelay.appleid.com", "email_verified": "true"},
        Identity("001473.fe6f", "x@privaterelay.appleid.com", True, "", ""),
    ),
    "azuread": (
        {"oid": "o-1", "upn": "boss@victim.com", "name": "Eve"},
        Identity("o-1", "boss@victim.com", False, "Eve", ""),
    ),
    "twitch": (
        {"data": [{"id": "44322889", "display_name": "dallas", "email": "d@t.tv", "profile_image_url": "https://t.tv/x"}]},
        Identity("44322889", "d@t.tv", True, "dallas", "https://t.tv/x"),
    ),
    "bitbucket": (
        {"uuid": "{c788}", "display_name": "T", "links": {"avatar": {"href": "https://bb/x"}}},
        Identity("{c788}", None, False, "T", "https://bb/x"),
    ),
    "spotify": (
        {"id": "s", "display_name": "S", "email": "s@s.com", "images": [{"url": "https://s/x"}]},
        Identity("s", "s@s.com", False, "S", "https://s/x"),
    ),
    "windowslive": ({"id": "w", "name": "W", "emails": {"account": "w@w.com"}}, Identity("w", "w@w.com", False, "W", "")),
}


@pytest.mark.parametrize("name", PROFILES)
def test_profiles(name: str) -> None:
    profile, expected = PROFILES[name]
    assert from_profile(TABLE[name], profile) == expected


@pytest.mark.parametrize("profile", [{}, [], None, "x", {"sub": True}, {"sub": {}}, {"sub": ""}])
def test_no_identity(profile: Any) -> None:
    with pytest.raises(IdentityError):
        from_profile(TABLE["google"], profile)


def test_listed_addresses() -> None:
    bare = Identity("1", None, False, "n", "")
    listed = [{"email": "a@b.co", "primary": False, "verified": True}, {"email": "c@d.ee", "primary": True, "verified": True}]
    assert with_email(TABLE["github"], bare, listed).email == "c@d.ee"
    assert with_email(TABLE["github"], bare, [{**listed[1], "verified": False}]).email_verified is False
    nested = {"values": [{"email": "e@f.gg", "is_primary": True, "is_confirmed": True}]}
    assert with_email(TABLE["bitbucket"], bare, nested) == Identity("1", "e@f.gg", True, "n", "")
    for odd in (None, {}, [1], [{"primary": True}], "x"):
        assert with_email(TABLE["github"], bare, odd) == bare


@pytest.mark.parametrize("user", ["", "x", "[]", "null", '{"name":1}', '{"name":{"firstName":7}}', "{" * 9000])
def test_odd_names(user: str) -> None:
    assert posted_name(user) == ""
