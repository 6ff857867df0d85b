"""Weak secrets, and those that are made."""

from __future__ import annotations

import pytest

from nself_core.settings.strength import default_strength, made, weakness


@pytest.mark.parametrize(
    "value",
    ["password", "Password1!", "admin", "secret-key-of-many-letters-and-more", "changeme", "change-me", "default", "test1234",
     "demo-jwt-secret-key-minimum-32-characters-long", "thingadmin", "123456", "a" * 40, "Xk2"],
)  # fmt: skip
def test_weak(value: str) -> None:
    assert weakness(value, 16)


@pytest.mark.parametrize(
    "value", ["Zq8vT2mK9xR4wN7p", "testimonial4Kx9mRw2Lq", "correct horse battery staple", "administer9Kx2mLqW"]
)
def test_strong(value: str) -> None:
    assert weakness(value, 16) is None


def test_made_secrets_are_alphanumeric_and_strong() -> None:
    several = {made(32) for _ in range(50)}
    assert len(several) == 50
    assert all(len(one) == 32 and one.isascii() and one.isalnum() and weakness(one, 32) is None for one in several)


def test_keys_must_be_longer_than_passwords() -> None:
    assert [default_strength(n) for n in ("DB_PASSWORD", "JWT_KEY", "ADMIN_SECRET", "API_TOKEN")] == [16, 32, 32, 32]
