"""How Sphinx builds the docs: `make docs`."""

import os
import sys
from importlib import metadata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))

from docstrings import to_restructured_text

project = "tfbn"
release = metadata.version("tfbn")
copyright = "the authors of tfbn, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
templates_path = ["_templates"]
exclude_patterns = ["_templates"]
nitpicky = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_inherit_docstrings = False  # what Keras says of its own methods stays with Keras
autodoc_typehints = "none"  # the docstrings say it in words
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Call arguments"]

html_theme = "furo"
html_title = f"tfbn {release}"
html_show_sourcelink = False
html_copy_source = False
html_static_path: list[str] = []
pygments_style = "friendly"


def setup(app):
    # Before napoleon, which has priority 500 and reads reStructuredText.
    app.connect("autodoc-process-docstring", _process, priority=400)


def _process(app, what, name, obj, options, lines):
    lines[:] = to_restructured_text("\n".join(lines)).split("\n")
