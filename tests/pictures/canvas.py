"""Small PNGs of what a browser shows, and a terminal's screen as a page for it."""

import html
import time
from itertools import groupby
from pathlib import Path

from PIL import Image

from tests.browser import Tab
from tests.pipelines.terminal import Screen

FOLDER = Path(__file__).parents[2] / "docs/pictures"

_SECONDS = 120.0
_COLOURS = ("#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0")
_STYLE = """
body { margin: 0; background: #1d2026; color: #d7dae0; }
pre { margin: 0; padding: 14px 18px; font: 14px/1.35 'DejaVu Sans Mono', monospace; display: inline-block; }
"""


def take(tab: Tab, name: str, margins: tuple[int, int] = (0, 0)) -> None:
    """Keep what the window shows as `docs/pictures/<name>.png`, with at most 256 colours; `margins` are white, left and above."""
    path = FOLDER / f"{name}.png"
    tab.picture(path)
    with Image.open(path) as shown:
        seen = shown.convert("RGB")
    across, down = margins
    sheet = Image.new("RGB", (seen.width + 2 * across, seen.height + 2 * down), "white")
    sheet.paste(seen, (across, down))
    # Rare colours, such as those of thin lines, stay what they are.
    sheet.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB", flush=True)


def wait_for(tab: Tab, condition: str, what: str) -> None:
    """Wait until an expression holds in the page. Raises `SystemExit` with a sentence when it does not in two minutes."""
    end = time.monotonic() + _SECONDS
    while not tab.run(f"Boolean({condition})"):
        if time.monotonic() > end:
            raise SystemExit(f"{tab.run('location.href')}: shows no {what} after {_SECONDS:.0f} s.")
        time.sleep(0.3)
    time.sleep(1.5)  # charts and fonts come after the text


def wait_for_text(tab: Tab, text: str) -> None:
    """Wait until the page shows a text."""
    wait_for(tab, f"(document.body || {{}}).innerText?.includes({text!r})", f"'{text}'")


def go(tab: Tab, address: str, height: int = 900) -> None:
    """Open a page of a web application, of which nothing is awaited yet."""
    tab.ask("Emulation.setDeviceMetricsOverride", width=1440, height=height, deviceScaleFactor=1, mobile=False)
    for page in ("about:blank", address):  # an address that differs after the # alone would not be loaded anew
        tab.ask("Page.navigate", url=page)


def draw(tab: Tab, screen: Screen, folder: Path, name: str, prompt: str) -> None:
    """Keep a terminal's screen, in its colours, below the command that was typed."""
    page = folder / f"{name}.html"
    page.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><style>{_STYLE}</style><pre>{terminal_lines(screen, prompt)}</pre>", "utf-8"
    )
    tab.media("screen")
    tab.open(page.as_uri(), 2400, 1600)
    size = tab.run("(box => [box.width, box.height].map(Math.ceil))(document.querySelector('pre').getBoundingClientRect())")
    tab.open(page.as_uri(), max(size[0], 500), size[1])
    take(tab, name)


def terminal_lines(screen: Screen, prompt: str) -> str:
    """What is on a screen, below the command that was typed, as HTML."""
    shown = [f"<b>$ {html.escape(prompt)}</b>".ljust(screen.columns)]
    first = len(screen.history)
    for number, row in enumerate(screen.rows, first):
        looks = [*screen.looks[number], *[""] * len(row)]
        cells = zip(row, looks, strict=False)
        parts = [(look, "".join(letter for letter, _ in letters)) for look, letters in groupby(cells, key=lambda cell: cell[1])]
        shown.append("".join(f'<span style="{_css(look)}">{html.escape(words)}</span>' for look, words in parts))
    return "\n".join([*shown, " " * screen.columns])


def _css(look: str) -> str:
    """The style of codes such as `1;32` or `38;5;237`."""
    codes, rules = [int(code) for code in look.split(";") if code], []
    while codes:
        match codes:
            case [(38 | 48) as kind, 5, index, *rest]:
                rules.append(f"{'color' if kind == 38 else 'background'}: {_indexed(index)}")
                codes = rest
            case [code, *rest]:
                rules.append(_simple(code))
                codes = rest
    return "; ".join(filter(None, rules))


def _simple(code: int) -> str:
    if code in (1, 2, 3):
        return {1: "font-weight: bold", 2: "opacity: .6", 3: "font-style: italic"}[code]
    if 30 <= code <= 37 or 90 <= code <= 97:
        return f"color: {_COLOURS[code % 10]}"
    return f"background: {_COLOURS[code % 10]}" if 40 <= code <= 47 or 100 <= code <= 107 else ""


def _indexed(index: int) -> str:
    """One of the 256 colours of xterm: 16 named ones, a cube of 6 × 6 × 6, and 24 greys."""
    if index < 16:
        return _COLOURS[index % 8]
    if index >= 232:
        return f"rgb({', '.join(3 * [str(8 + 10 * (index - 232))])})"
    levels = (0, 95, 135, 175, 215, 255)
    cube = index - 16
    return f"rgb({levels[cube // 36]}, {levels[cube // 6 % 6]}, {levels[cube % 6]})"
