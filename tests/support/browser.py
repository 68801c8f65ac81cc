"""A real headless Chromium for tests of the dashboard: it fails a test on any error in its console."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

AXE = Path(__file__).parent / "axe" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE, NARROW = (1280, 800), (390, 844)
PATIENCE_MS = 30_000
"""Milliseconds that a condition may take to hold: a busy machine draws late."""
expect.set_options(timeout=PATIENCE_MS)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; hint: apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser until the context ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, size: tuple[int, int] = WIDE, *, dark: bool = False) -> Iterator[Page]:
    """Yield a page of its own session; afterwards, fail if its console has an error."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    errors: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert errors == []


def serious_findings(page: Page) -> list[dict[str, Any]]:
    """Return what axe-core finds serious or critical on a page: the rule and the elements."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        {"rule": each["id"], "elements": [node["html"][:160] for node in each["nodes"][:5]]}
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
