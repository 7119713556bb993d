"""What MLflow shows of a study's answer, read with its own client."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from m2pt.runs.folder import MERGED
from pipelines.reporting import report
from pipelines.tracking import headline
from pipelines.tracking.mlflow_columns import VIEW_TAG
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import SweepEnd
from tests.analysis import synthetic as studies
from tests.pipelines import synthetic
from tests.pipelines.tracking.mlflow_view import STUDY, new_client, new_publisher, run_of

DECLARED = Sweep(
    STUDY,
    "5eed5eed",
    "embedded: 2 targets · 2026-03-04 05:06",
    (),
    {"finetune.epochs": "6", "encoders.mae+labels.kind": "labels"},
)
VARIED = replace(DECLARED, id="5eed0002", title="embedded: learning_rate=0.002 · 2026-03-04", changes=("learning_rate=0.002",))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small complete study."""
    root = tmp_path_factory.mktemp("study")
    planned = studies.complete(studies.plan(root, 4, targets=("image", "audio"), epochs=1))
    return report.render(planned.source, root / "reports").parent


def close(sweep: Sweep, end: SweepEnd) -> None:
    with Publisher(MlflowTracker(sweep)) as publisher:
        publisher.close(end)


def outcome(folder: Path) -> SweepEnd:
    files = {"index.html": folder / "index.html"}
    return SweepEnd(values=headline.numbers(folder), report=files, sentences=headline.sentences(folder))


def test_a_sweep_has_its_settings_and_the_numbers_and_sentences_of_its_report(project: Path, rendered: Path) -> None:
    close(DECLARED, outcome(rendered))
    client = new_client()
    experiment = client.get_experiment_by_name(STUDY)
    (run,) = client.search_runs([experiment.experiment_id], "tags.`m2pt.kind` = 'sweep'")
    assert run.info.run_name == DECLARED.title
    assert run.data.params == {"finetune.epochs": "6", "encoders.mae:labels.kind": "labels"}
    known = json.loads((rendered / "metrics.json").read_text())
    gains = {name: value for name, value in run.data.metrics.items() if name.startswith("0_gain/")}
    assert gains == {
        "0_gain/over_random": known["test"]["gain_over_random"],
        "0_gain/over_random_half_width": known["test"]["gain_over_random_half_width"],
        "0_gain/own_lineage": known["test"]["own_lineage_over_random"],
        "0_gain/over_baseline": known["test"]["gain_over_baseline"],
    }
    assert run.data.metrics["1_val/gain_over_random"] == known["val"]["gain_over_random"]
    sections = json.loads((rendered / "report.json").read_text())["sections"]
    first = next(section for section in sections if section["anchor"] == "findings")
    claims = next(block["items"] for block in first["blocks"] if block["kind"] == "items")
    for words in (run.data.tags["mlflow.note.content"], experiment.tags["mlflow.note.content"]):
        assert words.startswith(f"**{claims[0]['text']}** {claims[0]['detail']} [The report](")
        assert all(item["text"] in words and item["detail"] in words for item in claims)
        assert f"#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}/artifacts/report/index.html" in words
    assert [item.path for item in client.list_artifacts(run.info.run_id, "report")] == ["report/index.html"]


def test_the_page_of_a_study_keeps_what_the_study_as_declared_says(project: Path, rendered: Path) -> None:
    def description() -> str:
        return str(new_client().get_experiment_by_name(STUDY).tags["mlflow.note.content"])

    close(VARIED, outcome(rendered))
    assert VARIED.title in description()  # better than nothing
    close(DECLARED, outcome(rendered))
    assert DECLARED.title in description()
    close(VARIED, outcome(rendered))
    assert DECLARED.title in description()
    client = new_client()
    experiment = client.get_experiment_by_name(STUDY)
    (varied,) = client.search_runs([experiment.experiment_id], "tags.`m2pt.sweep_id` = '5eed0002'")
    assert varied.data.tags["m2pt.changes"] == "learning_rate=0.002"
    assert VARIED.title in varied.data.tags["mlflow.note.content"]


def test_the_columns_of_the_saved_view_are_metrics_that_there_are(project: Path, rendered: Path) -> None:
    spec = synthetic.pathway_spec()
    with Publisher(MlflowTracker(DECLARED)) as publisher:
        publisher.publish(spec, synthetic.whole(project / "runs", spec))
        publisher.close(outcome(rendered))
    client = new_client()
    experiment = client.get_experiment_by_name(STUDY)
    runs = client.search_runs([experiment.experiment_id])
    known = {f"metrics.`{name}`" for run in runs for name in run.data.metrics}
    known |= {f"tags.`{name}`" for run in runs for name in run.data.tags}
    view = json.loads(experiment.tags[VIEW_TAG])
    columns = json.loads(view["state"])["selectedColumns"]
    assert set(columns) - known == {"metrics.`0_gain/own_apart`"}  # this study has no such control
    assert columns[0] == "metrics.`0_gain/over_random`"


def test_weights_above_the_limit_and_encoders_are_no_models(project: Path) -> None:
    specs = [synthetic.pathway_spec(), synthetic.pretrain_spec()]
    with new_publisher(weights_limit_bytes=8) as publisher:
        for spec in specs:
            publisher.publish(spec, synthetic.whole(project / "runs", spec))
    client: MlflowClient = new_client()
    for spec in specs:
        names = {item.path for item in client.list_artifacts(run_of(client, spec).info.run_id)}
        assert not {"model", MERGED, "encoder.safetensors"} & names
