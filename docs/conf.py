"""How the documentation is built: MyST pages, docstrings by autodoc, nothing from the network."""

from __future__ import annotations

import re
from typing import Any

import resilient_client

project = "resilient-client"
author = "the resilient-client maintainers"
copyright = author
release = version = resilient_client.__version__
language = "en"

extensions = ["sphinx.ext.autodoc", "myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

SINGLE_BACKTICKS = re.compile(r"(?<!`)`([^`\n]+)`(?!`)(?=(.)?)", re.DOTALL)
OPTION = re.compile(r"^([a-z][a-z0-9_]*(?:, [a-z][a-z0-9_]*)*): (?=\S)")


def _literal(match: re.Match[str]) -> str:
    glue = "\\ " if match[2] and (match[2].isalnum() or match[2] in "^_(*") else ""
    return f"``{match[1]}``{glue}"


def docstrings_as_rst(_app: Any, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Show `code` in docstrings as code, and lines of the form `option: text` as a list."""
    told = [line if line.startswith("    ") else SINGLE_BACKTICKS.sub(_literal, line) for line in lines]
    lines.clear()
    listed = False
    for line in told:
        if OPTION.match(line) and what in {"class", "method"}:
            lines += [] if listed else [""]
            listed = True
            lines.append(OPTION.sub(lambda match: f"* ``{match[1]}``: ", line))
        else:
            listed = listed and line != ""
            lines.append(f"  {line}" if listed else line)


def setup(app: Any) -> None:
    """Connect the above."""
    app.connect("autodoc-process-docstring", docstrings_as_rst)
