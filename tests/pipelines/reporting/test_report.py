import csv
import io
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from m2pt.config import MODALITIES
from m2pt.files import documents
from m2pt.runs.folder import RECORD
from m2pt.runs.identity import run_id
from m2pt.runs.table import COLUMNS
from pipelines.reporting import rendering, report
from tests.analysis import synthetic


def _render(planned: synthetic.Planned, out: Path) -> Path:
    return report.render(planned.source, out)


def _small(root: Path, seeds: int = 3) -> synthetic.Planned:
    return synthetic.plan(root, seeds, targets=("image", "audio"), epochs=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[synthetic.Planned, Path]:
    """A small study, all of it complete, and its report."""
    root = tmp_path_factory.mktemp("whole")
    planned = synthetic.complete(_small(root))
    return planned, _render(planned, root / "reports").parent


CELLS = (
    "image-baseline", "image-from-audio-pathway", "image-from-random-random_auxiliary", "image-from-image-own_lineage",
    "audio-baseline", "audio-from-image-pathway", "audio-from-random-random_auxiliary", "audio-from-audio-own_lineage",
)  # fmt: skip


class _Page(HTMLParser):
    """What a page refers to, and its structure."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.images_without_words = 0
        self.tables = self.captions = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        self.links += [values.get("href") or ""] * (tag == "a")
        self.sources += [value or "" for key, value in attrs if key in ("src", "href", "xlink:href") and tag != "a"]
        self.images_without_words += tag == "img" and not values.get("alt")
        self.tables += tag == "table"
        self.captions += tag == "caption"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_well_formed(whole: tuple[synthetic.Planned, Path]) -> None:
    out = whole[1]
    ids = {path.name: _Page(path.read_text(encoding="utf-8")).ids for path in out.glob("*.html")}
    assert len(ids) == 6
    tables = 0
    for name, known in ids.items():
        text = (out / name).read_text(encoding="utf-8")
        found = _Page(text)
        assert found.open == []
        assert len(known) == len(set(known))
        links = [link.partition("#") for link in found.links if not link.startswith("data:text/csv")]
        assert all((out / file).is_file() for file, _, _ in links if file)
        assert [link for link in links if link[2] and (link[0] or name) in ids and link[2] not in ids[link[0] or name]] == []
        # Nothing is fetched but what a page lacks without any loss: the cost of this execution, from a file beside it.
        assert all(source.startswith(("data:", "#")) or source == "local/cost.js" for source in found.sources)
        assert not re.search(r"@import|url\((?!#)|fetch\(|https?://(?!www\.w3\.org)(?!arxiv)", text)
        assert found.tables == found.captions
        assert not found.images_without_words
        tables += found.tables
    assert tables > 5


def test_every_file_of_the_report_is_there(whole: tuple[synthetic.Planned, Path]) -> None:
    _, out = whole
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and path.suffix != ".tex"}
    figures = [
        f"{kind}-{target}-pretrained-full" for target in ("image", "audio") for kind in ("accuracy", "gains", "scales", "curves")
    ]
    figures += ["answer-pretrained-full", "ranking-pretrained-full", "profiles-pretrained-full"]
    assert names == {
        "index.html", "report.md", "report.json", "results.csv", "metrics.json", "gains.json",
        "reading.html", "sure.html", "views.html", "training.html", "origin.html",
        "local/costs.html", "local/costs.md", "local/costs.json", "local/cost.js", "local/timings.csv",
        "plots/gains.csv", "plots/validation.csv", "plots/scales.csv",
        "figures/reconstructions-image-mae.png", "figures/reconstructions-audio-mae.png",
        *(f"figures/{name}.{ending}" for name in ["matrix-pretrained-full", *figures] for ending in ("png", "svg")),
        "cells/index.html", "cells/style.css", "cells/tables.js", *(f"cells/{name}-pretrained-full.html" for name in CELLS),
    }  # fmt: skip
    text = (out / "report.md").read_text(encoding="utf-8")
    assert {path for path in re.findall(r"\]\((figures/[^)]+)\)", text)} == {name for name in names if name.endswith(".png")}


def test_results_have_one_row_a_run_in_the_given_order(whole: tuple[synthetic.Planned, Path]) -> None:
    planned, out = whole
    content = (out / "results.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert content.splitlines()[0].decode() == ",".join(COLUMNS)
    assert b"\r" not in content
    assert [row["run_id"] for row in rows] == [run_id(spec) for spec in planned.specs]
    assert [float(row["test_score"]) for row in rows] == [synthetic.pilot_scores(spec) for spec in planned.specs]
    assert rows[0]["epoch"] == "2"


def test_only_what_may_vary_between_identical_executions_does(whole: tuple[synthetic.Planned, Path], tmp_path: Path) -> None:
    planned, first = synthetic.complete(_small(tmp_path)), whole[1]
    for path in tmp_path.rglob("execution.json"):
        (attempt,) = documents.read_json(path)["attempts"]
        attempt |= {
            "started": "2027-01-01T00:00:00+00:00", "device": "cuda", "device_name": "a card", "threads": 9, "devices": 2,
            "seconds": {"load": 1.0, "train": 20.0, "evaluate": 3.0, "total": 25.0}, "peak_memory_bytes": 9, "energy_joules": 7.0,
            "git_commit": "f" * 40, "code_sha256": "e" * 64, "versions": dict.fromkeys(attempt["versions"], "9.9.9"),
            "inference": {"batch": 8, "latency_ms": 3.0, "plain_latency_ms": 1.0}, "platform": "elsewhere",
        }  # fmt: skip
        documents.write_json(path, {"attempts": [attempt, attempt]})
    second = _render(planned, tmp_path / "reports").parent
    names = [str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()]
    differing = {name for name in names if (first / name).read_bytes() != (second / name).read_bytes()}
    assert {name for name in differing if not name.startswith("local/tables/")} == {
        f"local/{name}" for name in ("timings.csv", "costs.html", "costs.md", "costs.json", "cost.js")
    }
    assert "/reports/local/" in (Path(__file__).parents[3] / ".gitignore").read_text().splitlines()


def test_failed_and_missing_cells_are_named_and_no_number_stands_for_them(tmp_path: Path) -> None:
    planned = synthetic.complete(_small(tmp_path))
    for spec in planned.specs:
        if (spec.target, spec.auxiliary) == ("image", "audio"):
            synthetic.write_failure(planned, spec, "no scale moved | <b>see</b> pathway.scale_lr_multiple")
    out = _render(planned, tmp_path / "reports").parent
    page, text = ((out / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    (address,) = re.findall(r'<a href="([^"]+)"><code>image-from-audio-pathway-pretrained-full</code></a>', page)
    assert "no scale moved | &lt;b&gt;see" in (out / address).read_text(encoding="utf-8")
    assert "no scale moved | &lt;b&gt;see&lt;/b&gt; pathway.scale_lr_multiple" in page
    assert "no scale moved \\| &lt;b>see&lt;/b> pathway.scale_lr_multiple" in text
    assert "21 complete, 3 failed" in text
    assert re.search(r"\| image \| [^|]+ \| no result, n=0 of 3 \|", text)
    found = json.loads((out / "gains.json").read_bytes())
    assert "image_from_audio" not in found["pretrained-full"]["test"]["gain_over_baseline"]
    rows = csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8")))
    assert {row["test_score"] for row in rows if row["status"] == "failed"} == {""}


@pytest.mark.parametrize("failed", [False, True])
def test_a_study_without_any_result_has_a_report(tmp_path: Path, failed: bool) -> None:
    planned = _small(tmp_path, seeds=1)
    for spec in planned.specs if failed else ():
        synthetic.write_failure(planned, spec, "the disk is full")
    out = _render(planned, tmp_path / "reports").parent
    page, costs = ((out / name).read_text(encoding="utf-8") for name in ("index.html", "local/costs.html"))
    assert "No run is complete yet" in page
    assert ("the disk is full" in page) == failed
    assert "not recorded here" in costs
    assert _Page(page).open == _Page(costs).open == []


def test_one_seed_gives_means_without_intervals(tmp_path: Path) -> None:
    planned = synthetic.complete(_small(tmp_path, seeds=1))
    text = (_render(planned, tmp_path / "reports").parent / "report.md").read_text(encoding="utf-8")
    gains = text.split("## Gains")[1].split("## Accuracy")[0]
    assert ", no interval, n=1 |" in gains
    assert "±" not in gains.split("Gain over no auxiliary")[1]


def test_the_report_tells_devices_versions_commits_data_and_settings(whole: tuple[synthetic.Planned, Path]) -> None:
    planned, out = whole
    page, costs = ((out / name).read_text(encoding="utf-8") for name in ("index.html", "local/costs.html"))
    pages = page + (out / "origin.html").read_text(encoding="utf-8") + (out / "training.html").read_text(encoding="utf-8")
    for fact in (planned.specs[0].data_sha256[:12], "scale_lr_multiple", "2.4e-06", "mae+labels"):
        assert fact in pages
    for fact in ("2.13.0", "abc1234abc", "cpu (a processor)"):
        assert fact in costs and fact not in pages


def test_how_files_of_weights_were_read_is_told(tmp_path: Path) -> None:
    planned = synthetic.complete(_small(tmp_path))
    way = "from 8 × 64 to 8 × 32 places, the first 32 of 64 in time kept"
    facts = {
        "role": "auxiliary",
        "wrapper": None,
        "norm_epsilon": None,
        "zero": [],
        "fresh": [],
        "source": "published",
        "modality": "audio",
        "layout": "audiomae",
        "positions": way,
    }
    path = planned.runs / run_id(planned.specs[0]) / RECORD
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"loaded": [facts | {"weights": "raw", "beside": [], "precisions": []}]}))
    out = _render(planned, tmp_path / "out").parent
    sentence = f"Positions of published (audio, audiomae) were resized {way}."
    assert sentence in (out / "report.md").read_text()
    assert sentence in (out / "origin.html").read_text()


def test_figures_of_an_earlier_report_are_removed_and_other_files_kept(tmp_path: Path) -> None:
    out = tmp_path / "reports"
    old = (
        "figures/accuracy-image-pretrained-full.png",
        "figures/notes.txt",
        "plots/accuracy-image-pretrained-full.csv",
        "cells/old.html",
    )
    for name in old:
        documents.write_atomic(out / name, b"")
    _render(synthetic.plan(tmp_path / "new", targets=("point",)), out)
    assert [path.name for path in (out / "figures").iterdir()] == ["notes.txt"]
    assert list((out / "plots").iterdir()) == []
    assert not (out / "cells/old.html").exists()


def test_an_unreadable_record_is_named_and_holds_up_no_other(tmp_path: Path) -> None:
    planned = synthetic.complete(_small(tmp_path, seeds=1))
    broken = planned.folder(planned.specs[0]) / RECORD
    broken.write_text("{")
    _render(planned, tmp_path / "reports")
    assert str(broken) in (tmp_path / "reports/report.md").read_text()
    rows = (tmp_path / "reports/results.csv").read_text().splitlines()
    assert [f"{broken}: is not valid JSON" in row or str(broken) in row for row in rows].count(True) == 1
    assert sum(",complete," in row for row in rows) == len(planned.specs) - 1


def _colours(scheme: str) -> dict[str, tuple[float, float, float]]:
    """The colours of the style sheet in one scheme (`light`, `dark`, `print`), each part from 0 to 1."""
    text = (Path(report.__file__).parent / "templates/style.css").read_text(encoding="utf-8")
    light, dark, printed = (match.group(1) for match in re.finditer(r":root \{(.*?)\}", text, re.DOTALL))
    found = {}
    for block in {"light": [light], "dark": [light, dark], "print": [light, printed]}[scheme]:
        for name, value in re.findall(r"--([a-z]+): ([^;]+);", block):
            digits = [int(value[start : start + 2], 16) for start in (1, 3, 5)] if value[0] == "#" else map(int, value.split())
            red, green, blue = (part / 255 for part in digits)
            found[name] = (red, green, blue)
    return found


def _contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines 2.2."""

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_words_and_lines_can_be_read_in_every_scheme(scheme: str) -> None:
    colours = _colours(scheme)
    words = [(name, colours["paper"]) for name in ("ink", "muted", "accent")]
    words += [("ink", colours["soft"]), ("ink", colours["notice"]), ("accent", colours["notice"])]
    for shade in ("positive", "negative"):  # numbers stand on the strongest shade that a gain can have
        strongest = tuple(0.6 * a + 0.4 * b for a, b in zip(colours[shade], colours["paper"], strict=True))
        words.append(("ink", strongest))  # type: ignore[arg-type]
    assert {name: ratio for name, back in words if (ratio := _contrast(colours[name], back)) < 4.5} == {}
    lines = (*MODALITIES, "muted")
    assert {name: ratio for name in lines if (ratio := _contrast(colours[name], colours["paper"])) < 3} == {}


def test_a_tracker_shows_the_costs_too_and_nothing_of_an_incomplete_report(
    whole: tuple[synthetic.Planned, Path], tmp_path: Path
) -> None:
    shown = rendering.shown_files(whole[1])
    assert {*rendering.FILES, "local/costs.html", "local/timings.csv", "figures/matrix-pretrained-full.png"} <= set(shown)
    assert all(path == whole[1] / place for place, path in shown.items())
    documents.write_atomic(tmp_path / "index.html", b"")
    assert rendering.shown_files(tmp_path) == {}


def test_in_a_copy_without_the_files_of_this_machine_every_link_leads_somewhere(
    whole: tuple[synthetic.Planned, Path], tmp_path: Path
) -> None:
    """As in a fresh clone: Git does not track `local`."""
    copy = tmp_path / "copy"
    shutil.copytree(whole[1], copy, ignore=shutil.ignore_patterns("local"))
    pages = {path: path.read_text(encoding="utf-8") for path in (*copy.rglob("*.html"), copy / "report.md")}
    assert len(pages) > 12
    for path, text in pages.items():
        links = re.findall(r'<a [^>]*href="([^"]+)"', text) if path.suffix == ".html" else re.findall(r"\]\(([^)\s]+)\)", text)
        for link in links:
            address, _, anchor = unescape(link).partition("#")
            if ":" in address.split("/")[0]:
                continue
            target = (path.parent / address).resolve() if address else path
            assert target.is_file(), f"{path.name}: {link}"
            if anchor and target.suffix == ".html":
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{path.name}: {link}"
    assert "local/costs.html" in pages[copy / "origin.html"] and "make study" in pages[copy / "origin.html"]
