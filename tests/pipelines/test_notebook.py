"""A study in a notebook: its tables are those of the report, its runs have their models, and the shipped notebook runs."""

import json
from contextlib import chdir
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from nbclient import NotebookClient
from scipy import stats

from m2pt.config import UserError
from m2pt.runs.looks import LOOKS
from pipelines.notebook import LoadedStudy, load_study
from tests.finished_runs import do_study
from tests.pipelines.scheduling.conftest import make_project

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs/notebooks/results.ipynb"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of three methods, without the last run of the first."""
    folder = make_project(tmp_path_factory.mktemp("notebook"), "tiny", 2, "0, 1, 2", "baseline, random_auxiliary, mimetic")
    with (folder / "tiny.yaml").open("a") as file:
        file.write("design: {questions: [{method: mimetic, over: baseline}]}\n")
    with chdir(folder):
        do_study("tiny.yaml", lambda spec: (spec.method, spec.seed) != ("baseline", 2))
    return folder


@pytest.fixture
def study(project: Path) -> LoadedStudy:
    return load_study("tiny.yaml", root=project)


def test_the_tables_are_those_of_the_records(study: LoadedStudy, project: Path) -> None:
    records = [json.loads(path.read_text()) for path in project.glob("runs/tiny/*/record.json")]
    assert len(study) == len(records) == 8 and len(study.runs) == 9
    complete = study.runs[study.runs["status"] == "complete"]
    assert dict(zip(complete["run_id"], complete["test_score"], strict=True)) == {r["run_id"]: r["test_score"] for r in records}
    cells = study.cells.set_index("method")
    assert cells["planned"].to_dict() == dict.fromkeys(cells.index, 3)
    assert cells["complete"].to_dict() == {"baseline": 2, "random_auxiliary": 3, "mimetic": 3}
    assert cells.loc["random_auxiliary", "test_mean"] == pytest.approx(
        complete[complete["method"] == "random_auxiliary"]["test_score"].mean()
    )


def test_gains_are_paired_by_seed_and_have_the_interval_of_t(study: LoadedStudy) -> None:
    scores = study.runs.pivot_table(index="seed", columns="method", values="test_score")
    paired = (scores["random_auxiliary"] - scores["baseline"]).dropna()
    gain = study.gains.set_index("method").loc["random_auxiliary"]
    assert (gain["against"], gain["n"], gain["dropped"]) == ("baseline", 2, 1)
    assert gain["mean"] == pytest.approx(paired.mean())
    spread = max(paired.std(), 100 / 40)  # scores of 40 samples move in steps
    half = stats.t.ppf(0.975, 1) * spread / np.sqrt(2)
    assert gain["high"] - gain["low"] == pytest.approx(2 * half)


def test_histories_and_samples_are_those_of_the_runs(study: LoadedStudy) -> None:
    assert study.histories.groupby("run_id")["epoch"].apply(list).tolist() == [[1, 2]] * 8
    means = 100 * study.predictions.groupby("run_id")["score"].mean()
    recorded = study.runs.set_index("run_id")["test_score"]
    pd.testing.assert_series_equal(means, recorded[means.index], check_names=False)
    assert study.predictions.groupby("run_id").size().tolist() == [40] * 8


def test_a_run_has_its_model_and_scores_files(study: LoadedStudy, project: Path) -> None:
    run = next(one for one in study if one.spec.method == "random_auxiliary")
    assert study.run(run.id[:-1]).folder == run.folder == project / "runs/tiny" / run.id
    assert isinstance(run.model.model, torch.nn.Module)
    files = sorted((project / "data/image/test").glob("*/*.png"))
    scores = run.predict(*files)
    assert list(scores.columns) == ["0", "1"] and np.allclose(scores.sum(axis=1), 1)
    right = [Path(name).parent.name == chosen for name, chosen in scores.idxmax(axis=1).items()]
    assert 100 * np.mean(right) == run.record.test_score


def test_figures_are_those_of_the_report(study: LoadedStudy, tmp_path: Path) -> None:
    assert "accuracy-image-scratch-full" in study.figures
    for name, figure in study.figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_to_read_gains_is_a_look_at_them(study: LoadedStudy, project: Path) -> None:
    journal = project / "runs" / LOOKS
    journal.unlink(missing_ok=True)
    assert study.config.study == "tiny" and not journal.exists()
    assert len(study.gains)
    assert len(journal.read_text().splitlines()) == 1


def test_before_the_first_run_tables_have_their_columns_and_no_numbers(study: LoadedStudy, project: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text((project / "tiny.yaml").read_text())
    empty = load_study("tiny.yaml", root=tmp_path)
    assert len(empty) == 0 and list(empty) == [] and len(empty.runs) == 9
    for name in ("cells", "gains"):
        known, table = getattr(study, name), getattr(empty, name)
        assert list(table.columns) == list(known.columns)
        numbers = [column for column in known.columns if known[column].dtype == "float64"]
        assert numbers and table[numbers].dtypes.eq("float64").all() and table[numbers].isna().all(axis=None)
    assert {"run_id", "epoch"} <= set(empty.histories.columns) and empty.histories.empty
    assert empty.predictions.empty and empty.figures == {}


def test_a_damaged_run_is_failed_and_says_why(project: Path) -> None:
    name = next(iter(load_study("tiny.yaml", root=project))).id
    record = project / "runs/tiny" / name / "record.json"
    content = record.read_bytes()
    record.write_bytes(content[:20])
    try:
        damaged = load_study("tiny.yaml", root=project)
        row = damaged.runs.set_index("run_id").loc[name]
        assert len(damaged) == 7 and row["status"] == "failed" and "record.json" in row["error"]
        assert name not in set(damaged.histories["run_id"]) | set(damaged.predictions["run_id"])
        with pytest.raises(UserError, match="no complete run has this id"):
            damaged.run(name)
    finally:
        record.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "root", "said"),
    [
        ("other.yaml", "", "other.yaml"),
        ("tiny.yaml", "nowhere", "nowhere: is no folder; name the one in which the commands of the study are called."),
    ],
)
def test_what_is_not_there_is_said(path: str, root: str, said: str, project: Path) -> None:
    with pytest.raises(UserError, match=said):
        load_study(path, root=project / root)


def test_a_run_that_is_not_there_or_not_the_only_one_is_said(study: LoadedStudy) -> None:
    with pytest.raises(UserError, match=r"^nothing: no complete run has this id; `runs` lists them\.$"):
        study.run("nothing")
    with pytest.raises(UserError, match=r"^image: 8 complete runs of tiny begin so; `runs` lists them\.$"):
        study.run("image")


def test_the_notebook_of_the_documentation_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(project / "ipython"))
    notebook = nbformat.reads(NOTEBOOK.read_text().replace("params.yaml", "tiny.yaml"), 4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(project)}}).execute()


def test_the_notebook_shows_the_default_study_as_it_is() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} >= {"execute_result"}
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    shown = "".join(output["data"].get("text/plain", "") for output in outputs if "data" in output)
    results = pd.read_csv(ROOT / "reports/results.csv")
    assert f"{len(results)} of {len(results)} runs are complete" in shown
    means = results.groupby(["target", "method"], sort=False)["test_score"].mean()
    assert f"{means['image', 'baseline']:.1f}" in shown and f"{means['image', 'own_lineage']:.1f}" in shown
