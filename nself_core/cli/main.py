"""The ``nself`` program. The version is answered before click is imported; every error is told in one place."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None and arguments[:1] == ["build"]:
        # Nearly all that a build makes lives until it ends: looking for garbage at the usual pace takes a tenth of it. Not so
        # for other commands, the servers among them.
        gc.set_threshold(100_000, 20, 20)
        atexit.register(gc.freeze)  # nor is there anything to look for while the process ends
    if arguments in (["version"], ["--version"]) and "_NSELF_COMPLETE" not in os.environ:
        from nself_core import __version__
        from nself_core.edition import note

        print(f"nself {__version__}{note()}")  # noqa: T201  click is not imported for this
        return 0
    if arguments[:1] == ["status"] and "_NSELF_COMPLETE" not in os.environ:
        from nself_core.cli.glance import glance

        code = glance(arguments[1:])
        if code is not None:
            return code
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    try:
        from nself_core.cli.root import root

        result = root.main(arguments, prog_name="nself", complete_var="_NSELF_COMPLETE", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        from nself_core.cli.errors import report

        return report(error)
    # With standalone mode off, click hands back the code of `ctx.exit` or what the command returned.
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


if __name__ == "__main__":
    sys.exit(main())
