"""`python -m builtin_plugins.core.hasura.engine`: serve, configured by the environment alone."""

from __future__ import annotations

import socket
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
    try:
        listening = bound(config)
    except OSError as error:
        info = f"HASURA_GRAPHQL_SERVER_HOST and _PORT: cannot listen on {config.host}:{config.port}: {error.strerror or error}"
        logger.write("startup", {"kind": "server_configuration", "info": info}, "error")
        return 1
    logger.write("startup", {"kind": "server", "info": {"host": config.host, "port": config.port}})
    if not config.secured:
        info = "no HASURA_GRAPHQL_ADMIN_SECRET is set: whoever reaches this port may do everything"
        logger.write("startup", {"kind": "server_configuration", "info": info}, "warn")
    settings = uvicorn.Config(
        app,
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
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def bound(config: Config) -> socket.socket:
    """The socket to serve on, taken before anything else is begun; raises OSError."""
    host = "0.0.0.0" if config.host == "*" else config.host  # noqa: S104 - the image's word for every address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, config.port))
    except BaseException:
        made.close()
        raise
    made.set_inheritable(True)
    return made


def main() -> None:
    """Entry point."""
    raise SystemExit(serve(sys.argv[1:]))


if __name__ == "__main__":
    main()
