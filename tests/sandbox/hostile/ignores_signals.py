# expected: timeout
# seconds: 2
"""Ignores every signal that can be ignored."""

import signal

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
