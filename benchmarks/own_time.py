"""The time that numguard's own stages take of a cell, told apart from the cell's.

Two runs of the same training cell differ by more than numguard takes, on most machines by 5 to 30 %. Every stage is called
through `Guard.call`, so the time spent there is all of it, and its share of one run hardly varies.
"""

from __future__ import annotations

import time
from typing import Any

from jupyter_numguard.guard import Guard


class OwnTime:
    """Process time in numguard's stages, from the moment that it is made.

    Attributes:
        spent: Milliseconds since it was last set to 0.
    """

    def __init__(self) -> None:
        """Start counting."""
        self.spent = 0.0
        call = Guard.call

        def counted(*args: Any) -> Any:
            start = time.process_time()
            try:
                return call(*args)
            finally:
                self.spent += (time.process_time() - start) * 1e3

        Guard.call = counted  # type: ignore[method-assign]
