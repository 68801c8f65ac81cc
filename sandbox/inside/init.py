"""Process 1 of a run's own namespace: waits for the run, reaps what it leaves behind, and says how it ended.

Executed as a script of its own (`python -I -S init.py <pid> <status descriptor>`), so that the waiting process does not
carry torch's pages about. Nothing in the run can signal or trace it; when it ends, the kernel kills all that is left.
"""

import os
import signal
import sys


def wait_for(run: int) -> bytes:
    """Return how process `run` ended, `exit N` or `signal N`, reaping whatever else ends meanwhile."""
    while True:
        pid, status = os.wait()
        if pid == run:
            code = os.waitstatus_to_exitcode(status)
            return f"signal {-code}".encode() if code < 0 else f"exit {code}".encode()


if __name__ == "__main__":
    os.write(int(sys.argv[2]), wait_for(int(sys.argv[1])))
    os.killpg(0, signal.SIGKILL)  # what the namespace does, for a run without one
