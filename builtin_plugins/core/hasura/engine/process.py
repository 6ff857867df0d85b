"""What the parts of one serving process share: configuration, log, engine, HTTP client, identity, and what is counted."""

from __future__ import annotations

from typing import Any

import httpx

from .auth.session import Authenticator
from .config import Config
from .engine import Engine
from .logs import Logger


class Process:
    """Made first and handed to every part, so that no part needs to know the one that starts it."""

    def __init__(self, config: Config, logger: Logger | None = None) -> None:
        self.config = config
        self.logger = logger or Logger(config.log_types, config.log_level)
        self.engine = Engine(config, self.logger)
        self.http = httpx.AsyncClient(follow_redirects=False)
        self.auth = Authenticator(config, self.http, self.logger)
        self.sockets: Any = None
        self.requests = 0
        self.failures = 0
