#!/usr/bin/env python3
"""The client behind ``nself plugin``, with the command line that the public suite tuf-conformance asks of a client under test.

    <client> --metadata-dir DIR init TRUSTED_ROOT
    <client> --metadata-dir DIR --metadata-url URL refresh
    <client> --metadata-dir DIR --metadata-url URL --target-name PATH --target-base-url URL --target-dir DIR download

Exit code 0 where it succeeded fully, else 1. In a checkout of the suite:
``pytest tuf_conformance --entrypoint "/path/to/.venv/bin/python /path/to/tests/tuf_conformance/client.py"``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.sources.client import Client, Places


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", default="")
    parser.add_argument("--target-name", default="")
    parser.add_argument("--target-base-url", default="")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args(argv)
    root = given.metadata_dir / "root.json"
    if given.command == "init":
        given.metadata_dir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(given.trusted_root, root)
        return 0
    targets = given.target_dir or given.metadata_dir / "targets"
    places = Places(given.metadata_url, given.target_base_url, given.metadata_dir, targets)
    client = Client("conformance", places, root.read_bytes())
    try:
        client.refresh()
        if given.command == "download" and client.read(given.target_name) is None:
            raise UserError(f"there is no target {given.target_name}")
        if client.offline:
            raise UserError("nobody answered")
    except UserError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
