"""The panel and publishing, on a real IPython shell in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORTS = Path(__file__).parent / "reports"
MIME = "application/vnd.numguard.report+json"

PRELUDE = f"""
import json, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_numguard import publish
from jupyter_numguard.report import from_json, to_json
def golden(name):
    return from_json(json.loads((Path({str(REPORTS)!r}) / (name + ".json")).read_text(encoding="utf-8")))
def shown(call, *args):
    with capture_output() as captured:
        call(*args)
    return [o.data for o in captured.outputs], captured.stdout + captured.stderr
"""


def python(code: str, tmp_path: Path, *, shell: bool = True, **env: str) -> list[str]:
    """Lines that a fresh interpreter prints, with or without a shell."""
    start = "shell = InteractiveShell.instance(); shell.history_manager.enabled = False\n" if shell else ""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + start + code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "IPYTHONDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8", **env},
    )
    assert 0 == done.returncode, done.stderr
    return [*done.stdout.splitlines(), *(f"stderr {line}" for line in done.stderr.splitlines())]


def test_a_report_is_one_display_with_json_html_and_text(tmp_path: Path) -> None:
    """The bundle that a notebook stores: the report itself, and two readable forms; no widget."""
    out = python(
        "r = golden('torch_backward'); [data], text = shown(publish.show_report, r)\n"
        f"print(sorted(data), repr(text)); print(data[{MIME!r}] == to_json(r))\n"
        "print(data['text/plain'].split(chr(10))[0]); print(data['text/html'][:25])",
        tmp_path,
    )

    assert [
        f"['{MIME}', 'text/html', 'text/plain'] ''",
        "True",
        "numguard: x.grad holds NaN since In [8], line 5",
        '<div class="jp-Numguard" ',
    ] == out


@pytest.mark.parametrize(("name", "mode", "displays"), [
    ("finite", "trace", 1), ("finite", "watch", 0), ("intended_mask", "watch", 0), ("numpy_introduced", "watch", 1),
])  # fmt: skip
def test_watch_is_silent_without_an_alarm_and_trace_is_not(name: str, mode: str, displays: int, tmp_path: Path) -> None:
    """A watched cell speaks of alarms only; a traced one always ends with its line."""
    out = python(
        f"import dataclasses\nr = dataclasses.replace(golden({name!r}), mode={mode!r})\n"
        "data, text = shown(publish.show_report, r); print(len(data), repr(text))",
        tmp_path,
    )

    assert [f"{displays} ''"] == out


def test_outside_ipython_the_text_goes_to_stderr(tmp_path: Path) -> None:
    """In a script the report is text on stderr, spelled so that an ASCII terminal can take it."""
    out = python("publish.show_report(golden('intended_mask')); publish.show_report(golden('torch_backward'))", tmp_path,
                 shell=False, PYTHONIOENCODING="ascii")  # fmt: skip

    assert out[0].startswith("stderr numguard: 2 tensors checked")
    assert "stderr numguard: x.grad holds NaN since In [8], line 5" in out
    assert any(r"\u2715 In [8]:9" in line for line in out)


def test_a_report_that_cannot_be_shown_is_a_notice_not_an_error(tmp_path: Path) -> None:
    """Publishing never raises into the user's cell."""
    out = python(
        "class Odd:\n    mode = 'trace'; alarms = ()\n"
        "for call, args in ((publish.show_report, [Odd()]), (publish.show_lineage, ['x', [1], [Odd()]]),\n"
        "                   (publish.show_panel, [Odd()])):\n"
        "    data, text = shown(call, *args); print(len(data), text.strip()[:32])\n"
        "publish.update_panel(Odd(), [])",
        tmp_path,
    )

    assert [
        "0 numguard could not show the repo",
        "0 numguard could not show the line",
        "0 numguard could not show the pane",
        "stderr numguard could not show the panel",
    ] == [line.split(": ")[0] for line in out]


def test_a_lineage_is_one_display(tmp_path: Path) -> None:
    """`{variable, executions, steps}` under its own type, with HTML and text."""
    out = python(
        "r = golden('torch_forward_loop'); steps = r.findings[0].lineage\n"
        "[data], _ = shown(publish.show_lineage, 'loss', [2, 7, 9, 14], steps)\n"
        "j = data['application/vnd.numguard.lineage+json']; print(sorted(data))\n"
        "print(sorted(j), j['executions'], len(j['steps']))\n"
        "print(data['text/plain'].split(chr(10))[0])",
        tmp_path,
    )

    assert [
        "['application/vnd.numguard.lineage+json', 'text/html', 'text/plain']",
        "['executions', 'steps', 'variable'] [2, 7, 9, 14] 8",
        "loss comes from In [2], In [7], In [9], In [14]",
    ] == out


def test_the_panel_is_one_model_that_follows_the_session(tmp_path: Path) -> None:
    """Each panel shown is a view of one model; a later report reaches it; its repr is the report's text."""
    out = python(
        "a, b = golden('torch_backward'), golden('torch_update')\n"
        "[first], _ = shown(publish.show_panel, a, [{'count': 8, 'verdict': 'nonfinite'}])\n"
        "[second], _ = shown(publish.show_panel, a)\n"
        "view = 'application/vnd.jupyter.widget-view+json'; print(first[view]['model_id'] == second[view]['model_id'])\n"
        f"print(sorted(first) == sorted([view, {MIME!r}, 'text/html', 'text/plain']), first['text/plain'].split(chr(10))[0])\n"
        "publish.update_panel(b, [{'count': 14, 'verdict': 'nonfinite'}]); p = publish._panel\n"
        "print(p.report == to_json(b), p.history, repr(p).split(chr(10))[0])",
        tmp_path,
    )

    assert [
        "True",
        "True numguard: x.grad holds NaN since In [8], line 5",
        "True [{'count': 14, 'verdict': 'nonfinite'}] "
        "numguard: model.fc.weight holds +Inf and -Inf since In [14], line 7, step 112",
    ] == out


def test_nothing_of_ipywidgets_is_imported_until_a_panel_is_asked_for(tmp_path: Path) -> None:
    """Showing a report, and updating a panel that is not there, import neither anywidget nor ipywidgets; showing one does."""
    out = python(
        "shown(publish.show_report, golden('torch_backward')); publish.update_panel(golden('finite'), [])\n"
        "loaded = lambda: [m for m in ('anywidget', 'ipywidgets') if m in sys.modules]\n"
        "print(loaded()); shown(publish.show_panel, None); print(loaded())",
        tmp_path,
    )

    assert ["[]", "['anywidget', 'ipywidgets']"] == out


def test_without_ipywidgets_the_panel_is_the_stored_output(tmp_path: Path) -> None:
    """Where ipywidgets cannot be imported `%numguard report` still shows the report, and says why it is not live."""
    out = python(
        "sys.modules['anywidget'] = None\n"
        "[data], text = shown(publish.show_panel, golden('torch_backward')); print(sorted(data), text[:29])",
        tmp_path,
    )

    assert [f"['{MIME}', 'text/html', 'text/plain'] numguard: no live panel: impo"] == out


def test_the_panel_needs_no_network_and_no_build() -> None:
    """The view is one module without imports, markup strings or addresses other than SVG's namespace."""
    static = Path(__file__).parents[1] / "jupyter_numguard" / "static"
    code = (static / "panel.js").read_text(encoding="utf-8")

    assert [] == [
        word for word in ("import ", "innerHTML", "insertAdjacentHTML", "eval(", "fetch(", "import(") if word in code
    ]
    assert 1 == code.replace("https?:", "").count("://")
    assert "url(" not in (static / "panel.css").read_text(encoding="utf-8")
    assert json.dumps("http://www.w3.org/2000/svg") in code
