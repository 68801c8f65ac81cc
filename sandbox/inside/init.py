"""Process 1 of a run's own namespace: waits for the run, reaps its orphans, and reports how the run ended.

It is executed as its own script (`python -I -S init.py <pid> <status descriptor>`), so that the waiting process doesn't
hold the zygote's pages. Nothing in the run can signal or trace it; when it ends, the kernel kills every process left.
"""

import os
import signal
import sys


def wait_for(run: int) -> bytes:
    """Return how process `run` ended, `exit N` or `signal N`, and reap every other process that ends meanwhile."""
    while True:
        pid, status = os.wait()
        if pid == run:
            code = os.waitstatus_to_exitcode(status)
            return f"signal {-code}".encode() if code < 0 else f"exit {code}".encode()


if __name__ == "__main__":
    os.write(int(sys.argv[2]), wait_for(int(sys.argv[1])))
    os.killpg(0, signal.SIGKILL)  # does for a run without a namespace what the kernel does for one
