"""Make the README's pictures in docs/images/ from real JupyterLab in headless Chromium, light and dark.

    python scripts/screenshots.py            docs/images/panel-light.png, panel-dark.png
    python scripts/screenshots.py FOLDER     also a picture of every notebook after Run All, in FOLDER, to look at

Needs the built front end (`make extension`). What is photographed stands in tests/browser/test_stories_browser.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


def main(arguments: list[str]) -> int:
    """Run the tests that take pictures, and keep the README's."""
    with tempfile.TemporaryDirectory() as empty:
        folder = Path(arguments[0] if arguments else empty)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = ["tests/browser/test_stories_browser.py", *([] if arguments else ["-k", "readme"])]
        env = {**os.environ, "NUMGUARD_SHOTS": str(folder)}
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", *chosen], cwd=ROOT, env=env)
        IMAGES.mkdir(parents=True, exist_ok=True)
        for picture in folder.glob("panel-*.png"):
            shutil.copy(picture, IMAGES)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
