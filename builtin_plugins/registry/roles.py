"""Who signs what in a registry, for how long it holds, and the order in which one role trusts the next.

::

    root ─┬─ timestamp          1 day    renewed by every publish
          ├─ snapshot           7 days
          └─ targets            1 year   signs no file itself
               ├─ catalogue     90 days  catalogue/*: listings, revocations
               ├─ publisher-…   1 year   <publisher>/*: its wheels, signed by its own key; nobody else's count
               └─ plugins       90 days  the rest: releases of each plugin, wheels of publishers the registry vouches for
                    └─ bin-…    90 days  succinct hash bins, as many as there is need of

Publishers stand before ``plugins`` and end the search, so the keys that a publishing machine holds cannot speak for them.
"""

from __future__ import annotations

from datetime import timedelta

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
CATALOGUE, PLUGINS = "catalogue", "plugins"
BIN_PREFIX = "bin"
PUBLISHER_PREFIX = "publisher-"

ROOT_KEYS, ROOT_THRESHOLD = 3, 2
#: Roles with one key of the registry each.
SINGLE = (TARGETS, SNAPSHOT, TIMESTAMP, CATALOGUE)

_LIFETIMES = {ROOT: 365, TARGETS: 365, SNAPSHOT: 7, TIMESTAMP: 1, CATALOGUE: 90, PLUGINS: 90}
_PUBLISHER_DAYS = 365
_BIN_DAYS = 90
#: Target files that one bin holds at most, and the fewest bins there are (as powers of two).
BIN_TARGETS = 500
LEAST_BITS, MOST_BITS = 2, 14
#: Plugins in one shard of the listing.
SHARD_PLUGINS = 2_048


def lifetime(role: str) -> timedelta:
    """How long signed metadata of a role holds."""
    if role.startswith(PUBLISHER_PREFIX):
        return timedelta(days=_PUBLISHER_DAYS)
    return timedelta(days=_LIFETIMES.get(role, _BIN_DAYS))


def publisher_role(name: str) -> str:
    """The role of a publisher that signs for itself."""
    return f"{PUBLISHER_PREFIX}{name}"


def bits_for(targets: int) -> int:
    """How many bits of a path's hash choose its bin."""
    bits = LEAST_BITS
    while bits < MOST_BITS and targets > BIN_TARGETS << bits:
        bits += 1
    return bits


def shards_for(plugins: int) -> int:
    """Into how many shards the listing is split: a power of two."""
    shards = 1
    while plugins > SHARD_PLUGINS * shards:
        shards *= 2
    return shards
