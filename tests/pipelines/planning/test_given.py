"""Encoders that exist already: timm's by name, and the models of finished runs, each known by its content."""

import json
import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from m2pt.analysis.tables.origins import origins
from m2pt.config import AudioInput, ImageInput, UserError
from m2pt.config.study_file import parse_study
from m2pt.models.model import fresh
from m2pt.runs.folder import MERGED, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.runs.lineage import lineage
from m2pt.runs.looks import encoder_seeds
from m2pt.runs.record import FinetuneRecord, write_record
from m2pt.runs.spec import WeightsRef
from m2pt.weights.given import path_of
from m2pt.weights.reading import read_encoder
from m2pt.weights.saved import save_weights
from m2pt.weights.shards import weights_sha256
from pipelines.planning.checking import check
from pipelines.planning.plan import resolve
from pipelines.planning.weight_files import fetch_missing
from tests.run_records import finetune_document
from tests.specs import MODEL, run_spec

TIMM = """
study: photos
encoders: {{vit: {{kind: timm, name: {name}, {where}}}}}
sweep: {{seeds: [0], targets: [audio], auxiliaries: [image], methods: [pathway], target_encoder: random,
        auxiliary_encoder: vit}}
"""
RUNS = """
study: photos
model: {width: 24, depth: 2, heads: 2}
encoders:
  theirs: {kind: run, runs: {%s}}
  file: {kind: file, paths: {image: image.safetensors, audio: audio.safetensors}}
sweep: {seeds: [0], targets: [image], auxiliaries: [audio], methods: [pathway], target_encoder: %s, auxiliary_encoder: %s}
"""
REPOSITORY = "models--timm--vit_tiny_patch16_224.augreg_in21k_ft_in1k"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("image", "audio"):
        path = Path(f"data/{name}/one.txt")
        path.parent.mkdir(parents=True)
        path.write_text(name)
    return tmp_path


def of_timm(name="vit_tiny_patch16_224", where="pretrained: true"):
    return parse_study(TIMM.format(name=name, where=where), "study.yaml")


def cached(seed):
    """A cache as the library lays it out: content by its digest, and links to it from the folder of a revision."""
    torch.manual_seed(seed)
    blob, snapshot = Path(f"hub/{REPOSITORY}/blobs/{seed}"), Path(f"hub/{REPOSITORY}/snapshots/{seed}")
    for folder in (blob.parent, snapshot, Path(f"hub/{REPOSITORY}/refs")):
        folder.mkdir(parents=True, exist_ok=True)
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), blob)
    (snapshot / "model.safetensors").symlink_to(blob.absolute())
    Path(f"hub/{REPOSITORY}/refs/main").write_text(str(seed))
    return snapshot / "model.safetensors"


def test_timms_pretrained_weights_are_known_by_their_content():
    ids = []
    for seed in (1, 2):
        path = cached(seed)
        plan = resolve(of_timm())
        (weights,) = plan.weights.values()
        assert weights.resolve() == path.resolve()
        (run,) = plan.runs
        assert run.auxiliary_weights.sha256 == weights_sha256(path)
        assert run.auxiliary_weights.reading.architecture == "vit_tiny_patch16_224"
        ids.append(run_id(run))
    assert ids[0] != ids[1]
    shutil.copy(path, "vit.safetensors")
    (same,) = resolve(of_timm(where="file: vit.safetensors")).runs
    assert run_id(same) == ids[1]  # wherever it is


def test_timms_weights_that_are_nowhere_are_named():
    study = of_timm()
    plan = resolve(study)
    assert list(plan.missing_weights) == ["encoders.vit.name"]
    with pytest.raises(UserError, match=r"are not in the cache of Hugging Face and cannot be downloaded \(\w+\); fetch"):
        fetch_missing(study, plan.missing_weights)
    cached(1)
    assert fetch_missing(study, plan.missing_weights)  # somebody put them there
    with pytest.raises(UserError, match="vit_tinny: timm has no such model"):
        resolve(of_timm("vit_tinny"))
    with pytest.raises(UserError, match="timm has no pretrained weights of that name"):
        resolve(of_timm("vit_tiny_patch16_224.mine"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{kind: timm, name: vit_tiny_patch16_224}", "pretrained: an encoder of timm needs either pretrained: true or a"),
        ("{kind: timm, name: vit_tiny_patch16_224, pretrained: true, file: x}", "pretrained: an encoder of timm needs either"),
        ("{kind: run, runs: {audio: nowhere}}", r"encoders\.vit\.runs\.audio: nowhere is no finished run"),
        ("{kind: timm, name: vit_tiny_patch16_224, file: x}", r"encoders\.vit\.modality: is image, but .* for audio"),
        ("{kind: file, paths: {image: x}}", r"encoders\.vit\.paths\.audio: is missing, but the sweep uses this"),
        ("{kind: run, runs: {image: x}}", r"encoders\.vit\.runs\.audio: is missing, but the sweep uses"),
    ],
)
def test_what_a_source_lacks_is_said_at_its_key(source, told):
    text = TIMM.format(name="x", where="pretrained: true")
    text = text.replace("{kind: timm, name: x, pretrained: true}", source).replace("auxiliaries: [image]", "auxiliaries: [audio]")
    Path("study.yaml").write_text(text.replace("targets: [audio]", "targets: [image]"))
    sentences = [fault.sentence for fault in check(Path("study.yaml")).faults]
    assert any(re.search(told, sentence) for sentence in sentences), sentences


def finished(folder, home=None, **changes):
    """A finished run, as its job leaves it, of a model with random weights."""
    form = {"input": AudioInput(), "target": "audio"} if changes.get("modality") == "audio" else {}
    spec = run_spec(**form, **changes)
    run_dir = create_run(Path(folder), spec)
    torch.manual_seed(len(str(run_dir)))
    sha256 = save_weights(run_dir / MERGED, fresh(spec, 4))
    document = finetune_document(run_id(spec), files={MERGED: sha256})
    write_record(run_dir, FinetuneRecord.model_validate_json(json.dumps(document)))
    write_inputs(run_dir, home or JobInputs(data="d", cache="c"))
    return run_dir, sha256


def of_runs(runs, target="file", auxiliary="theirs"):
    return parse_study(RUNS % (runs, target, auxiliary), "study.yaml")


def files():
    for name in ("image", "audio"):
        torch.manual_seed(len(name))
        form = {"image": ImageInput(), "audio": AudioInput()}[name]
        save_weights(Path(f"{name}.safetensors"), fresh(run_spec(modality=name, input=form), 4))


def test_the_model_of_a_run_is_an_encoder():
    files()
    run_dir, sha256 = finished("other/runs/x", modality="audio")
    study = of_runs(f"audio: {run_dir}")
    plan = resolve(study)
    (run,) = plan.runs
    assert run.auxiliary_weights.sha256 == sha256
    weights = read_encoder(path_of(study.encoders["theirs"], "audio"), "audio", None, MODEL, parts="blocks")
    assert weights.layout == "m2pt"
    assert weights.assumed == ()  # the run's spec says how many heads it has
    (sentence,) = origins(study, plan.runs)
    assert sentence.startswith(f"`theirs` (audio) is the model of the run `{run_dir.name}`, fine-tuned on audio by `pathway`;")


def test_a_run_that_is_not_what_its_record_says_is_refused():
    run_dir, _ = finished("other/runs/x", modality="audio")
    with pytest.raises(UserError, match="is a run of the modality audio, and an encoder for image is needed; name another run"):
        path_of(of_runs(f"image: {run_dir}").encoders["theirs"], "image")
    source = of_runs(f"audio: {run_dir}").encoders["theirs"]
    content = (run_dir / MERGED).read_bytes()
    (run_dir / MERGED).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"merged\.safetensors: is not the file that record\.json speaks of"):
        path_of(source, "audio")
    (run_dir / MERGED).write_bytes(content)
    record = run_dir / "record.json"
    record.write_text(record.read_text().replace("61.5", "99.5"))
    with pytest.raises(UserError, match="was changed after the run wrote it"):
        path_of(source, "audio")
    record.unlink()
    assert not path_of(source, "audio").exists()


def test_the_lineage_of_a_run_is_that_of_all_it_goes_on_from():
    files()
    shared = weights_sha256(Path("image.safetensors"))
    start = WeightsRef(source="mae", modality="image", sha256=shared)
    run_dir, _ = finished("other/runs/x", modality="audio", target_weights=start)
    study = of_runs(f"audio: {run_dir}")
    (run,) = resolve(study).runs
    assert lineage(study.encoders, run) == "same"  # the run started from the very file that the target starts from
    none, _ = finished("other/runs/y", modality="audio", target_weights=None, auxiliary_weights=None, setting="scratch")
    study = of_runs(f"audio: {none}")
    (run,) = resolve(study).runs
    assert lineage(study.encoders, run) == "unknown"  # the target's file could go on from anything
    image, _ = finished("other/runs/z", target_weights=None, auxiliary_weights=None, setting="scratch")
    study = of_runs(f"audio: {none}, image: {image}", target="theirs")
    (run,) = resolve(study).runs
    assert lineage(study.encoders, run) == "apart"
    home = JobInputs(data="d", cache="c", target_weights=str(image / MERGED))
    start = WeightsRef(source="theirs", modality="image", sha256=weights_sha256(image / MERGED))
    child, _ = finished("other/runs/w", home, modality="audio", target_weights=start, auxiliary_weights=None)
    study = of_runs(f"audio: {child}, image: {image}", target="theirs")
    (run,) = resolve(study).runs
    assert lineage(study.encoders, run) == "same"


def test_what_exists_already_has_no_seeds_of_a_pretraining_here():
    assert encoder_seeds(of_timm()) == {"vit": ()}
    assert encoder_seeds(of_runs("audio: other")) == {"theirs": (), "file": ()}
