"""Order of the suite: what is quick and close to the code first, real kernels then, browsers last."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests marked `kernel` after the others, and those marked `browser` at the end."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("browser", "kernel")])
