# expected: denied:signal
"""Signals through a process descriptor."""

import os
import signal

signal.pidfd_send_signal(os.pidfd_open(1), 9)
