"""The section on costs of a report."""

import re
from pathlib import Path

import pytest

from m2pt.analysis.sections import facts
from m2pt.files import documents
from m2pt.runs.folder import EXECUTION
from pipelines.reporting import report
from tests.analysis import synthetic


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds and show no costs."""
    monkeypatch.setattr(facts, "draw", lambda *arguments: [])


def test_the_report_tells_costs_by_method_and_by_device(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, 1, targets=("image", "audio"), epochs=1))
    for spec in planned.specs:
        path = planned.folder(spec) / EXECUTION
        (attempt,) = documents.read_json(path)["attempts"]
        slower = 3.0 if spec.method == "own_lineage" else 1.0
        measured = {"inference": {"batch": 8, "latency_ms": 2.0 * slower, "plain_latency_ms": 2.0}, "energy_joules": 9000.0}
        documents.write_json(path, {"attempts": [attempt | measured]})
    page = report.render(planned.source, tmp_path / "out")
    text = (page.parent / "local/costs.md").read_text(encoding="utf-8").split("## Costs")[1].split("\n## ")[0]
    assert re.search(
        r"\| `own_lineage` \| 2 \| 6\.8 s \| 2\.5 s \| 5\.0 Wh \| 117 MiB \| 400,000 \| 205,000 \| 205,000 \| × 3\.00", text
    )
    assert re.search(r"\| `pathway` \|.*\| × 1\.00 \(1\.00 to 1\.00\) \|", text)
    assert "| cpu (a processor) | 8 | 4 | 40.8 s | – |" in text  # pretraining did not tell its energy here
    html = (page.parent / "local/costs.html").read_text(encoding="utf-8")
    section = html[html.index('<section id="costs"') :].split("</section>")[0]
    for cell in ("× 3.00 (3.00 to 3.00)", "5.0 Wh", "117 MiB", "40.8 s"):
        assert cell in section
    assert "other comparison" not in section
    assert '<a href="origin.html#costs">' in page.read_text(encoding="utf-8")


def test_a_report_without_executions_or_measurements_says_so(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, 1, targets=("image", "audio"), epochs=1))
    render = (planned.source, tmp_path / "out")
    text = (report.render(*render).parent / "local/costs.md").read_text(encoding="utf-8")
    assert "No device reported its energy." in text
    assert re.search(r"\| `pathway` \| 2 \| 6\.8 s \| 2\.5 s \| 117 MiB \| 400,000 \| 205,000 \| 205,000 \| – \|", text)
    for path in tmp_path.rglob("execution.json"):
        path.unlink()
    assert "Costs: not recorded here." in (report.render(*render).parent / "local/costs.md").read_text(encoding="utf-8")
