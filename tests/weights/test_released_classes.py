"""Features of the four released encoder classes agree to 1e-5, at their default size and at others, with the files they write.

The classes stand in `released.py`, written from their description and not from m2pt. Small width and depth; patches, grids,
positions, groups and keys are the real ones.
"""

from collections import OrderedDict

import pytest
import torch

from m2pt.config import AudioInput, ImageInput, ModelConfig, PointInput, VideoInput
from m2pt.models.model import Model
from m2pt.weights.reading import load_encoder, read_encoder
from tests.weights import released

MODEL = ModelConfig(width=24, depth=2, heads=3)
PLAIN = {"mean": (0.0,), "std": (1.0,)}


def image(size):
    return ImageInput(form="published", size=size, channels=3, patch=16, **PLAIN)


def audio(frames):
    return AudioInput(form="published", frames=frames, mels=128, patch=16, mean=0.0, std=1.0)


def video(frames, size):
    return VideoInput(form="published", frames=frames, size=size, channels=3, tubelet=2, patch=16, **PLAIN)


def read(path, modality, config, head="mean"):
    model = Model(modality, config, MODEL, 5, head=head)
    loaded = read_encoder(path, modality, config, MODEL)
    load_encoder(model, loaded, str(path))
    return model.eval(), loaded


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def assert_same(model, own, x, *, class_token=True):
    """Features of all tokens but the class token, in double precision, so that no rounding stands between the two."""
    expected = own.double()(x.double())[:, class_token:]
    found = model.double().features(x.double()).last_BND
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [224, 160, 288])
def test_mae(tmp_path, size):
    """The class built for a size, and the file of 224 pixels brought to it in MAE's own way."""
    torch.manual_seed(0)
    own = released.randomised(released.MAE(size))
    x = drawn(2, 3, size, size)
    torch.save({"model": own.state_dict()}, tmp_path / "own.pth")
    model, loaded = read(tmp_path / "own.pth", "image", image(size))
    assert_same(model, own, x)
    assert (loaded.layout, loaded.resampled) == ("mae", None)
    default = released.randomised(released.MAE(224))
    torch.save({"model": default.state_dict()}, tmp_path / "224.pth")
    model, loaded = read(tmp_path / "224.pth", "image", image(size))
    own.load_state_dict(
        default.state_dict() | {"pos_embed": own.interpolate(default.pos_embed) if size != 224 else default.pos_embed}
    )
    assert_same(model, own, x)
    assert (loaded.resampled is None) == (size == 224)


@torch.no_grad()
@pytest.mark.parametrize("frames", [1024, 512, 128])
def test_audiomae(tmp_path, frames):
    """512 and 128 frames are those of ESC-50 and Speech Commands; the file of 1024 frames is brought to them as AudioMAE does."""
    torch.manual_seed(0)
    own = released.randomised(released.AudioMAE(frames))
    x = drawn(2, 1, frames, 128)
    torch.save({"model": own.state_dict()}, tmp_path / "own.pth")
    model, loaded = read(tmp_path / "own.pth", "audio", audio(frames))
    assert_same(model, own, x)
    assert torch.equal(model.tokenizer.positions, own.pos_embed[0].double())  # the rows as they are, in order
    assert (loaded.layout, loaded.resampled) == ("audiomae", None)
    default = released.randomised(released.AudioMAE(1024))
    torch.save({"model": default.state_dict()}, tmp_path / "1024.pth")
    model, loaded = read(tmp_path / "1024.pth", "audio", audio(frames))
    own.load_state_dict(default.state_dict() | {"pos_embed": own.interpolate(default.pos_embed)})
    assert_same(model, own, x)
    assert (loaded.resampled is None) == (frames == 1024)


@torch.no_grad()
def test_audiomae_at_more_frames_than_it_was_made_for(tmp_path):
    """The class built there has the code of (8, 80)."""
    default, own = released.randomised(released.AudioMAE(1024)), released.AudioMAE(1280).eval()
    own.load_state_dict(default.state_dict() | {"pos_embed": own.pos_embed})
    torch.save({"model": default.state_dict()}, tmp_path / "1024.pth")
    model, _ = read(tmp_path / "1024.pth", "audio", audio(1280))
    x = drawn(1, 1, 1280, 128)
    assert_same(model, own, x)


@torch.no_grad()
@pytest.mark.parametrize(("frames", "size"), [(16, 224), (8, 224), (16, 160)])
def test_videomae(tmp_path, frames, size):
    own = released.randomised(released.VideoMAE(frames, size))
    x = drawn(1, 3, frames, size, size)
    torch.save({"module": own.state_dict()}, tmp_path / "videomae.pth")
    model, loaded = read(tmp_path / "videomae.pth", "video", video(frames, size))
    assert_same(model, own, x, class_token=False)
    assert (loaded.layout, loaded.fresh) == ("videomae", ("tokenizer.positions",))


@torch.no_grad()
@pytest.mark.parametrize(("points", "groups", "neighbours"), [(2048, 128, 32), (1024, 64, 32), (512, 32, 16)])
def test_point_mae(tmp_path, points, groups, neighbours):
    own = released.randomised(released.PointMAE(groups, neighbours))
    x = torch.nn.functional.normalize(drawn(2, points, 3), dim=-1)
    content = OrderedDict((f"module.{name}", tensor) for name, tensor in own.state_dict().items())
    torch.save({"base_model": content}, tmp_path / "point.pth")
    config = PointInput(form="published", points=points, groups=groups, neighbours=neighbours)
    model, loaded = read(tmp_path / "point.pth", "point", config, "class_token")
    assert_same(model, own, x)
    torch.testing.assert_close(model.features(x.double()).taps[-1][:, 0], own(x.double())[:, 0], atol=1e-5, rtol=0)
    assert (loaded.layout, loaded.fresh) == ("point-mae", ())
