"""The report in a real browser: what a person sees first, how tall it is, tables, a phone, dark, paper, and axe-core's rules."""

import csv
import io
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.reporting import report
from tests.analysis import synthetic
from tests.browser import Tab, browser

TALLEST = 6000
PAGES = (
    "index.html", "reading.html", "sure.html", "views.html", "training.html", "origin.html", "local/costs.html",
    "cells/index.html", "cells/image-from-audio-pathway-pretrained-full.html",
)  # fmt: skip
AXE = os.environ.get("AXE_CORE", "")
"""The file of axe-core, which `make test-browser` gets from the npm registry."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seen")
    planned = synthetic.complete(synthetic.plan(root, 3, epochs=2))
    return report.render(planned.source, root / "reports").parent


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _screen(tab: Tab) -> None:
    tab.media()
    tab.scripts(allowed=True)


def _edges(tab: Tab, selector: str) -> dict[str, float]:
    found: dict[str, float] = tab.run(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
    return found


def test_the_first_screen_holds_the_question_its_answer_and_the_gains_beside_it(tab: Tab, out: Path) -> None:
    tab.open((out / "index.html").as_uri(), 1440, 900)
    answer, picture, sure = (_edges(tab, f"#short {name}") for name in (".answer", ".beside svg", ".facts"))
    assert answer["right"] <= picture["left"] and picture["right"] <= 1440
    assert max(answer["bottom"], picture["bottom"], sure["bottom"]) <= 900
    assert _edges(tab, "nav ol")["bottom"] <= 1000
    cost = tab.run("document.querySelector('#short .facts a[href=\"local/costs.html\"]').textContent")
    assert "of device time on cpu" in cost, "a file beside the page writes what this execution cost"
    assert tab.run("document.documentElement.scrollHeight") <= TALLEST


def test_on_a_phone_the_headline_comes_first_and_nothing_is_cut_off_without_a_hint(tab: Tab, out: Path) -> None:
    for name in PAGES:
        tab.open((out / name).as_uri(), 390, 844)
        tab.run("document.querySelectorAll('details').forEach(item => { item.open = true })")
        assert tab.run("new Promise(done => setTimeout(() => done(document.scrollingElement.scrollWidth), 100))") <= 390, name
        silent = """[...document.querySelectorAll('.scroll')].filter(region => region.scrollWidth > region.clientWidth + 1
            && !region.nextElementSibling.querySelector('.sideways').offsetHeight).map(region => region.ariaLabel)"""
        assert tab.run(silent) == [], name
        wide = """[...document.querySelectorAll('figure.wide')].filter(figure => figure.scrollWidth > figure.clientWidth + 1
            && !figure.parentElement.querySelector('.sideways-narrow').offsetHeight).length"""
        assert tab.run(wide) == 0, name
    tab.open((out / "index.html").as_uri(), 390, 844)
    answer, picture, sure = (_edges(tab, f"#short {name}") for name in (".answer", ".beside svg", ".facts"))
    assert answer["bottom"] < 844 and answer["bottom"] <= picture["top"] and picture["bottom"] <= sure["top"]


LETTERS = """(selector => [...document.querySelectorAll(selector)].flatMap(svg => [...svg.querySelectorAll('text')]
  .map(text => parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)))"""


@pytest.mark.parametrize("columns", [5, 6])
def test_on_a_phone_every_number_of_the_matrix_can_be_read(tab: Tab, tmp_path: Path, columns: int) -> None:
    planned = synthetic.plan(tmp_path, 2, epochs=1)
    if columns == 6:
        others = [spec for spec in planned.specs if spec.method == "own_lineage"]
        planned.specs.extend(spec.model_copy(update={"method": "own_apart"}) for spec in others)
    page = report.render(synthetic.complete(planned, lambda spec: 60.0 + 0.37 * spec.seed).source, tmp_path / "reports")
    tab.open(page.as_uri(), 390, 844)
    tab.run("document.querySelectorAll('details').forEach(item => { item.open = true })")
    for selector in (".beside svg", "figure.wide svg"):
        sizes = tab.run(f"{LETTERS}('{selector}')")
        assert len(sizes) > 20 and min(sizes) >= 9, selector
    inside = """[...document.querySelectorAll('.beside svg text')].every(text => {
      const box = text.getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth })"""
    assert tab.run(inside)


def test_where_the_files_of_this_machine_are_the_pages_link_to_them(tab: Tab, out: Path) -> None:
    tab.open((out / "origin.html").as_uri())
    links = tab.run("[...document.querySelectorAll('#costs a')].map(link => link.getAttribute('href'))")
    assert [link for link in links if link.startswith("local/")] == ["local/costs.html", "local/timings.csv"]


FIRST = "[...document.querySelectorAll('.cells tbody tr:not([hidden])')].map(row => row.cells[0].textContent.trim())"


def test_tables_sort_by_keyboard_in_both_directions_and_filter_by_words(tab: Tab, out: Path) -> None:
    tab.open((out / "cells/index.html").as_uri())
    scores = "[...document.querySelectorAll('.cells tbody tr')].map(row => Number(row.cells[2].dataset.value))"
    before = tab.run(scores)
    for order, wanted in (("ascending", sorted(before)), ("descending", sorted(before, reverse=True))):
        tab.run("document.querySelectorAll('.cells thead th')[2].querySelector('button').focus()")
        for kind in ("keyDown", "keyUp"):
            tab.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)
        assert tab.run("document.querySelector('[aria-sort]').ariaSort") == order
        assert tab.run(scores) == wanted
    tab.run("document.querySelector('.filter input').focus()")
    tab.ask("Input.insertText", text="video audio")
    shown = tab.run(FIRST)
    assert shown and all("video" in name and "audio" in name for name in shown)
    assert tab.run("document.querySelector('.filter output').value") == f"{len(shown)} of {len(before)}"


def test_without_scripts_every_table_is_whole_and_nothing_looks_as_if_it_could_be_pressed(tab: Tab, out: Path) -> None:
    tab.open((out / "cells/index.html").as_uri())
    names = tab.run(FIRST)
    tab.scripts(allowed=False)
    tab.open((out / "cells/index.html").as_uri())
    assert tab.run(FIRST) == names and tab.run("document.querySelectorAll('button, input').length") == 0


def test_a_table_is_downloaded_as_csv_with_unrounded_numbers_and_their_intervals(tab: Tab, out: Path) -> None:
    tab.open((out / "index.html").as_uri())
    links = tab.run("[...document.querySelectorAll('#gains a[download]')].map(link => [link.download, link.href])")
    assert [name for name, _ in links[:2]] == ["gain-over-no-auxiliary.csv", "gain-over-random-weights.csv"]
    head, _, content = links[1][1].partition(",")
    assert head == "data:text/csv;charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(urllib.parse.unquote(content))))
    (gain,) = (row for row in rows if row["target"] == "image")
    low, mean, high = (float(gain[name]) for name in ("audio: low", "audio", "audio: high"))
    assert low < mean < high and gain["audio: n"] == "3" and mean == pytest.approx((low + high) / 2)


CONTRASTS = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => parts(colour).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const paper = getComputedStyle(document.body).backgroundColor;
  return [...document.querySelectorAll('p, li, dt, dd, th, caption, h1, h2, a, summary, button')]
    .filter(item => item.offsetHeight && !item.closest('.notice')).map(item => {
      const both = [luminance(getComputedStyle(item).color), luminance(paper)].sort((a, b) => a - b);
      return [(both[1] + 0.05) / (both[0] + 0.05), item.textContent.slice(0, 40)]; })
    .filter(([ratio]) => ratio < 4.5); })()"""


@pytest.mark.parametrize(
    ("kind", "features"),
    [("screen", {"prefers_color_scheme": "light"}), ("screen", {"prefers_color_scheme": "dark"}), ("print", {})],
    ids=["light", "dark", "print"],
)
def test_every_word_can_be_read(tab: Tab, out: Path, kind: str, features: dict[str, str]) -> None:
    tab.media(kind, **features)
    for name in PAGES:
        tab.open((out / name).as_uri())
        assert tab.run(CONTRASTS) == [], name
    papers = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)", "": "rgb(255, 255, 255)"}
    assert tab.run("getComputedStyle(document.body).backgroundColor") == papers[features.get("prefers_color_scheme", "")]


@pytest.mark.skipif(not AXE, reason="AXE_CORE does not name the file of axe-core; `make test-browser` gets it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_no_serious_fault(tab: Tab, out: Path, width: int, scheme: str) -> None:
    tab.media("screen", prefers_color_scheme=scheme)
    for name in PAGES:
        tab.open((out / name).as_uri(), width)
        tab.run(Path(AXE).read_text(encoding="utf-8"))
        tab.run("document.querySelectorAll('details').forEach(item => { item.open = true })")
        found: list[Any] = tab.run(
            "axe.run().then(result => result.violations.filter(rule => ['serious', 'critical'].includes(rule.impact))"
            ".map(rule => [rule.id, rule.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary)]))"
        )
        assert found == [], name
