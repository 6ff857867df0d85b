"""PostGraphile 5 as a peer: installed by npm, with the Node.js it needs, into a folder outside the checkout."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / "nself-benchmark-postgraphile"
PACKAGES = ("postgraphile@5", "node@24")
CONFIG = """
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";
export default {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: process.env.DATABASE, schemas: ["public"], poolConfig: { max: 20 } })],
  grafserv: { port: Number(process.env.PORT), host: "127.0.0.1", graphiql: false, watch: false },
  grafast: { explain: false },
};
"""
#: Production mode, as PostGraphile's own documentation asks for.
MODE = {"NODE_ENV": "production", "GRAPHILE_ENV": "production"}


def installed(folder: Path = FOLDER) -> list[str] | str:
    """The command that serves it, or why it cannot be had."""
    npm = shutil.which("npm")
    node, cli = (
        folder / "node_modules" / "node" / "bin" / "node",
        folder / "node_modules" / "postgraphile" / "dist" / "cli-run.js",
    )
    if not cli.exists() or not node.exists():
        if npm is None:
            return "npm is not installed"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        argv = [npm, "install", "--no-audit", "--no-fund", *PACKAGES]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode or not cli.exists() or not node.exists():
            return "npm could not install it: " + (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    (folder / "graphile.config.mjs").write_text(CONFIG)
    return [str(node), str(cli), "-C", "graphile.config.mjs"]
