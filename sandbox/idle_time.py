"""How long a run has waited: the time in which it neither computed nor stood in the queue for a processor.

A run that computes gets a share of a busy machine too, and its CPU time has a limit of its own. With many busy threads
on few processors that share can be tiny, so the share alone doesn't tell a run that waits from one that is starved.
"""

MAX_WINDOW_S = 1.0
IDLE_SHARE = 0.05
"""A run waits in a window if it gets a smaller share of a processor, and mostly sleeps."""


class IdleTime:
    """Adds up the windows in which a run waited."""

    def __init__(self, now_s: float, limit_s: float) -> None:
        """Start the first window now; `limit_s` is the time that the run may wait."""
        self.seconds = 0.0
        """Seconds up to the end of the newest window in which the run waited."""
        self._window_s = min(MAX_WINDOW_S, limit_s / 8)
        self._start_s, self._start_cpu_s = now_s, 0.0
        self._looks = self._runnable_looks = 0

    def count(self, now_s: float, cpu_s: float, *, runnable: bool) -> float:
        """Take a look at the run, whose CPU time so far is `cpu_s`, and return `seconds`."""
        self._looks += 1
        self._runnable_looks += runnable
        if (elapsed := now_s - self._start_s) >= self._window_s:
            sleeps = 2 * self._runnable_looks < self._looks
            if sleeps and cpu_s - self._start_cpu_s < IDLE_SHARE * elapsed:
                self.seconds += elapsed
            self._start_s, self._start_cpu_s = now_s, cpu_s
            self._looks = self._runnable_looks = 0
        return self.seconds
