"""The report of a study with parts, and of one on published data sets."""

import csv
import html
import io
import re
from pathlib import Path

import pytest

from m2pt.analysis.sections.facts import Source
from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import EXECUTION
from m2pt.runs.record import Counts, FinetuneRecord, read_record, write_record
from m2pt.runs.spec import EncoderKey, RunSpec
from pipelines.planning.grid import data_used, part_specs, pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints
from pipelines.reporting import report
from tests.analysis import synthetic
from tests.pipelines.reporting.test_report import _Page

PARTS = """
study: ablated
data: {embedded: {}}
encoders: {mae: {kind: mae}}
finetune: {epochs: 1}
sweep: {seeds: [0, 1, 2], targets: [image], auxiliaries: [audio, point], methods: [baseline, pathway, random_auxiliary]}
parts:
  - {name: methods, set: {sweep.methods: [baseline, pathway, random_auxiliary, frozen_encoder, lora]}}
  - {name: qkv, set: {pathway.layers: [attn.qkv]}}
  - {name: random, set: {sweep.auxiliary_encoder: random, sweep.methods: [frozen_encoder]}}
"""

PAPER = """
study: like-the-paper
model: {width: 768, depth: 12, heads: 12}
pathway: {scale_lr_multiple: 1.0}
encoders: {published: {kind: file, paths: {image: i.pth, point: p.pth, video: v.pth}}}
tasks:
  imagenet: {modality: image, dataset: imagenet, path: imagenet, recipes: {full: mae-finetune, fix: mae-linear-probe}}
sweep:
  {seeds: [0, 1], targets: [imagenet], auxiliaries: [point, video], methods: [baseline, pathway, random_auxiliary],
   target_encoder: published, auxiliary_encoder: published}
parts:
  - {name: both, set: {sweep.tunings: [full, fix]}}
  - {name: reversed, set: {sweep.auxiliaries: [point], sweep.methods: [pathway], pathway.order: reversed}}
"""


def _gain(spec: RunSpec) -> float:
    gains = {"baseline": 0.0, "pathway": 2.0, "random_auxiliary": 1.0, "frozen_encoder": -3.0, "lora": 0.5}
    changed = spec.pathway is not None and (spec.pathway.layers == ("attn.qkv",) or spec.pathway.order == "reversed")
    random = spec.method == "frozen_encoder" and spec.auxiliary_weights is None
    return 80.0 + gains[spec.method] - 1.5 * changed - 2.0 * random + 0.25 * spec.seed * (spec.method != "baseline")


def _render(text: str, root: Path, **record: object) -> Path:
    """The report of a study whose runs are all there; `record` goes into the record of each."""
    study = parse_study(text, "study.yaml")
    keys = [EncoderKey(name, modality) for name in study.encoders for modality in ("image", "audio", "point", "video")]
    prints = Fingerprints(dict.fromkeys(data_used(study), "d" * 64), dict.fromkeys(keys, "e" * 64))
    planned = synthetic.Planned(study, run_specs(study, prints), pretrain_specs(study, prints), root / "runs", root / "encoders")
    for spec in planned.specs:
        run_dir = synthetic.write_run(planned, spec, _gain(spec))
        execution = documents.read_json(run_dir / EXECUTION)
        execution["attempts"][0]["inference"] = {"batch": 8, "latency_ms": 1.5, "plain_latency_ms": 1.0}
        documents.write_json(run_dir / EXECUTION, execution)
        write_record(run_dir, read_record(run_dir, FinetuneRecord).model_copy(update=record))
    parts = part_specs(study, prints)
    source = Source(study, planned.specs, planned.runs, planned.pretraining, planned.encoders, parts)
    return report.render(source, root / "reports").parent


@pytest.fixture(scope="module")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _render(PARTS, tmp_path_factory.mktemp("ablated"))


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = {"train": Counts(listed=1_281_167), "test": Counts(listed=50_000)}
    return _render(PAPER, tmp_path_factory.mktemp("paper"), samples=samples, classes=("a",) * 1000, confusion=None)


def _words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}"')[1].split("</section>")[0]


def test_ablations_stand_against_the_reference(ablated: Path) -> None:
    page, text = ((ablated / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    assert _Page(page).open == []
    words = _words(_section(page, "ablations"))
    assert "only attn.qkv" in words and "random weights in the auxiliary's place" in words
    assert "\N{MINUS SIGN}1.50 (no interval)" in words  # what the change does
    (row,) = [
        line for line in text.split("## Ablations")[1].splitlines() if line.startswith("| only attn.qkv") and "+0.75" in line
    ]
    assert "+0.75 ± 0.62" in row  # the part's own gain over no auxiliary: 2 - 1.5 + 0.25 on average
    assert (ablated / "figures" / "ablations-pathway.svg").is_file()
    assert 'href="#ablations"' in page


def test_parts_that_change_something_are_folded_and_the_reference_is_not(ablated: Path) -> None:
    page = (ablated / "index.html").read_text(encoding="utf-8")
    for section in ("gains", "accuracy"):
        found = _section(page, section)
        assert "<summary>Qkv: pretrained target" in found
        assert "<h3>Methods: pretrained target" in found


def test_a_part_with_random_weights_claims_nothing_of_other_modalities(ablated: Path) -> None:
    findings = _section((ablated / "index.html").read_text(encoding="utf-8"), "findings")
    random = findings.split("<summary>Random: ")[1].split("</details>")[0]
    assert "It is a control" in random and "<li>" not in random


def test_a_rival_stands_against_itself_with_random_weights_and_on_the_planes(ablated: Path) -> None:
    text = (ablated / "report.md").read_text(encoding="utf-8")
    (row,) = [
        line for line in text.split("\n## Methods\n")[1].splitlines() if line.startswith("| `frozen_encoder`") and "+2.00" in line
    ]
    assert "× " not in row  # measured times are on the page of costs
    costs = (ablated / "local/costs.html").read_text(encoding="utf-8")
    methods = _section(costs, "methods")
    own = next(row for row in methods.split("<tr") if "frozen_encoder" in row)
    assert "× 1.00" in own and "× 1.50" in own
    labels = re.findall(r'aria-label="(Gain over no auxiliary in points against [^"]+)"', methods)
    assert len(labels) == 3
    assert all("frozen_encoder" in label and "lora" in label for label in labels)
    assert not list((ablated / "figures").glob("cost*"))  # measured times: in the page alone


def test_the_papers_gains_stand_beside_and_are_called_its_own(ablated: Path) -> None:
    gains = _words(_section((ablated / "index.html").read_text(encoding="utf-8"), "gains"))
    assert "+0.4 +0.5 %" in gains  # image from audio: 83.7 against 83.3
    assert "without a random control" in gains and "blocks in reversed order +0.31" in gains


def test_a_study_of_published_data_has_the_papers_tables_and_every_cell_as_a_row(paper: Path) -> None:
    page, text = ((paper / name).read_text(encoding="utf-8") for name in ("paper.html", "report.md"))
    assert _Page(page).open == []
    words = _words(_section(page, "published"))
    for piece in (
        "no auxiliary (MAE)",
        "paper 83.9 (recipe departs in precision, auxiliary_decay, scale_layer_decay)",
        "random weights (control)",
        "not in the paper",
        "not run",
        "Table 6",
        "× 1.35",
    ):
        assert piece in words
    assert "Table 2" not in words  # no data set of it is here
    rows = list(csv.DictReader(io.StringIO((paper / "published.csv").read_text(encoding="utf-8"))))
    (point,) = [
        row
        for row in rows
        if (row["setting"], row["tuning"], row["auxiliary"], row["variation"]) == ("pretrained", "full", "point", "")
    ]
    assert (float(point["published"]), float(point["mean"]), point["seeds"]) == (83.9, 82.125, "2")
    line = next(line for line in text.split("Table 5.")[1].splitlines() if line.startswith("| only mlp.fc2"))
    assert "paper 83.7" in line
    reversed_row = next(line for line in text.split("Table 6.")[1].splitlines() if line.startswith("| reversed blocks"))
    assert "80.6" in reversed_row and "paper 83.61" in reversed_row
    ablation = next(line for line in text.split("## Ablations")[1].splitlines() if "blocks reversed" in line)
    assert "paper \N{MINUS SIGN}0.2" in ablation  # 83.61 less 83.9


def test_a_score_of_the_paper_stands_beside_no_other_run(tmp_path: Path) -> None:
    """The very same study at another size, on a tenth of the classes: the cell says so, and gives no difference."""
    small = PAPER.replace("width: 768, depth: 12", "width: 384, depth: 12")
    splits = {"train": Counts(listed=126_689), "test": Counts(listed=5000, absent=3, unreadable=1)}
    folder = _render(small, tmp_path, samples=splits, classes=("a",) * 100, confusion=None)
    said = "the paper's 83.9 is of another run: model.width: 384 [768]; 126,689 training samples [1,281,167]; "
    said += "4,996 test samples, 4 left out [50,000]; and 1 more"
    words = _words(_section((folder / "paper.html").read_text(encoding="utf-8"), "published"))
    assert said in words.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") and "paper 83.9" not in words
    line = next(
        line for line in (folder / "report.md").read_text().split("Table 1.")[1].splitlines() if line.startswith("| point")
    )
    assert said in line and "82.1" in line
    rows = list(csv.DictReader(io.StringIO((folder / "published.csv").read_text(encoding="utf-8"))))
    ours = [row for row in rows if int(row["seeds"])]
    assert ours and {(row["published"], row["difference"]) for row in ours} == {("", "")}
    assert all("100 classes [1,000]" in row["differs"] for row in ours)
    assert "paper" not in (folder / "report.md").read_text().split("## Ablations")[1].split("##")[0]


def test_the_report_names_what_departs_from_the_releases(paper: Path, tmp_path: Path) -> None:
    for name in ("report.md", "paper.html"):
        text = (paper / name).read_text()
        assert "finetune.precision: fp32 [fp16]" in text
        assert "with a pathway: pathway.auxiliary_decay: false [true]" in text
        assert "parts: both, reversed" in text
    for name in ("report.md", "index.html"):
        assert "Recipes" not in (_render(PARTS, tmp_path) / name).read_text()


def test_a_study_without_parts_or_published_data_has_neither(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=1, targets=("image",), epochs=1))
    page = report.render(planned.source, tmp_path / "reports")
    text = page.read_text(encoding="utf-8")
    assert 'id="ablations"' not in text and 'id="published"' not in text
    assert not (page.parent / "published.csv").exists()
