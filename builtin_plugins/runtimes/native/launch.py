"""Becomes one service's process: reads what to run from a file, lets go of root, and dies when the supervisor dies.

Run by the supervisor as ``python -I -S launch.py <spec.json>``, so it imports the standard library alone and little of it.
The file is 0600 and holds secrets, which therefore never stand in an argument or in the supervisor's configuration.
"""

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    parent = os.getppid()
    # read and loaded before root is given up: the user the service runs as may reach neither
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123  pathlib costs a third of this program's start
        spec = json.load(file)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    os.umask(spec["umask"])
    if spec["uid"] is not None:
        os.setgroups([])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])
    if prctl is not None:
        # Linux sends this signal when the supervisor ends, however it ends; a change of user would clear it.
        prctl(PR_SET_PDEATHSIG, getattr(signal, f"SIG{spec['stop_signal']}"), 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the supervisor ended while this service was being started")
    os.chdir(spec["cwd"])
    try:
        os.execve(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606  no shell on purpose
    except OSError as error:
        sys.exit(f"{spec['argv'][0]}: {error.strerror}")


if __name__ == "__main__":
    main()
