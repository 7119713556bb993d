"""The section of a report on scores by number of labels."""

from pathlib import Path

from m2pt.runs.spec import RunSpec
from tests.analysis.tables.test_labels import STUDY, score
from tests.pipelines.reporting import test_report_parts


def test_a_study_whose_parts_differ_in_labels_says_what_methods_are_worth_in_labels(tmp_path: Path, monkeypatch) -> None:
    def judge(spec: RunSpec) -> float:
        return score(spec)

    monkeypatch.setattr(test_report_parts, "_gain", judge)
    root = test_report_parts._render(STUDY % "", tmp_path)
    text = (root / "report.md").read_text()
    section = text.partition("## Scores by number of labels\n")[2].partition("\n## ")[0]
    assert "Put together: the parts whole, quarter." in section
    assert "fewer labels are also fewer steps" in section
    assert "| method | 100 labels | 400 labels |" in section
    rows = [line for line in section.splitlines() if line.startswith("| `pathway`")]
    assert len(rows) == 3, "all targets, and each"
    assert all("worth +" in row and "worth > 0 % labels (from" in row for row in rows)
    assert (root / "figures/labels-image-whole-pretrained-full.png").is_file()
    assert (root / "figures/labels-whole-pretrained-full.png").is_file()
    assert 'id="labels"' in (root / "index.html").read_text()
