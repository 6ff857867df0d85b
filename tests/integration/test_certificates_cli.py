"""Certificates as ``nself build`` and ``nself trust`` make them."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.conftest import Nself


def names(path: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in found.value}


def test_the_leaf_covers_every_route(write_env: Callable[[str], Nself], own_home: Path) -> None:
    nself = write_env(
        "PROJECT_NAME=demo\nBASE_DOMAIN=local.example.org\nHASURA_ROUTE=api.v1\nEXTRA_SSL_DOMAINS=*.sites.local.example.org\n"
    )
    nself("build")
    folder = nself.folder / ".nself/certs/local"
    assert names(folder / "fullchain.pem") >= {
        "local.example.org", "api.v1.local.example.org", "auth.local.example.org", "*.sites.local.example.org",
        "localhost", "127.0.0.1", "::1",
    }  # fmt: skip
    assert stat.S_IMODE((folder / "privkey.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((own_home / ".nself/ca/rootCA-key.pem").stat().st_mode) == 0o600
    ca = own_home / ".nself/ca/rootCA.pem"
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, folder / "fullchain.pem"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_new_route_renews_and_nothing_new_does_not(write_env: Callable[[str], Nself]) -> None:
    nself = write_env("PROJECT_NAME=demo\nBASE_DOMAIN=example.test\n")
    nself("build")
    leaf = nself.folder / ".nself/certs/local/fullchain.pem"
    before = leaf.read_bytes()
    nself("build")
    assert leaf.read_bytes() == before
    write_env("PROJECT_NAME=demo\nBASE_DOMAIN=example.test\nFRONTEND_APP_1_NAME=shop\n")("build")
    assert "shop.example.test" in names(leaf)


def test_ssl_cert_name_is_the_folder(write_env: Callable[[str], Nself]) -> None:
    nself = write_env("PROJECT_NAME=demo\nSSL_CERT_NAME=mine\n")
    nself("build")
    assert (nself.folder / ".nself/certs/mine/fullchain.pem").exists()
    assert "../certs/mine/fullchain.pem" in (nself.folder / "nginx/includes/tls.conf").read_text()


def test_somebody_elses_certificate_stays(write_env: Callable[[str], Nself]) -> None:
    nself = write_env("PROJECT_NAME=demo\n")
    folder = nself.folder / ".nself/certs/local"
    folder.mkdir(parents=True)
    (folder / "fullchain.pem").write_text("theirs")
    (folder / "privkey.pem").write_text("theirs")
    nself("build")
    assert (folder / "fullchain.pem").read_text() == "theirs"


def test_trust_print_makes_the_authority(nself: Nself, own_home: Path) -> None:
    assert nself("trust", "--check", check=False).returncode == 1
    path = Path(nself("trust", "--print").stdout.strip())
    assert path == own_home / ".nself/ca/rootCA.pem"
    assert x509.load_pem_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    done = nself("trust", "--check", check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("not trusted")


def test_trust_options_exclude_each_other(nself: Nself) -> None:
    done = nself("trust", "--check", "--uninstall", check=False)
    assert done.returncode == 2
    assert "exclude" in done.stderr


@pytest.mark.parametrize("option", ["--uninstall", "--check"])
def test_without_an_authority_there_is_nothing_to_do(nself: Nself, own_home: Path, option: str) -> None:
    done = nself("trust", option, check=False)
    assert done.returncode == 1
    assert "no local authority" in done.stderr
    assert not (own_home / ".nself/ca").exists()
