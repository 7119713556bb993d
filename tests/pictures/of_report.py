"""The report's first screen: on a desktop and a phone, light and dark, and the first sheet that is printed of it."""

from pathlib import Path

from tests.browser import Tab
from tests.pictures.canvas import take

_SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
_SHEET, _MARGIN = (794, 1123), 38
"""A4 and the margin that Chromium prints with by default, at 96 pixels an inch."""


def take_all(tab: Tab, report: Path) -> None:
    """One picture for each size and look."""
    address = (report / "index.html").resolve().as_uri()
    for size, (width, height) in _SIZES.items():
        for scheme in ("light", "dark"):
            tab.media("screen", prefers_color_scheme=scheme)
            tab.open(address, width, height)
            take(tab, f"report-{size}-{scheme}")
    tab.media("print", prefers_color_scheme="light")
    tab.open(address, _SHEET[0] - 2 * _MARGIN, _SHEET[1] - 2 * _MARGIN)
    take(tab, "report-printed", (_MARGIN, _MARGIN))
    tab.media("screen", prefers_color_scheme="light")
