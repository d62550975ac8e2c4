"""A report as text (terminal, GitHub, logs) and as HTML (notebook output); both say the words of `wording.py`."""

from .html import render_html as render_html
from .html import render_lineage_html as render_lineage_html
from .text import render_lineage_text as render_lineage_text
from .text import render_text as render_text
