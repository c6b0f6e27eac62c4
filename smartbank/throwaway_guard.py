"""The guard of a throw-away server: a process of its own that outlives its starter by a moment.

`python -I throwaway_guard.py DIRECTORY` learns process ids through its standard input. It runs by
itself, without the project, so this file imports the standard library only.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time

REMOVE_SECONDS = 60


def stand_guard(directory):
    """Wait for the end of the process that started us; end its server, remove `directory`.

    That process writes the server's id, or 0 when there is none. Its end shows as end of input,
    or, if a forked child of it still holds our input open, as a change of our parent.
    """
    parent = os.getppid()
    pid = 0
    while os.getppid() == parent:
        if select.select([0], [], [], 1)[0]:
            told = os.read(0, 1024).split()
            if not told:
                break
            pid = int(told[-1])
    if pid:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    _remove(directory)


def _remove(directory):
    """Remove a directory in which a dying process may still write for a moment."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while os.path.exists(directory) and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.02)


if __name__ == "__main__":
    stand_guard(sys.argv[1])
