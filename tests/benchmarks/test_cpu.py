"""The CPU benchmark is tried by the same code in small; its numbers mean nothing here."""

import json
import re
import sys

import pytest
import torch
from torch import nn

from benchmarks.cpu import __main__ as cpu
from benchmarks.cpu.memory import peak_of
from benchmarks.cpu.pathway import _released
from benchmarks.cpu.pretraining import PARTS, _steps
from benchmarks.cpu.sizes import ROOT, large, small
from benchmarks.cpu.starting import processor_seconds
from benchmarks.measuring.clock import in_turn, ratio
from benchmarks.measuring.fixtures import Setup, model_of, recipe_of
from benchmarks.measuring.parts import Row, at_most, measured
from benchmarks.measuring.running import machine
from benchmarks.measuring.stacks import Runs

TINY = Setup(torch.device("cpu"), tiny=True)


def test_parts_give_rows_and_the_others_stay_as_they_are(tmp_path, monkeypatch):
    def measured(part):
        monkeypatch.setattr(sys, "argv", ["cpu", "--tiny", "--only", part, "--out", str(tmp_path)])
        assert cpu.main() == 0
        return json.loads((tmp_path / "cpu.json").read_text())

    first, second = measured("inference"), measured("pathway-vit-b")
    assert second["tiny"] is True and second["machine"] == machine()
    assert list(second["parts"]) == ["pathway-vit-b", "inference"]  # in the order of the benchmark
    assert [part["error"] for part in second["parts"].values()] == [None] * 2
    assert second["parts"]["inference"] == first["parts"]["inference"]
    rows = [row for part in second["parts"].values() for row in part["rows"]]
    assert all(re.fullmatch(r"[0-9T:+-]{10}", part["date"]) and len(part["load"]) == 2 for part in second["parts"].values())
    table = (tmp_path / "cpu.md").read_text()
    assert all(f"| {row['what']} | {row['value']} |" in table for row in rows)
    names = [row["what"].rpartition(": step, ")[2] for row in second["parts"]["pathway-vit-b"]["rows"]]
    assert {"frozen / plain", "trainable / plain", "as released, trainable / plain", "two branches, trainable / plain"} < set(
        names
    )


def test_parts_of_another_commit_or_machine_are_not_kept(tmp_path, monkeypatch):
    kept = {"machine": machine() | {"m2pt": "another"}, "tiny": True, "parts": {"inference": {"rows": [], "error": None}}}
    (tmp_path / "cpu.json").write_text(json.dumps(kept))
    monkeypatch.setattr(cpu, "run_apart", lambda *_: {"rows": [], "error": None, "seconds": 0.0})
    monkeypatch.setattr(sys, "argv", ["cpu", "--tiny", "--only", "starting", "--out", str(tmp_path)])
    assert cpu.main() == 0
    assert list(json.loads((tmp_path / "cpu.json").read_text())["parts"]) == ["starting"]


def test_what_is_measured_is_kept_where_a_later_part_is_interrupted(tmp_path, monkeypatch):
    def apart(name, *_):
        if name == "loading":
            raise KeyboardInterrupt
        return {"rows": [], "error": None, "seconds": 0.0}

    monkeypatch.setattr(cpu, "run_apart", apart)
    monkeypatch.setattr(sys, "argv", ["cpu", "--tiny", "--only", "starting", "loading", "--out", str(tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        cpu.main()
    assert list(json.loads((tmp_path / "cpu.json").read_text())["parts"]) == ["starting"]


def test_every_part_is_of_a_name_of_its_own():
    assert len(set(cpu.PARTS.values())) == len(cpu.PARTS) == 9


def test_readers_read_every_kind_of_file_with_and_without_workers():
    rows = cpu.PARTS["loading"](TINY)
    assert len(rows) == 4 * 2 + 2 and all(row.number > 0 for row in rows)


def test_the_parts_of_a_pretraining_step_are_all_of_it():
    steps = _steps("image", 4)
    assert len(steps) == 3
    for parts in steps:
        assert tuple(parts) == PARTS and all(time > 0 for time in parts.values())


def test_processor_seconds_are_those_of_the_command(tmp_path):
    (tmp_path / "busy.py").write_text("import time\nwhile time.process_time() < 0.3: pass\nprint('done')\n")
    (tmp_path / "idle.py").write_text("import time\ntime.sleep(0.5)\nprint('done')\n")
    busy, idle = (processor_seconds((name,), tmp_path) for name in ("busy", "idle"))
    assert idle < busy - 0.15
    with pytest.raises(RuntimeError, match=r"missing ended with 1: .*No module named missing"):
        processor_seconds(("missing",), tmp_path)


def test_the_peak_counts_what_is_held_at_once_and_not_what_was_there():
    before = torch.empty(1 << 20)

    def step():
        first = torch.empty(1 << 18)  # 1 MiB
        second = torch.empty(1 << 19)  # 2 MiB
        del first
        return torch.empty(1 << 17), second, before

    assert peak_of(step) == 3 << 20


def test_the_released_formula_is_computed_as_ours():
    spec = large(None, 2, TINY, recipe_of("fp32", 2))
    ours, released, plain = model_of(spec, "trainable"), _released(spec), model_of(spec, "plain")
    x = torch.rand(2, *spec.input.sample_shape)
    with torch.no_grad():
        torch.testing.assert_close(released(x), ours(x))
        assert not torch.allclose(released(x), plain(x), atol=1e-6)
    count = sum(isinstance(part, nn.Linear) and "scale" in dict(part.named_parameters()) for part in released.modules())
    assert count == 4 * spec.model.depth


def test_steps_take_turns_and_a_ratio_is_of_the_same_rounds():
    order = []
    taken = in_turn({name: lambda name=name: order.append(name) for name in "abc"}, TINY)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(times) for name, times in taken.items()} == dict.fromkeys("abc", TINY.repeats)
    times, spread = ratio([2.0, 40.0, 3.0], [1.0, 10.0, 1.0])  # of rounds: 2, 4, 3; quartiles 2 and 4
    assert (times, spread) == (3.0, pytest.approx(1 / 3))


def test_rows_say_their_number_with_unit_spread_and_limit():
    assert measured("a", 12.345, "ms", 0.0123, "; x") == Row("a", "12.35 ms ± 1.2%; x", number=12.345, spread=0.0123)
    assert measured("a", 1.0, "").value == "1.000" and measured("a", 1234.5, "MiB").value == "1,234 MiB"
    row = at_most("a", 0.5, 0.5, spread=0.1, unit="s")
    assert (row.value, row.limit, row.holds) == ("0.500 s ± 10.0%", "at most 0.5 s", True)


def test_no_name_of_a_folder_or_host_is_in_the_table():
    assert str(ROOT) not in json.dumps(machine())


def test_a_stack_of_runs_has_the_gradients_that_they_have_one_by_one():
    runs = Runs(small("image"), 3, TINY)
    before = {name: weight.clone() for name, weight in runs.stack.items()}
    runs.stacked()
    runs.one_by_one()
    for name, stacked in runs.stack.items():
        assert not torch.equal(stacked, before[name])
        alone = torch.stack([dict(model.named_parameters())[name].grad for model in runs.models])
        torch.testing.assert_close(stacked.grad, alone, rtol=1e-4, atol=1e-6, msg=name)
