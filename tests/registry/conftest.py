from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.operator import Operator


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """A registry that has been made, with nothing in it."""
    return Operator(tmp_path).start()


@pytest.fixture
def published(operator: Operator) -> Operator:
    """A registry that offers alice's two plugins."""
    operator.add(operator.plugin("notes"), operator.plugin("example"))
    operator.publish()
    return operator
