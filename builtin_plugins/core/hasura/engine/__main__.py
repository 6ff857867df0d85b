"""`python -m builtin_plugins.core.hasura.engine`: serve, configured by the environment alone."""

from __future__ import annotations

import sys

from .config import Config, ConfigError, read
from .logs import Logger


def serve(argv: list[str] | None = None) -> int:
    """Run the server until it is told to stop. Returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    if argv:
        sys.stderr.write("this command takes no arguments; it is configured by HASURA_GRAPHQL_* variables\n")
        return 2
    try:
        config = read()
    except ConfigError as error:
        Logger(("startup",)).write("startup", {"kind": "server_configuration", "info": str(error)}, "error")
        return 1
    return run(config)


def run(config: Config) -> int:
    """Serve this configuration."""
    import uvicorn

    from .http.app import App

    logger = Logger(config.log_types, config.log_level)
    try:
        app = App(config, logger)
    except ConfigError as error:
        logger.write("startup", {"kind": "server_configuration", "info": str(error)}, "error")
        return 1
    logger.write("startup", {"kind": "server", "info": {"host": config.host, "port": config.port}})
    settings = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        date_header=False,
        ws="websockets-sansio",
        ws_max_size=config.max_body,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(settings)
    try:
        server.run()
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def main() -> None:
    """Entry point."""
    raise SystemExit(serve(sys.argv[1:]))


if __name__ == "__main__":
    main()
