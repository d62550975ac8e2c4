"""The live panel: an anywidget whose view is `static/panel.js`. No logic here; `publish.py` fills it.

Imported only when a panel is asked for: `%load_ext` must not pay for ipywidgets. The view is built from `labextension/`;
an installation from sources without Node has none, and importing this says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .report import MIME

_STATIC = Path(__file__).parent / "static"
if not (_STATIC / "panel.js").exists():
    raise ImportError("this installation was built without its panels (Node was missing); the report stands below")


class Panel(anywidget.AnyWidget):  # type: ignore[misc]  # ipywidgets has no types
    """A report that redraws itself when `report` or `history` is assigned.

    Attributes:
        report: JSON of a report (`report.to_json`), or {} while there is none.
        history: The executions so far, oldest first, as {"count": int | None, "verdict": "finite" | "nonfinite"}.
        plain: The same report as text, for `repr` and for front ends without widgets; not sent to the view.
        html: The same report as HTML, for front ends without widgets; not sent to the view.
    """

    _esm = _STATIC / "panel.js"
    _css = _STATIC / "panel.css"
    report = traitlets.Dict().tag(sync=True)
    history = traitlets.List().tag(sync=True)
    plain = traitlets.Unicode("numguard: no report yet")
    html = traitlets.Unicode("")

    def __repr__(self) -> str:
        """The report as text."""
        return str(self.plain)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget; beside it the report as JSON, HTML and text, for front ends that show no widgets."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        beside = {"text/html": self.html, MIME: self.report}
        return {**{k: v for k, v in beside.items() if v}, **data, "text/plain": repr(self)}, metadata
