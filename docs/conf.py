"""How Sphinx builds the site; scripts/site.py calls it."""

from pathlib import Path

_HERE = Path(__file__).parent
project = "msgflux_nb"
author = "the msgflux_nb developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design", "sphinx_copybutton"]
html_theme = "pydata_sphinx_theme"
html_title = "msgflux_nb"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/mark.svg"
html_theme_options = {
    "show_prev_next": True,
    "navigation_depth": 2,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
}
# Only the lessons have neighbours to list at the side.
_PAGES = [page.relative_to(_HERE).with_suffix("").as_posix() for page in _HERE.rglob("*.md")]
html_sidebars: dict[str, list[str]] = {page: [] for page in _PAGES if page != "lessons"}
html_show_sourcelink = False
html_copy_source = False
exclude_patterns = ["conf.py", "lessons/source", "lessons/saved"]
nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False
# Code in the fences "text" and "ipython" needs no lexer; notebooks are shown as they were saved.
suppress_warnings = ["misc.highlighting_failure", "myst.xref_missing_in_code", "mystnb.unknown_mime_type"]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # no script from elsewhere: the views bring their own picture
html_context = {"default_mode": "auto"}
