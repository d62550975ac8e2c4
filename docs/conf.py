"""How `make docs` builds the site: Sphinx reads the project's Markdown and notebooks where they lie.

The source folder is the project's root, so that a link means the same here as it does in the repository. The notebooks are
shown with the outputs that they were committed with; `tests/test_notebooks.py` holds that these are those of a real run.
"""

project = "jupyter_numguard"
author = "The numguard developers"
copyright = author
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**.md",
    "notebooks/*.ipynb",
]
exclude_patterns = ["**/.ipynb_checkpoints"]

extensions = ["myst_nb"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "mystnb.unknown_mime_type",  # a report's JSON stands beside its HTML, which is shown
    "misc.highlighting_failure",  # `%%numguard` on top of a cell is IPython, not Python
]
nitpicky = True

html_theme = "furo"
html_title = "numguard"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
