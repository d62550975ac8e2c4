"""Run notebook cells on a real IPython shell in a process of its own, with numguard loaded, and collect what it showed.

`run([{"cells": [...], "traced": [indices] or None, "files": {name: text}}, ...])` starts ONE fresh interpreter and runs
the notebooks one after the other on one shell, with `%reset -f` and `%numguard reset` between them, as a person who goes
on in the same kernel would. Each answer is a list of `Cell`, one per executed cell.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPORT = "application/vnd.numguard.report+json"
LINEAGE = "application/vnd.numguard.lineage+json"


@dataclass(frozen=True)
class Cell:
    """What one executed cell left behind: success, error, reports and lineages as JSON objects, all printed text."""

    ok: bool
    error: str | None
    reports: list[dict[str, Any]]
    lineages: list[dict[str, Any]]
    text: str
    count: int

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings of all reports, intended ones included."""
        return [f for r in self.reports for f in r["findings"]]

    @property
    def alarms(self) -> list[dict[str, Any]]:
        """Findings that are not intended."""
        return [f for f in self.findings if not f["intended"]]


def run(notebooks: Sequence[dict[str, Any]], timeout: float = 280) -> list[list[Cell]]:
    """Run the notebooks in one fresh interpreter; raises with the child's output if it died."""
    with tempfile.TemporaryDirectory() as folder:
        src, dst = Path(folder, "in.json"), Path(folder, "out.json")
        src.write_text(json.dumps(list(notebooks)))
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "IPYTHONDIR": folder}
        done = subprocess.run(
            [sys.executable, __file__, str(src), str(dst)], env=env, timeout=timeout, capture_output=True, text=True,
            cwd=folder,
        )  # fmt: skip
        if not dst.exists():
            raise RuntimeError(
                f"the notebook process died ({done.returncode}):\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )
        return [[Cell(**c) for c in nb] for nb in json.loads(dst.read_text())]


def run_one(cells: Sequence[str], traced: Sequence[int] | None = (), **kw: Any) -> list[Cell]:
    """One notebook; `traced` are the indices of the cells that get `%%numguard` on top, None means all."""
    return run([{"cells": list(cells), "traced": None if traced is None else list(traced), **kw}])[0]


def _main(src: str, dst: str) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    with capture_output():
        loaded = shell.run_cell("%load_ext jupyter_numguard", store_history=True)
    if not loaded.success:
        raise RuntimeError(f"%load_ext failed: {loaded.error_in_exec or loaded.error_before_exec!r}")
    sys.path.insert(0, os.getcwd())
    answers = []
    frozen = 0
    for nb in json.loads(Path(src).read_text()):
        if (
            len(sys.modules) > frozen + 50
        ):  # `%reset` collects garbage twice: it need not look at the frameworks each time
            gc.collect()
            gc.freeze()
            frozen = len(sys.modules)
        with capture_output():
            shell.run_cell("%reset -f\n%numguard reset", store_history=False)
        for name, text in nb.get("files", {}).items():
            Path(name).write_text(text)
            sys.modules.pop(Path(name).stem, None)
        out = []
        for i, cell in enumerate(nb["cells"]):
            if nb.get("traced") is None or i in nb["traced"]:
                cell = "%%numguard" + nb.get("options", "") + "\n" + cell
            with capture_output() as cap:
                res = shell.run_cell(cell, store_history=True)
            reports, lineages, text = [], [], [cap.stdout, cap.stderr]
            for o in cap.outputs:
                data = o.data or {}
                for mime, box in ((REPORT, reports), (LINEAGE, lineages)):
                    if mime in data:
                        box.append(data[mime])
                text.append(str(data.get("text/plain", "")))
            err = res.error_in_exec or res.error_before_exec
            cell_out = {"ok": res.success, "error": repr(err) if err else None, "reports": reports}
            out.append({**cell_out, "lineages": lineages, "text": "\n".join(text), "count": res.execution_count})
        answers.append(out)
    Path(dst).write_text(json.dumps(answers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
