"""A forward pass of the final model beside a plain one's: measured, and felt by nothing else."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from m2pt.config import FinetuneConfig
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.folder import HISTORY, MERGED, create_run
from m2pt.training import finetune as finetuning
from m2pt.training import latency
from m2pt.training.finetune import finetune, memory_feed
from m2pt.training.places import Places
from m2pt.training.stopwatch import Stopwatch
from tests.specs import run_spec

CPU = torch.device("cpu")


class Layers(nn.Module):
    """So many large layers; remembers in which mode and with what it was called."""

    def __init__(self, count, called):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(256, 256) for _ in range(count)))
        self.drop = nn.Dropout()
        self.called, self.count = called, count

    def forward(self, x, given):
        self.called.append((self.count, self.training, torch.is_grad_enabled(), tuple(x.shape), given))
        return self.layers(x)


def test_the_passes_of_both_models_are_timed_in_turn(monkeypatch):
    """By a clock that goes on by a millisecond for each layer."""
    called = []

    def clock():
        return sum(call[0] for call in called) / 1000

    monkeypatch.setattr(latency, "time", SimpleNamespace(thread_time=clock, perf_counter=clock))
    model, plain = Layers(8, called), Layers(2, called).eval()
    found = latency.measure(model, plain, torch.rand(64, 256), None, "fp32", CPU)
    assert found.batch == 64
    assert (found.latency_ms, found.plain_latency_ms) == (8.0, 2.0)
    assert (model.training, plain.training) == (True, False)
    assert {call[1:] for call in called} == {(False, False, (64, 256), None)}
    pairs = [tuple(call[0] for call in called[start : start + 2]) for start in range(0, len(called), 2)]
    assert pairs == [(8, 2), (8, 2), (2, 8), (8, 2)]
    assert len(pairs) <= 1 + latency.MOST_PAIRS


def test_a_slow_model_passes_three_times_after_warming_up_and_the_median_counts(monkeypatch):
    monkeypatch.setattr(latency, "BUDGET_S", 0.0)
    taken = iter([99.0, 99.0, 0.003, 0.1, 0.1, 0.5, 0.004, 0.1])
    own, other = latency._in_turn(lambda: next(taken), lambda: next(taken))
    assert (own, other) == ([0.003, 0.5, 0.004], [0.1, 0.1, 0.1])
    assert next(taken, None) is None


def feed_of(item):
    return SimpleNamespace(test=lambda split: iter([] if item is None else [item]))


def test_the_batch_is_the_first_rows_of_the_test_split():
    spec = SimpleNamespace(goal="classification")
    x = torch.rand(5, 3, 2, 4)
    rows, given = latency.example(spec, feed_of({"x": x, "y": torch.zeros(5)}))
    assert torch.equal(rows, x.flatten(0, 1)[: latency.ROWS])
    assert given is None
    _, given = latency.example(spec, feed_of({"x": x, "y": torch.zeros(5), "given": torch.arange(5)}))
    assert given.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert latency.example(spec, feed_of(None)) is None


@pytest.mark.parametrize(("size", "shape"), [((40, 50), (1, 3, 32, 32)), ((20, 50), (1, 3, 32, 32))])
def test_of_a_scene_it_is_one_window(size, shape):
    spec = SimpleNamespace(goal="semantic_segmentation", input=SimpleNamespace(size=32))
    scene = torch.rand(1, 1, 3, *size)
    window, given = latency.example(spec, feed_of({"x": scene, "y": torch.zeros(1, *size)}))
    assert (tuple(window.shape), given) == (shape, None)
    assert torch.equal(window[0, :, :20, :], scene[0, 0, :, :20, :32])


def samples(count):
    generator = torch.Generator().manual_seed(count)
    return Samples(torch.rand(count, 1, 16, 16, generator=generator), torch.arange(count) % 4, ("a", "b", "c", "d"))


def run(folder):
    """A run from scratch; returns what it leaves for good, its record, its stopwatch and the state of the random numbers."""
    recipe = FinetuneConfig(samples=16, epochs=2, batch_size=8, warmup_steps=1)
    spec = run_spec(method="baseline", auxiliary="", setting="scratch", pathway=None, target_weights=None,
                    auxiliary_weights=None, finetune=recipe)  # fmt: skip
    feed = memory_feed(spec, {"train": samples(16), "val": samples(12), "test": samples(20)}, Places().share)
    run_dir, watch = create_run(folder, spec), Stopwatch()
    record = finetune(spec, feed, Places(), run_dir, watch)
    kept = {name: (run_dir / name).read_bytes() for name in (HISTORY, MERGED)}
    return kept, record, watch, torch.get_rng_state()


def test_measuring_changes_no_number_of_a_run_and_no_random_draw_after_it(tmp_path, monkeypatch):
    kept, record, watch, state = run(tmp_path / "measured")
    assert watch.inference.batch == latency.ROWS
    assert watch.inference.latency_ms > 0 < watch.inference.plain_latency_ms
    assert watch.seconds["latency"] > 0
    monkeypatch.setattr(finetuning, "_time_inference", lambda *arguments: None)
    unmeasured, other_record, other_watch, other_state = run(tmp_path / "unmeasured")
    assert other_watch.inference is None
    assert (unmeasured, other_record) == (kept, record)
    assert torch.equal(state, other_state)
    assert not any("latency" in name for name in record)


def test_a_device_that_is_full_fails_no_run(tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(finetuning, "measure_latency", full)
    _, record, watch, _ = run(tmp_path)
    assert record.test_score >= 0
    assert watch.inference is None
    assert "no room" in capsys.readouterr().out
