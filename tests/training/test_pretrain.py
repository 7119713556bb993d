"""Pretraining on small random data: what is hidden stays hidden, resuming, labels on top of masks, pictures."""

import json

import matplotlib.image
import pytest
import torch

from m2pt.config import MODALITIES, InputsConfig
from m2pt.files.state import file_sha256
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.patches import Patches
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.folder import ENCODER, HISTORY, RECONSTRUCTIONS, create_run, read_history
from m2pt.training import pretraining_steps as module
from m2pt.training.pretrain import MaskedAutoencoder, pretrain
from m2pt.training.pretraining_steps import Course
from m2pt.weights.saved import read_weights
from tests.specs import MODEL, labels_spec, pretrain_spec

CPU = torch.device("cpu")
SHAPES = {"image": (1, 16, 16), "audio": (1, 32, 32), "point": (192, 3), "video": (1, 8, 16, 16)}


def make_samples(modality, count, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    ramp = torch.linspace(-0.5, 0.5, SHAPES[modality][-1])
    x = torch.rand(count, *SHAPES[modality], generator=generator) * 0.2 + ramp * (
        2.0 * y.view(-1, *[1] * len(SHAPES[modality])) - 1
    )
    return Samples(x, y, ("down", "up"))


def splits_of(modality):
    return {"pretrain": make_samples(modality, 64, 1), "val": make_samples(modality, 32, 2)}


def run(spec, folder, start=None):
    run_dir = create_run(folder, spec)
    return pretrain(spec, splits_of(spec.modality), start, Course(run_dir)), run_dir


@pytest.mark.parametrize("modality", MODALITIES)
def test_reconstruction_improves_and_is_drawn(modality, tmp_path):
    spec = pretrain_spec(modality=modality, input=getattr(InputsConfig(), modality))
    record, run_dir = run(spec, tmp_path)
    lines = read_history(run_dir)
    assert [line["step"] for line in lines] == [50, 100]
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    assert record.files[ENCODER] == file_sha256(run_dir / ENCODER)
    kept = read_weights(run_dir / ENCODER)
    assert {name.split(".")[0] for name in kept} == {"tokenizer", "blocks", "norm"}
    picture = matplotlib.image.imread(run_dir / RECONSTRUCTIONS)
    assert picture.std() > 0.05


@pytest.mark.parametrize("modality", MODALITIES)
def test_hidden_patches_cannot_reach_the_prediction(modality):
    torch.manual_seed(0)
    model = MaskedAutoencoder(modality, getattr(InputsConfig(), modality), MODEL, 1)
    patches = model.tokenizer.patchify(make_samples(modality, 4, 3).x)
    hidden = model.tokenizer.hidden(4, 0.6, torch.Generator().manual_seed(1))
    changed = patches.values_BNP.clone()
    changed[hidden] += 5.0
    first, second = model(patches, hidden), model(Patches(changed, patches.coordinates_BN3), hidden)
    assert torch.equal(first, second)
    changed[~hidden] += 5.0
    assert not torch.equal(first, model(Patches(changed, patches.coordinates_BN3), hidden))


def test_video_is_hidden_in_tubes():
    tokenizer = SPECS["video"].parts().tokenizer(InputsConfig().video, 24)
    hidden = tokenizer.hidden(8, 0.6, torch.Generator().manual_seed(0)).view(8, 4, 4)
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
    assert hidden[:, 0].sum(1).tolist() == [2] * 8


def test_a_resumed_pretraining_equals_one_that_was_not_interrupted(tmp_path, monkeypatch):
    whole, whole_dir = run(pretrain_spec(), tmp_path / "whole")
    step_of = module._step

    class Interruption(Exception):
        pass

    def interrupted(*arguments):
        if arguments[-1] == 70:
            raise Interruption
        return step_of(*arguments)

    monkeypatch.setattr(module, "_step", interrupted)
    with pytest.raises(Interruption):
        run(pretrain_spec(), tmp_path / "parts")
    taken = []
    monkeypatch.setattr(module, "_step", lambda *arguments: (taken.append(arguments[-1]), step_of(*arguments))[1])
    resumed, resumed_dir = run(pretrain_spec(), tmp_path / "parts")
    assert taken == list(range(50, 100))
    assert resumed == whole
    for name in (HISTORY, RECONSTRUCTIONS, ENCODER):
        assert (resumed_dir / name).read_bytes() == (whole_dir / name).read_bytes()


def test_labels_go_on_from_the_masked_encoder(tmp_path):
    mae, mae_dir = run(pretrain_spec(), tmp_path)
    start = mae_dir / ENCODER
    record, run_dir = run(labels_spec(mae.files[ENCODER]), tmp_path, start)
    assert record.metric == "accuracy"
    assert record.val_score > 80
    assert json.loads((run_dir / HISTORY).read_text().splitlines()[-1])["step"] == 60
    assert set(read_weights(run_dir / ENCODER)) == set(read_weights(start))
