"""What a reader sees first: the question, its answer, and beside it the picture of the gains."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.reporting import report
from tests.analysis import synthetic


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fold")
    planned = synthetic.complete(synthetic.plan(root, 3, targets=("image", "audio"), epochs=2))
    return report.render(planned.source, root / "reports").parent


def test_the_answer_is_in_the_words_of_the_claims_and_the_picture_of_the_gains_beside_it(out: Path) -> None:
    short, findings = json.loads((out / "report.json").read_text())["sections"][:2]
    assert (short["anchor"], findings["anchor"]) == ("short", "findings")
    (opening,) = short["blocks"]
    asked, answer, single, picture, sure = opening["blocks"]
    for word in ("pathway", "auxiliary", "pairs of a target and an auxiliary"):
        assert word in asked["text"]
    claims = next(block for block in findings["blocks"] if block["kind"] == "items")["items"]
    first, numbers, size = re.fullmatch(r"(.+) \((.+?)\); (.+)\.", answer["text"]).groups()  # type: ignore[union-attr]
    assert f"{first}." == claims[0]["text"] and claims[0]["detail"].startswith(numbers)
    assert f"{size[:1].upper()}{size[1:]}." == claims[1]["text"]
    assert single["text"].startswith("This is about the mean over all pairs, and single pairs can differ by more.")
    assert picture["figures"][0]["name"] == "answer-pretrained-full"
    terms = [item["term"] for item in sure["items"]]
    assert terms == ["Error rate", "Seeds", "Positive controls", "Cost"]
    assert "24 runs, all complete" in sure["items"][-1]["text"]


def test_the_page_is_the_same_for_all_executions_and_a_file_beside_it_writes_the_cost_into_it(out: Path) -> None:
    page = (out / "index.html").read_text()
    assert '<a href="origin.html#costs">time, machine and energy</a>' in page
    places = [page.index(words) for words in ('id="short"', 'class="lead"', 'aria-label="Contents"', 'id="findings"')]
    assert places == sorted(places)
    assert '<script src="local/cost.js"></script>' in page
    assert re.search(r'textContent = "[\d.]+ (s|min|h) of device time on cpu', (out / "local/cost.js").read_text())


def test_what_a_reader_needs_first_is_on_one_page_and_the_rest_is_a_line_away(out: Path) -> None:
    page = (out / "index.html").read_text()
    assert re.findall('<section id="([^"]+)"', page) == ["short", "findings", "gains", "accuracy", "gaps", "further"]
    files = ("reading.html", "sure.html", "views.html", "training.html", "origin.html")
    pages = {file: (out / file).read_text() for file in files}
    for file, text in pages.items():
        assert f'<a href="{file}">' in page and '<a href="index.html">Study synthetic</a>' in text
    found = [name for text in pages.values() for name in re.findall('<section id="([^"]+)"', text)]
    document = json.loads((out / "report.json").read_text())
    on_first = {"short", "findings", "gains", "accuracy", "gaps"}
    assert sorted(found) == sorted(section["anchor"] for section in document["sections"] if section["anchor"] not in on_first)
    assert 'href="index.html#findings"' in pages["sure.html"], "a link to a section leads to the page that has it"
    assert not (out / "chosen.html").exists() and "chosen.html" not in page


def test_pages_that_a_study_no_longer_has_are_removed(out: Path) -> None:
    planned = synthetic.plan(out.parent, 3, targets=("image", "audio"), epochs=2)
    (out / "chosen.html").write_text("of an earlier study")
    report.render(planned.source, out)
    assert not (out / "chosen.html").exists()


def test_a_study_in_which_nothing_is_compared_speaks_of_no_error_rate(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, 2, targets=("image", "audio"), epochs=1)
    alone = replace(planned, specs=[spec for spec in planned.specs if spec.method == "baseline"])
    page = report.render(synthetic.complete(alone).source, tmp_path / "alone")
    for file in (page, page.parent / "report.md"):
        assert "rror rate" not in file.read_text(encoding="utf-8").split('id="further"')[0].split("## How to read it")[0]
    several = report.render(synthetic.complete(planned).source, tmp_path / "several")
    assert "<dt>Error rate</dt>" in several.read_text(encoding="utf-8")
