"""The GPU benchmark is tried on the CPU, by the same code in small; its numbers mean nothing here."""

import json
import subprocess
import sys

import pytest
import torch

from benchmarks.gpu import __main__ as gpu
from benchmarks.measuring.parts import Row, at_least, at_most


def called(*arguments):
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_every_part_gives_rows_and_what_has_to_be_right_is(tmp_path):
    names = [name for name in gpu.PARTS if name != "jobs"]
    called("--device", "cpu", "--tiny", "--only", *names, "--out", str(tmp_path))
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["tiny"] is True and found["machine"]["torch"] == torch.__version__
    assert list(found["parts"]) == names
    assert [part["error"] for part in found["parts"].values()] == [None] * len(names)
    assert all(part["rows"] for part in found["parts"].values())
    exact = [row for name in ("fine-tunes", "merges") for row in found["parts"][name]["rows"]]
    assert len(exact) == 4 * 5 + 3 and all(row["holds"] for row in exact)
    table = (tmp_path / "gpu.md").read_text()
    assert all(f"| {row['what']} | {row['value']} |" in table for part in found["parts"].values() for row in part["rows"])


def test_jobs_are_killed_stopped_and_resumed_to_the_same_bytes(tmp_path):
    called("--device", "cpu", "--tiny", "--only", "jobs", "--out", str(tmp_path))
    rows = json.loads((tmp_path / "gpu.json").read_text())["parts"]["jobs"]["rows"]
    assert [row["holds"] for row in rows if row["limit"]] == [True, True, True]


def test_a_part_that_fails_is_told_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "LIMIT_S", 0.01)
    monkeypatch.setattr(
        sys, "argv", ["gpu", "--device", "cpu", "--tiny", "--only", "merges", "inference", "--out", str(tmp_path)]
    )
    assert gpu.main() == 1
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert [part["error"] for part in parts.values()] == ["it had not ended after 0.01 s"] * 2
    assert capsys.readouterr().out.count("| **no** |") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_it_says_how_to_try_it():
    done = called()
    assert done.returncode == 1
    assert done.stderr == "torch sees no CUDA device here; `--device cpu --tiny` tries the code without one.\n"


def test_limits_hold_up_to_themselves():
    assert [at_most("", value, 1.02).holds for value in (1.02, 1.021)] == [True, False]
    assert [at_least("", value, 0.9).holds for value in (0.9, 0.899)] == [True, False]
    assert Row("", "").holds is None
