"""Run code of a built-in plugin in a process of its own, verified before it is imported, as on the command line.

``python -m nself_core.plugins.serve package.module ARGS…`` runs a module as ``python -m`` does.
``… package.module:function ARGS…`` calls a function that runs the code of other plugins: with a ``hookspecs.PluginLoader``, which
verifies as well, and the arguments.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from importlib import import_module

from nself_core.plugins.ours import guard


def main(arguments: list[str]) -> int:
    """Run what the first argument names."""
    module, _, name = arguments[0].partition(":")
    try:
        guard(module)
    except ImportError as error:
        print(f"nself: {module} is not run: {error}", file=sys.stderr)  # noqa: T201  this process's own log
        return 1
    if not name:
        sys.argv[:] = arguments
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0
    from nself_core.plugins.hosting import Loader

    run: Callable[..., int] = getattr(import_module(module), name)
    return run(Loader(), arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
