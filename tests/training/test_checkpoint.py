"""A damaged checkpoint costs time alone: the run starts over."""

import io

import pytest
import torch

from m2pt.runs.folder import CHECKPOINT
from m2pt.training.checkpoint import epochs_of_checkpoint, load_checkpoint, save_checkpoint

STATE = {"history": [{"epoch": 1}], "trainer": {"weight": torch.arange(4096.0)}}


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def zeroed(content):
    return content[:200] + bytes(4096) + content[4296:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"{}\n",
        lambda _: b"junk",
        lambda _: saved([1]),
        zeroed,
        lambda content: content[: len(content) // 2],
    ],
)
def test_a_damaged_checkpoint_is_removed_and_the_run_starts_over(tmp_path, damage):
    save_checkpoint(tmp_path, STATE)
    assert epochs_of_checkpoint(tmp_path) == 1
    assert load_checkpoint(tmp_path, torch.device("cpu"))["history"] == STATE["history"]
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    assert epochs_of_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path, torch.device("cpu")) is None
    assert not path.exists()
