"""Writes the table of methods into a Markdown file, from their declarations: `python -m m2pt.methods README.md`."""

import sys
from pathlib import Path

from m2pt.methods import METHODS, Method, Takes

BEGIN, END = "<!-- methods: made by python -m m2pt.methods README.md -->", "<!-- end of methods -->"

AUXILIARY: dict[Takes, str] = {
    "nothing": "none",
    "each": "each other modality",
    "random": "random weights",
    "own": "the target's own modality",
    "no_modality": "one that has seen no modality",
    "all": "all other modalities at once",
}


def table() -> str:
    """The methods as a Markdown table."""
    rows = [
        f"| `{name}` | {method.kind} | {AUXILIARY[method.takes]} | {method.description} | {_ends_plain(method)} |"
        for name, method in METHODS.items()
    ]
    return "\n".join(["| method | kind | auxiliary | what it is | plain model in the end |", "|---|---|---|---|---|", *rows])


def _ends_plain(method: Method) -> str:
    return "yes" if method.actions().merge else "no"


def inserted(text: str) -> str:
    """The text with the table between its two markers. Raises `ValueError` if they are missing."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the markers {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(inserted(path.read_text(encoding="utf-8")), encoding="utf-8")
