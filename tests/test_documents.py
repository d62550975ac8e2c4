"""The project's documents say what is there: every room is on the map, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_numguard.model import Category

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "jupyter_numguard"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_room_is_on_the_map() -> None:
    """ARCHITECTURE.md names every module and folder of the package, and none that does not exist."""
    rooms = (ROOT / "ARCHITECTURE.md").read_text().partition("## Rooms")[2].partition("Outside:")[0]
    named = {name.strip("/") for name in re.findall(r"`([\w/]+(?:\.py|/))`", rooms)}
    there = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    backends = {path.name for path in (PACKAGE / "backends").iterdir()}

    assert set() == there - named
    assert {"jupyter_numguard", "static"} == named - there - backends


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link in a document leads to a file of the project."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", document.read_text())

    assert [] == [link for link in links if not (document.parent / link).exists()]


def test_glossary_has_the_nine_categories() -> None:
    """The glossary's table of categories is that of the code."""
    rows = re.findall(r"^\| (C\d) \| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.M)

    assert [(category.name, category.value) for category in Category] == rows
