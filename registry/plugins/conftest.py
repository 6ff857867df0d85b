"""The plugins here are tested as their sources lie here, without being installed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(folder.parent) for folder in sorted(Path(__file__).parent.glob("*/pyproject.toml"))]
