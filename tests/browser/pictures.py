"""Pictures of what the tests look at, for a person."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Locator, Page

SHOTS = os.environ.get("NUMGUARD_SHOTS")  # a folder: keep a picture of every surface, to look at


def shoot(place: Locator | Page, name: str) -> None:
    """Keep a picture where NUMGUARD_SHOTS asks for them."""
    if SHOTS:
        place.screenshot(path=str(Path(SHOTS) / f"{name}.png"))
