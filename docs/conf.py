"""How Sphinx builds the documentation."""

from importlib.metadata import version as version_of
from typing import cast

import django
from django.conf import settings
from sphinx.application import Sphinx

# The reference is made of the docstrings, and some modules are imported in a Django project only.
settings.configure()
django.setup()

project = "jwt-guard-web"
author = "the jwt-guard-web authors"
copyright = "the jwt-guard-web authors"
release = version = version_of(project)

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
suppress_warnings = ["toc.empty_glob"]  # the index takes in whatever page it does not name
html_theme = "furo"
html_title = f"jwt-guard {release}"

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", _mark_code, priority=100)


def _mark_code(*about: object) -> None:
    """Indented lines after an empty one are code, which reStructuredText wants to be told."""
    lines = cast(list[str], about[-1])
    for place in range(len(lines) - 1, 1, -1):
        before, gap, line = lines[place - 2 : place + 1]
        if line.startswith("    ") and not gap and not before.startswith("    "):
            lines[place:place] = ["::", ""]
