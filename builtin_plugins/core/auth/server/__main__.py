"""`python -m builtin_plugins.core.auth.server`: serve, configured by environment variables alone."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import uvicorn

from .app import create_app
from .preflight import NotReadyError, check
from .settings import SettingsError, from_environment, unread

_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error", "silent": "critical"}


def main() -> int:
    """Serve until a signal ends it. 2 for wrong settings, 1 when the server could not start."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"auth: {error}\n")
        return 2
    try:
        asyncio.run(check(settings))
    except SettingsError as error:
        sys.stderr.write(f"auth: {error}\n")
        return 2
    except NotReadyError as error:
        sys.stderr.write(f"auth: {error}\n")
        return 1
    level = _LEVELS.get(settings.log_level.lower(), "info")
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL, and some carry codes
    for line in unread(os.environ):
        logging.getLogger("nself.auth").warning(line)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level=level,
        access_log=level == "debug",
        lifespan="on",
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit:  # the address cannot be listened on, which uvicorn has told
        return 1
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
