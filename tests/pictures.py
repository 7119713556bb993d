"""The pictures of the report in the documentation, from the page in `reports/` as a browser shows it: `make pictures`."""

import sys
import tempfile
from pathlib import Path

from tests.browser import Tab, browser

DOCS = Path(__file__).parents[1] / "docs"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LOOKS = {"light": ("screen", "light"), "dark": ("screen", "dark"), "printed": ("print", "light")}


def take(tab: Tab, report: Path, docs: Path) -> None:
    """One picture for each size and look; the desktop's in light colours is also the one of the README."""
    (docs / "pictures").mkdir(exist_ok=True)
    for size, (width, height) in SIZES.items():
        for look, (kind, scheme) in LOOKS.items():
            tab.media(kind, prefers_color_scheme=scheme)
            tab.open((report / "index.html").resolve().as_uri(), width, height)
            tab.picture(docs / "pictures" / f"report-{size}-{look}.png")
    (docs / "report.png").write_bytes((docs / "pictures" / "report-desktop-light.png").read_bytes())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as opened:
        take(opened, Path(sys.argv[1] if len(sys.argv) > 1 else "reports"), DOCS)
