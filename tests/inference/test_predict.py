"""Scores of files by a run's final model: those that the run itself has for them, as a table, as JSON and as CSV."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from m2pt import job
from m2pt.config import (
    LAYERS_OF,
    AudioInput,
    EmbeddedData,
    FinetuneConfig,
    ModelConfig,
    PathwayConfig,
    PointAugment,
    PointInput,
    TestConfig,
    UserError,
)
from m2pt.data.fingerprints import fingerprint
from m2pt.inference.predict import predict, scores_of
from m2pt.inference.trained import trained
from m2pt.modalities.registry import SPECS
from m2pt.runs.folder import MERGED, RECORD, create_run
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.runs.spec import TaskSpec
from m2pt.training.goals import Predictor
from m2pt.training.wanted import wanted
from m2pt.weights.saved import save_weights
from pipelines.__main__ import main
from tests.finished_runs import CLASSES, finished_run
from tests.pipelines.published_files import cloud
from tests.specs import MODEL, run_spec

SIZES = EmbeddedData(pretrain=20, train=40, val=20, test=20)


CONVNET = ModelConfig(family="unireplknet", width=16, stages=((3,), (7,)))
CASES = [(MODEL, name) for name in SPECS] + [(CONVNET, name) for name in SPECS]


@pytest.mark.parametrize(
    ("model", "modality"),
    [
        pytest.param(*case, id=f"{case[0].family}-{case[1]}", marks=[] if case == CASES[0] else [pytest.mark.patient])
        for case in CASES
    ],
)
def test_files_of_the_test_split_get_the_scores_that_the_run_recorded(model: ModelConfig, modality: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / modality
    spec, given = SPECS[modality], SPECS[modality].section()
    spec.embedded().write(folder, SIZES)
    run = run_spec(
        target=modality,
        modality=modality,
        input=given,
        model=model,
        method="random_auxiliary",
        auxiliary="random",
        setting="scratch",
        finetune=FinetuneConfig(samples=20, epochs=2, batch_size=10, warmup_steps=1),
        pathway=PathwayConfig(layers=LAYERS_OF[model.family]),
        target_weights=None,
        auxiliary_weights=None,
        data_sha256=fingerprint(folder, tmp_path / "cache"),
    )
    run_dir = create_run(tmp_path / "runs/study", run)
    write_inputs(run_dir, JobInputs(data=str(folder), cache=str(tmp_path / "cache")))
    assert job.run(run_dir) is None
    listed, record = spec.small_lists(folder, "test", given), read_record(run_dir, FinetuneRecord)
    scores = np.array([item.scores for item in predict(trained(run_dir), list(dict.fromkeys(listed.paths)))])
    assert scores.shape == (20, 10) and np.allclose(scores.sum(axis=1), 1)
    chosen, known = scores.argmax(axis=1), read_sample_scores(run_dir, record)
    assert known is not None and np.array_equal(chosen == np.array(listed.labels), known)
    assert record.confusion is not None
    for label, row in enumerate(record.confusion):
        assert np.bincount(chosen[np.array(listed.labels) == label], minlength=10).tolist() == list(row)


def clouds(folder: Path, count: int = 3) -> list[Path]:
    paths = [folder / f"cloud {number}.xyz" for number in range(count)]
    for number, path in enumerate(paths):
        np.savetxt(path, cloud(60, flat=bool(number % 2)), fmt="%.6f")
    return paths


def test_the_command_tells_the_classes_of_highest_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_dir = finished_run(tmp_path / "runs/study", "point")
    paths = clouds(tmp_path)
    want = [dict(zip(CLASSES, item.scores, strict=True)) for item in predict(trained(run_dir), paths)]
    names = [path.name for path in paths]

    assert main(["predict", run_dir.name.rpartition("-")[2], *names, "--json"]) == 0  # by the hash of its id
    told = json.loads(capsys.readouterr().out)
    assert [each["file"] for each in told] == names
    assert [{best["class"]: best["score"] for best in each["classes"]} for each in told] == want
    assert all(each["classes"] == sorted(each["classes"], key=lambda best: -best["score"]) for each in told)

    assert main(["predict", run_dir.name, *names, "--top", "1"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "class", "score"] and len(rows) == 3
    for row, name, scores in zip(rows, names, want, strict=True):
        assert row.startswith(name) and row.split()[-2:] == [max(scores, key=scores.__getitem__), f"{max(scores.values()):.4f}"]

    assert main(["predict", str(run_dir), *names, "--csv", "scores.csv"]) == 0
    assert capsys.readouterr().out == "scores.csv: has the classes of 3 samples.\n"
    with Path("scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["rank"]) for line in lines] == [1, 2, 3] * 3
    assert [float(line["score"]) for line in lines] == [score for each in want for score in sorted(each.values(), reverse=True)]


def test_a_terminal_is_not_obeyed_where_a_name_would_command_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_dir = finished_run(tmp_path / "runs/study", "point")
    (path,) = clouds(tmp_path, 1)
    path.rename(path.with_name("a\x1b[2J\rb.xyz"))
    assert main(["predict", run_dir.name, "a\x1b[2J\rb.xyz", "--top", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("a\\x1b[2J\\rb.xyz  ")


def test_the_views_of_a_published_data_set_are_averaged_as_in_its_test(tmp_path: Path) -> None:
    given, test = PointInput(points=48, groups=6, neighbours=8), TestConfig(votes=3)
    recipe = FinetuneConfig(samples="all", epochs=1, batch_size=4, augment=PointAugment(sample_from=56), test=test)
    task = TaskSpec(
        dataset="modelnet40", goal="classification", variant=None, recipe="R", holdout=0.0, unreadable="fail", max_unreadable=None
    )
    model = trained(finished_run(tmp_path / "runs/study", "point", input=given, finetune=recipe, task=task, target="shapes"))
    (path,) = clouds(tmp_path, 1)
    (item,) = predict(model, [path])
    (views,) = SPECS["point"].file(path, wanted(model.spec))
    votes = torch.stack([model.model(view[None]).detach()[0] for view in views])
    assert len(votes) == 3 and not torch.equal(votes[0], votes[1])
    torch.testing.assert_close(torch.tensor(item.scores), votes.mean(dim=0).softmax(dim=0), rtol=1e-4, atol=1e-6)


def test_tags_have_a_score_each(tmp_path: Path) -> None:
    task = TaskSpec(
        dataset="audioset", goal="tagging", variant="balanced", recipe="R", holdout=0.0, unreadable="fail", max_unreadable=None
    )
    given = AudioInput(frames=32, mels=32, patch=8)
    recipe = FinetuneConfig(samples="all", epochs=1, batch_size=4, loss="binary_cross_entropy", augment=False)
    model = trained(finished_run(tmp_path / "runs/study", "audio", input=given, finetune=recipe, task=task, target="sounds"))
    x = torch.randn(2, 1, 1, 32, 32)
    outputs = Predictor(model.model, model.spec, 3, torch.device("cpu"))({"x": x})
    assert torch.equal(scores_of(model, x, ["a", "b"]), outputs.sigmoid())


def test_what_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_dir = finished_run(tmp_path / "runs/study", "point")
    (path,) = clouds(tmp_path, 1)

    def refused(*words: str) -> str:
        assert main(["predict", *words]) == 2
        return capsys.readouterr().err

    assert "there is no such run below runs/; did you mean point-from-random" in refused(run_dir.name[:-1], "x.xyz")
    assert "x.xyz: is no file; name files of the modality point." in refused(run_dir.name, "x.xyz")
    assert "--top: 0 is no number of classes" in refused(run_dir.name, path.name, "--top", "0")
    assert "is not the folder of a run" in refused("runs/study", path.name)
    path.write_text("1 2 nan\n" * 60)
    assert "cloud 0.xyz: cloud 0 has a coordinate that is not a finite number" in refused(run_dir.name, path.name)
    weights = (run_dir / MERGED).read_bytes()
    (run_dir / MERGED).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert MERGED in refused(run_dir.name, path.name)
    (run_dir / RECORD).unlink()
    assert "is not complete" in refused(run_dir.name, path.name)


def test_a_model_that_is_not_plain_is_refused(tmp_path: Path) -> None:
    run_dir = finished_run(tmp_path / "runs/study", "image", method="two_branch")

    class Other(torch.nn.Module):
        def state_dict(self, *_: object, **__: object) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return load_file(run_dir / MERGED) | {"branch.weight": torch.zeros(2)}

    sha256 = save_weights(run_dir / MERGED, Other())
    record = json.loads((run_dir / RECORD).read_text())
    (run_dir / RECORD).write_text(json.dumps({**{k: v for k, v in record.items() if k != "seal"}, "files": {MERGED: sha256}}))
    with pytest.raises(UserError, match="the method two_branch leaves no plain model"):
        trained(run_dir)
