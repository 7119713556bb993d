"""A plan says which runs cannot start, with the job's own sentence, and costs none of them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from m2pt import job
from m2pt.config import UserError
from m2pt.config.study_file import load_study, parse_study
from m2pt.runs.folder import create_run
from m2pt.runs.inputs import write_inputs
from pipelines.__main__ import main
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import resolve

STUDY = """
study: toy
data: {root: data}
model: {width: 32, depth: 2, heads: 2}
encoders: {published: {kind: file, paths: {image: weights/image.pth, audio: weights/audio.pth}}}
tasks:
  toy:
    modality: image
    dataset: imagenet
    path: pictures
    recipes: {full: mae-finetune, fix: mae-linear-probe}
    input: {size: 32, patch: 8}
    finetune: {batch_size: 6, epochs: 1, warmup_epochs: 0.0}
sweep: {seeds: [0, 1], targets: [toy], auxiliaries: [audio], methods: [baseline, pathway], settings: [pretrained, scratch],
        tunings: [full, fix], target_encoder: published, auxiliary_encoder: published}
execution: {devices: cpu, micro_batch: 4}
"""


def encoder(path: Path, channels: int, patch: int, tokens: int, depth: int = 2, width: int = 32) -> None:
    """A file in MAE's layout with random values."""
    sizes = {"norm1": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width), "norm2": (width,)}
    sizes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    tensors = {"cls_token": torch.zeros(1, 1, width), "pos_embed": torch.zeros(1, tokens + 1, width)}
    tensors |= {
        "patch_embed.proj.weight": torch.zeros(width, channels, patch, patch),
        "patch_embed.proj.bias": torch.zeros(width),
    }
    tensors |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    for index in range(depth):
        for name, size in sizes.items():
            tensors |= {f"blocks.{index}.{name}.weight": torch.ones(size), f"blocks.{index}.{name}.bias": torch.zeros(size[0])}
    path.parent.mkdir(exist_ok=True)
    torch.save({"model": tensors}, path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(("n01", "n02")):
            for number in range(count):
                path = Path(f"data/pictures/{split}/{name}/{number}.JPEG")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 40), (label * 200, 20 * number, 50)).save(path)
    encoder(Path("weights/image.pth"), 3, 8, 16)
    encoder(Path("weights/audio.pth"), 1, 16, 512)
    return tmp_path


def planned(text: str, capsys: pytest.CaptureFixture[str]) -> dict:
    Path("toy.yaml").write_text(text)
    assert main(["plan", "--study", "toy.yaml", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def told_by_the_job(name: str) -> str | None:
    """What a job says of the run of this name."""
    plan = resolve(load_study("toy.yaml"))
    spec = next(spec for spec in plan.runs if spec.name == name)
    run_dir = create_run(Path("runs/toy"), spec)
    write_inputs(run_dir, job_inputs(plan, spec))
    return job.run(run_dir)


def test_all_runs_can_start_and_do(project: Path, capsys: pytest.CaptureFixture[str]):
    document = planned(STUDY, capsys)
    assert document["refused"] == {}
    assert all(cell["refused"] is None and cell["gpu_hours"] is not None for cell in document["cells"])
    assert told_by_the_job("toy-baseline-pretrained-fix-s0") is None, "batch norm sees groups whatever the micro-batch"


def test_a_target_can_have_a_micro_batch_of_its_own(project: Path, capsys: pytest.CaptureFixture[str]):
    """The batch norm of `toy` needs its whole batch at once; other targets keep the limit of all."""
    text = STUDY.replace(BATCH, NORM).replace("micro_batch: 4", "micro_batch: 4, micro_batch_of: {toy: 6}")
    assert planned(text, capsys)["refused"] == {}
    plan = resolve(load_study("toy.yaml"))
    assert {job_inputs(plan, spec).micro_batch for spec in plan.runs} == {6}
    assert (plan.study.execution.rows_at_once("toy"), plan.study.execution.rows_at_once("image")) == (6, 4)
    assert told_by_the_job("toy-baseline-pretrained-fix-s0") is None
    with pytest.raises(
        UserError, match=r"toy\.yaml:\d+.*execution\.micro_batch_of\.tou: there is no task or modality named 'tou'; known"
    ):
        parse_study(text.replace("{toy: 6}", "{tou: 6}"), "toy.yaml")


BATCH, NORM = "finetune: {batch_size: 6,", "finetune: {batch_size: 6, norm_rows: null,"
CASES = {
    "large batches": (STUDY.replace(BATCH, "finetune: {batch_size: 10,"), 16, "finetune.batch_size: 10 is more than the 8"),
    "validation data": (STUDY.replace(BATCH, f"{BATCH} score: best_val,"), 16, "finetune.score: best_val needs validation data"),
    "batch norm": (STUDY.replace(BATCH, NORM), 8, "execution.micro_batch: the model of toy has batch norm"),
    "a head": (STUDY.replace(BATCH, f"{BATCH} norm_rows: null, head: upernet,"), 16, "finetune.head: upernet is not for"),
    "odd batches": (STUDY.replace(BATCH, "finetune: {batch_size: 7,"), 8, "finetune.batch_size: mixing takes samples in pairs"),
    "depth": (STUDY.replace("depth: 2", "depth: 3"), 8 + 4, "model.depth is 3"),
    "patches": (STUDY.replace("patch: 8", "patch: 4"), 8, "weights/image.pth"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_start_is_told_as_the_job_tells_it_and_costs_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], case: str
):
    text, count, sentence = CASES[case]
    document = planned(text, capsys)
    refused = document["refused"]
    assert all(sentence in reason or "model.depth" in reason for reason in refused)
    assert sum(len(names) for names in refused.values()) == count
    for cell in document["cells"]:
        assert (cell["gpu_hours"] is None) == (cell["refused"] is not None)
    reason, names = next(iter(refused.items()))
    assert told_by_the_job(names[0]) == reason
    assert main(["plan", "--study", "toy.yaml"]) == 0
    lines, total = capsys.readouterr().out.splitlines(), len(document["pretrain"]) + len(document["runs"])
    place = lines.index(f"{len(names)} of {total} runs cannot start: {reason}")
    named = [line.strip() for line in lines[place + 1 : place + 10]]
    assert named[: min(len(names), 8)] == names[:8]
    assert len(names) <= 8 or named[8] == f"and {len(names) - 8} more; --json names them"


def test_without_its_data_a_study_is_measured_by_the_published_sizes(project: Path, capsys: pytest.CaptureFixture[str]):
    text = STUDY.replace("path: pictures", "path: nowhere").replace(BATCH, "finetune: {batch_size: 2000000,")
    (reason,) = planned(text, capsys)["refused"]
    assert reason == "finetune.batch_size: 2000000 is more than the 1281167 training samples of toy."
