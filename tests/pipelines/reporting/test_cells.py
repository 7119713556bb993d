import itertools
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, read_record, write_record
from pipelines.reporting import report
from tests.analysis import synthetic


class _Page(HTMLParser):
    """Links, sources, headings and the text of every table row of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.open: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.headings: list[int] = []
        self.rows: list[list[str]] = []
        self.unscoped = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        self.links += [values.get("href") or ""] * (tag == "a")
        self.sources += [value or "" for key, value in attrs if key in ("src", "href") and tag != "a"]
        self.headings += [int(level[1]) for level in re.findall(r"^h\d$", tag)]
        self.unscoped += tag == "th" and not values.get("scope")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tr" in self.open and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def dangling(self) -> list[str]:
        """Links to other files that are not there."""
        files = (link.partition("#")[0] for link in self.links if not link.startswith("data:text/csv"))
        return [name for name in files if name and not (self.path.parent / name).is_file()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[synthetic.Planned, Path]:
    root = tmp_path_factory.mktemp("cells")
    planned = synthetic.complete(synthetic.plan(root, 3, targets=("image", "audio"), epochs=3))
    broken = next(spec for spec in planned.specs if spec.name == "image-from-audio-pathway-pretrained-full-s1")
    synthetic.write_failure(planned, broken, "no <b>scale</b> moved")
    page = report.render(planned.source, root / "reports")
    return planned, page.parent


def _pages(out: Path) -> Iterator[_Page]:
    return (_Page(path) for path in sorted((out / "cells").glob("*.html")))


def _page(whole: tuple[synthetic.Planned, Path], name: str = "image-from-audio-pathway-pretrained-full") -> _Page:
    return _Page(whole[1] / f"cells/{name}.html")


def test_every_number_of_the_matrices_leads_to_the_page_of_its_cell(whole: tuple[synthetic.Planned, Path]) -> None:
    found = _Page(whole[1] / "index.html")
    assert found.dangling() == []
    counts = {path.name: found.links.count(f"cells/{path.name}") for path in (whole[1] / "cells").glob("*-full.html")}
    # the table of scores has every cell, the gains over no auxiliary all but the baselines, those over random weights the pairs
    assert counts["image-baseline-pretrained-full.html"] >= 1
    assert counts["image-from-random-random_auxiliary-pretrained-full.html"] >= 2
    assert counts["image-from-audio-pathway-pretrained-full.html"] >= 3
    assert counts["audio-from-audio-own_lineage-pretrained-full.html"] >= 3


def test_pages_are_well_formed_lead_back_and_fetch_nothing_from_elsewhere(whole: tuple[synthetic.Planned, Path]) -> None:
    found = list(_pages(whole[1]))
    assert len(found) == 8 + 1
    for page in found:
        assert page.open == []
        assert page.dangling() == []
        assert "../index.html" in page.links
        assert set(page.sources) == {"data:,", "style.css", "tables.js"}
        assert page.headings[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(page.headings))
        assert not page.unscoped


def test_scores_stand_beside_those_of_the_same_seed(whole: tuple[synthetic.Planned, Path]) -> None:
    planned, _ = whole
    row = next(row for row in _page(whole).rows if row[0] == "0")
    of = {spec.name: synthetic.pilot_scores(spec) for spec in planned.specs}
    pathway, baseline, random = (
        of[f"image{name}-pretrained-full-s0"] for name in ("-from-audio-pathway", "-baseline", "-from-random-random_auxiliary")
    )
    assert row[1:4] == ["complete", f"{pathway:.2f}", f"{pathway + 0.5:.2f}"]
    assert row[5] == f"{baseline:.2f}"
    assert float(row[6].replace("\N{MINUS SIGN}", "-")) == pytest.approx(pathway - baseline, abs=0.006)
    assert float(row[8].replace("\N{MINUS SIGN}", "-")) == pytest.approx(pathway - random, abs=0.006)


def test_a_failed_seed_is_told_with_its_reason_and_no_number(whole: tuple[synthetic.Planned, Path]) -> None:
    page = _page(whole)
    scores, runs = [row for row in page.rows if row[0].removeprefix("seed") == "1" and "failed" in " ".join(row)]
    assert scores[1:5] == ["failed", "–", "–", "–"]
    assert scores[6] == "–"
    assert runs[2] == "failed: no <b>scale</b> moved"
    assert "2 of 3 seeds complete" in page.path.read_text(encoding="utf-8")


def test_confusion_is_the_sum_over_the_complete_seeds(whole: tuple[synthetic.Planned, Path]) -> None:
    planned, _ = whole
    done = [s for s in planned.specs if s.name.startswith("image-from-audio-pathway") and s.seed != 1]
    matrices = [read_record(planned.folder(spec), FinetuneRecord).confusion for spec in done]
    sums = [[str(a + b) for a, b in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
    shown = [row[1:] for row in _page(whole).rows if len(row) == 11 and row[0].isdigit()]
    assert shown == sums


def test_pages_show_runs_and_fingerprints_and_lead_to_times_and_devices(whole: tuple[synthetic.Planned, Path]) -> None:
    planned, _ = whole
    text = _page(whole).path.read_text(encoding="utf-8")
    spec = next(s for s in planned.specs if s.name.startswith("image-from-audio-pathway"))
    assert spec.auxiliary_weights is not None
    for fact in (run_id(spec), spec.data_sha256, str(spec.auxiliary_weights.sha256), "../origin.html#costs"):
        assert fact in text
    (row,) = [row for row in _Page(whole[1] / "local/costs.html").rows if row[0] == run_id(spec)]
    assert row[1:] == ["1", "3.4 s", "2.5 s", "117 MiB", "cpu (a processor)"]
    assert text.count('class="chart"') == 2 + 2 * 4  # loss and score; sizes and effective sizes of four layer types


def test_a_cell_without_any_run_or_without_confusion_has_a_page(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, 1, targets=("image", "audio"), epochs=1)
    plain = next(spec for spec in planned.specs if spec.name.startswith("image-baseline"))
    record = read_record(synthetic.write_run(planned, plain, 60.0), FinetuneRecord)
    write_record(planned.folder(plain), record.model_copy(update={"confusion": None}))
    out = report.render(planned.source, tmp_path / "r").parent
    assert "No counts by class" in (out / "cells/image-baseline-pretrained-full.html").read_text(encoding="utf-8")
    missing = (out / "cells/image-from-audio-pathway-pretrained-full.html").read_text(encoding="utf-8")
    assert "No complete run to draw" in missing
    assert "not run yet" in missing
    assert _Page(out / "cells/index.html").dangling() == []
