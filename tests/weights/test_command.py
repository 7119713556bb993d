"""`m2pt weights inspect FILE`."""

import argparse
import hashlib
import json

import pytest
import torch

from m2pt.config import UserError
from pipelines.commands.weights import weights
from tests.weights import files, released


def told(path, capsys, *, as_json, **given):
    options = {"layout": None, "weights": None, "grid": None, "places": None} | given
    assert weights(argparse.Namespace(action="inspect", file=path, json=as_json, **options)) == 0
    return capsys.readouterr().out


def test_audiomae_in_words(tmp_path, capsys):
    path = tmp_path / "audiomae.pth"
    torch.save(files.mae(channels=1, places=32), path)
    rows = dict(
        line.split(maxsplit=1) for line in told(path, capsys, as_json=False).splitlines() if not line.startswith("no bias")
    )
    assert rows["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert rows["layout"].startswith("audiomae: AudioMAE")
    assert rows["modality"] == "audio"
    assert (rows["width"], rows["depth"]) == ("24", "2")
    assert rows["patch"].endswith("1 × 4 × 4 (channels first)")
    assert rows["positions"].startswith("33")
    assert "decoder_blocks.0.attn.proj.bias" in rows["ignored"]
    assert rows["unknown"] == "none"


@pytest.mark.parametrize(
    ("content", "layout", "modality", "missing", "patch"),
    [
        (files.mae(), "mae", "image", [], [3, 4, 4]),
        ({"module": files.videomae()}, "videomae", "video", ["attn.k_bias (zero)"], [3, 2, 4, 4]),
        (files.point_mae(), "point-mae", "point", ["attn.qkv.bias (zero)"], None),
    ],
)
def test_the_same_as_data(tmp_path, capsys, content, layout, modality, missing, patch):
    torch.save(content, tmp_path / "file.pth")
    found = json.loads(told(tmp_path / "file.pth", capsys, as_json=True))
    assert (found["layout"], found["modalities"]) == (layout, [modality])
    assert (found["width"], found["depth"], found["mlp_ratio"]) == (24, 2, 4.0)
    assert found["missing_biases"] == missing
    assert found["patch"] == patch
    assert found["grid"] == ([4, 4] if layout == "mae" else None)
    if layout == "mae":
        assert found["parameters"] == sum(tensor.numel() for tensor in files.vit().values())


def test_unknown_keys_are_shown_and_unknown_layouts_refused(tmp_path, capsys):
    torch.save(files.vit() | {"reg_token": torch.ones(1, 4, 24)}, tmp_path / "odd.pth")
    assert "unknown     reg_token" in told(tmp_path / "odd.pth", capsys, as_json=False)
    torch.save({"weight": torch.ones(2)}, tmp_path / "strange.pth")
    with pytest.raises(UserError, match="belong to no layout that m2pt reads"):
        told(tmp_path / "strange.pth", capsys, as_json=False)


def test_what_becomes_of_positions_is_told_before_any_run(tmp_path, capsys):
    """AudioMAE at 512 frames: 32 × 8 places."""
    torch.save({"model": released.AudioMAE(1024).state_dict()}, tmp_path / "audiomae.pth")
    path = tmp_path / "audiomae.pth"
    text = told(path, capsys, as_json=False)
    assert "positions   513 (8 × 64 and the class token)" in text
    text = told(path, capsys, as_json=False, places="64x8")
    assert "resized     taken as stored, in order" in text
    text = told(path, capsys, as_json=False, places="32x8")
    assert "resized     from 8 × 64 to 8 × 32 places, the first 32 of 64 in time kept" in text
    torch.save(files.mae(places=15), path)
    assert "refused: 15 places do not fill a square" in told(path, capsys, as_json=False, places="4x4")
    assert "from 3 × 5 to 4 × 4 places" in told(path, capsys, as_json=False, places="4x4", grid="3x5")
    for given, fault in (({"places": "4"}, "--places: 4 is not a grid"), ({"layout": "vit"}, "--layout: vit is unknown")):
        with pytest.raises(UserError, match=fault):
            told(path, capsys, as_json=False, **given)


def test_averages_and_layouts_that_fit_are_told(tmp_path, capsys):
    torch.save({"model": files.vit(seed=1), "model_ema": files.vit(seed=2)}, tmp_path / "both.pth")
    text = told(tmp_path / "both.pth", capsys, as_json=False)
    assert "layout      mae or timm: MAE (facebookresearch/mae) or a ViT of timm" in text
    assert "weights     as trained; those under model_ema are not read" in text
    text = told(tmp_path / "both.pth", capsys, as_json=False, weights="ema", layout="mae")
    assert "weights     a moving average; those under model are not read" in text
    assert "layout      mae: MAE" in text
