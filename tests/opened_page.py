"""Debian's Chromium without a screen, for tests of pages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
    "--window-size=1280,1000",
)


class Opened:
    """A page as the browser has it after its scripts ran."""

    def __init__(self, dom: str, log: str) -> None:
        self.dom = re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL)  # what is to be seen
        self.console = [line for line in log.splitlines() if ":CONSOLE" in line]


def open_page(page: Path, profile: Path, screenshot: Path | None = None) -> Opened:
    """Open a page; the test is skipped where there is no Chromium."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    shot = [] if screenshot is None else [f"--screenshot={screenshot}"]
    command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", *shot, "--dump-dom", page.absolute().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return Opened(done.stdout, done.stderr)
