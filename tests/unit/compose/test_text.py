"""The YAML of the Compose file reads back as what was written."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml

from builtin_plugins.runtimes.compose.text import dump

ODD = "aé:-#\"'\\\n\t\r\x01\x7f\x85\u2028\ufeff😀${01.e ~|>%@!&*[]{},?=`\u200b\ufffe"
PIECES = [*ODD, "yes", "No", "null", "<<", "0x1", "1_0", "12:30"]


def text(rolls: random.Random) -> str:
    return "".join(rolls.choice(PIECES) for _ in range(rolls.randint(0, 6)))


def value(rolls: random.Random, depth: int) -> Any:
    kind = rolls.randint(0, 9)
    if depth == 0 or kind < 5:
        return rolls.choice([text(rolls), text(rolls), None, True, rolls.randint(-9, 10**9), rolls.random(), 1e20, 1e-7, 2.5e-9])
    if kind < 8:
        return {text(rolls): value(rolls, depth - 1) for _ in range(rolls.randint(0, 4))}
    return [value(rolls, depth - 1) for _ in range(rolls.randint(0, 4))]


def doubled(item: Any) -> Any:
    if isinstance(item, str):
        return item.replace("$", "$$")
    if isinstance(item, dict):
        return {key: doubled(inner) for key, inner in item.items()}
    return [doubled(inner) for inner in item] if isinstance(item, list) else item


@pytest.mark.parametrize("seed", range(10))
def test_what_is_written_reads_back_with_every_dollar_doubled(seed: int) -> None:
    rolls = random.Random(seed)
    for _ in range(200):
        document = {text(rolls): value(rolls, 4) for _ in range(3)}
        assert yaml.safe_load(dump(document)) == doubled(document), document
