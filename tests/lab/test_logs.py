"""No secret is printed: neither in log lines, nor in those of libraries, nor in tracebacks."""

import os
import subprocess
import sys

import pytest

from tests.support.labs import ROOT

SEED = "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"
CANARY = "canary-of-the-environment"
SETUP = """
import os, logging, threading, structlog
from lab.observability import logs
logs.configure(role="x")
key, seed, log = os.environ["SOME_TOKEN"], os.environ["CARRIED"], structlog.get_logger()
"""
FAULTS = {
    "a plain line": "log.info('asked', header='Bearer ' + key, url=f'nats://ada:{key}@host')",
    "deep inside": "log.info('asked', request={'headers': [('Authorization', key), {seed: b'x' + seed.encode()}]})",
    "an object": "log.info('asked', error=ValueError(key + ' ' + seed))",
    "an exception": "try:\n raise KeyError(key, seed)\nexcept KeyError:\n log.exception('failed')",
    "a library's line": "logging.getLogger('http').error('%s %s', key, seed)",
    "a library's exception": "try:\n raise KeyError(key, seed)\nexcept KeyError:\n logging.exception('failed')",
    "an uncaught exception": "raise RuntimeError(key + ' ' + seed)",
    "a cause": "try:\n raise KeyError(key)\nexcept KeyError as e:\n raise ValueError(seed) from e",
    "an exception in a thread": "t = threading.Thread(target=lambda: int(key + seed)); t.start(); t.join()",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_is_printed(fault: str) -> None:
    """Secrets are masked last, after exceptions are formatted."""
    result = subprocess.run(
        [sys.executable, "-c", SETUP + FAULTS[fault]],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SOME_TOKEN": CANARY, "CARRIED": SEED},
    )  # fmt: skip
    output = result.stdout + result.stderr
    assert "***" in output
    assert CANARY not in output
    assert SEED not in output
