"""How Sphinx builds the documentation."""

from importlib.metadata import version as version_of

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
html_theme = "furo"
html_title = f"jwt-guard {release}"

nitpicky = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
