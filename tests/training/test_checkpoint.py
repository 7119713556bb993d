"""A damaged checkpoint costs time alone: it is noticed, and the run starts over."""

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
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: saved(STATE),
    ],
)
def test_a_damaged_checkpoint_is_removed_and_named_and_the_run_starts_over(tmp_path, damage, capfd):
    save_checkpoint(tmp_path, STATE)
    assert epochs_of_checkpoint(tmp_path) == 1
    assert load_checkpoint(tmp_path, torch.device("cpu"))["history"] == STATE["history"]
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    assert epochs_of_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path, torch.device("cpu")) is None
    assert not path.exists()
    assert capfd.readouterr().out == f"{path}: is not as this run has written it; the run starts over.\n"


def test_no_bit_of_a_checkpoint_can_change_unnoticed(tmp_path):
    """Torch itself loads most of these as another state."""
    save_checkpoint(tmp_path, STATE)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert epochs_of_checkpoint(tmp_path) is None, place
    path.write_bytes(content)
    assert epochs_of_checkpoint(tmp_path) == 1


def test_the_checkpoint_of_another_run_is_none(tmp_path):
    """Of a run with the same shapes, it would be gone on with."""
    save_checkpoint(tmp_path / "one", STATE)
    save_checkpoint(tmp_path / "other", STATE)
    (tmp_path / "one" / CHECKPOINT).replace(tmp_path / "other" / CHECKPOINT)
    assert load_checkpoint(tmp_path / "other", torch.device("cpu")) is None
