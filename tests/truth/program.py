"""The form of a truth program: a small notebook with a planted bug, and what numguard must say of its origin.

The origin's line is the one that ends with the comment `# origin`, in whichever cell or file it stands (exactly one).
The last cell is run under `%%numguard`; cells before it are run watched only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Program:
    """A notebook and its truth.

    Attributes:
        name: Unique, says operation and spelling: "log_method_in_module".
        op: Canonical name of the operation (`opnames.py`).
        cells: Sources; the last is traced.
        variables: Root names of which one must be the first alarm's variable (or an alias of it).
        step: Expected `occurrence`.
        kind: Expected origin kind.
        where: What the code around the operation is, for the counts that the issue asks for.
        files: Modules written beside the notebook before it runs: name -> source.
        alarms: False for programs that must raise none.
    """

    name: str
    framework: Literal["torch", "tensorflow", "numpy"]
    phase: Literal["data", "forward", "backward", "update"]
    op: str
    cells: tuple[str, ...]
    variables: tuple[str, ...]
    step: int = 1
    kind: Literal["op", "introduced"] = "op"
    where: Literal["cell", "layer", "other cell", "file"] = "cell"
    files: dict[str, str] = field(default_factory=dict)
    alarms: bool = True

    def place(self) -> tuple[int | str, int]:
        """(0-based cell or file name, 1-based line in the source as written here) of the `# origin` mark."""
        found = [
            (where, i)
            for where, text in [*enumerate(self.cells), *self.files.items()]
            for i, line in enumerate(text.split("\n"), 1)
            if line.rstrip().endswith("# origin")
        ]
        assert len(found) == 1, f"{self.name}: {len(found)} origin marks"
        return found[0]
