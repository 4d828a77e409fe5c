"""Finds Chromium on the system, so that Playwright need not download one."""

from __future__ import annotations

import os
import shutil

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """Return the path of a browser; without one the test fails, since a skipped browser test tests nothing."""
    named = os.environ.get("MSGFLUX_CHROMIUM")
    found = next(filter(None, [named, *map(shutil.which, NAMES)]), None)
    if found is None:
        pytest.fail(
            "the browser tests need Chromium and found none of: " + ", ".join(NAMES) + ". Install it with "
            "`sudo apt-get install chromium-headless-shell` (or `make test`, which does so), or set MSGFLUX_CHROMIUM "
            "to a Chrome.",
            pytrace=False,
        )
    return found
