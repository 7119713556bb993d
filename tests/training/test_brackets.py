"""Training on brackets: the sequences are balanced, what is hidden can be known, and it is learned."""

import math
from collections import Counter

import pytest
import torch
from pydantic import ValidationError

from m2pt import job
from m2pt.config import ProceduralPretrain
from m2pt.files.state import file_sha256
from m2pt.models.encoder import Encoder
from m2pt.runs.folder import ENCODER, HISTORY, RECONSTRUCTIONS, create_run, read_history
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.runs.record import PretrainRecord, read_record
from m2pt.training import pretraining_steps as module
from m2pt.training.brackets import BracketReader, bracket_sequences, hidden_places
from m2pt.training.pretrain import pretrain
from m2pt.training.pretraining_steps import Course
from m2pt.weights.saved import load_into, read_weights
from tests.specs import MODEL, pretrain_spec

CPU = torch.device("cpu")
RECIPE = ProceduralPretrain(steps=100, batch_size=32, warmup_steps=2, kinds=4, length=8, max_depth=2, learning_rate=5e-3)


def spec_of(**changes):
    return pretrain_spec(source="brackets", pretrain=RECIPE, data_sha256="", **changes)


def run(spec, folder):
    run_dir = create_run(folder, spec)
    return pretrain(spec, {}, None, Course(run_dir)), run_dir


def deepest(tokens, kinds):
    """The greatest depth of one sequence, by the stack of a textbook. Raises `AssertionError` if it is not balanced."""
    stack, depth = [], 0
    for token in tokens:
        if token < kinds:
            stack.append(token)
            depth = max(depth, len(stack))
        else:
            assert stack.pop() == token - kinds
    assert not stack
    return depth


def test_sequences_are_balanced_as_deep_as_declared_and_of_all_kinds():
    recipe = ProceduralPretrain(kinds=5, length=20, max_depth=3)
    sequences = bracket_sequences(400, recipe, torch.Generator().manual_seed(0)).tolist()
    assert max(deepest(tokens, 5) for tokens in sequences) == 3
    counts = Counter(token for tokens in sequences for token in tokens if token < 5)
    assert all(count == pytest.approx(400 * 10 / 5, rel=0.15) for count in counts.values())


def test_a_bracket_opens_with_the_declared_probability_where_it_may_open_or_close():
    recipe = ProceduralPretrain(kinds=2, length=40, max_depth=6, opening=0.7)
    free = opened = 0
    for tokens in bracket_sequences(300, recipe, torch.Generator().manual_seed(1)).tolist():
        depth = 0
        for place, token in enumerate(tokens):
            if 0 < depth < min(6, 40 - place):
                free, opened = free + 1, opened + (token < 2)
            depth += 1 if token < 2 else -1
    assert opened / free == pytest.approx(0.7, abs=4 * math.sqrt(0.7 * 0.3 / free))


def test_only_closing_brackets_are_hidden_equally_many_in_each_sequence():
    tokens = bracket_sequences(200, RECIPE, torch.Generator().manual_seed(2))
    hidden = hidden_places(tokens, RECIPE, torch.Generator().manual_seed(3))
    assert (tokens[hidden] >= RECIPE.kinds).all()
    assert (hidden.sum(dim=1) == 2).all(), "half of four"
    assert not torch.equal(hidden, hidden_places(tokens, RECIPE, torch.Generator().manual_seed(4)))
    few = RECIPE.model_copy(update={"hidden": 0.01})
    assert (hidden_places(tokens, few, torch.Generator().manual_seed(3)).sum(dim=1) == 1).all()


def test_what_is_hidden_cannot_reach_the_prediction_and_what_is_seen_can():
    torch.manual_seed(0)
    reader = BracketReader(MODEL, RECIPE).eval()
    tokens = bracket_sequences(4, RECIPE, torch.Generator().manual_seed(2))
    hidden = hidden_places(tokens, RECIPE, torch.Generator().manual_seed(3))
    scores = reader(tokens, hidden)
    assert scores.shape == (8, 8)
    other = torch.where(hidden, RECIPE.kinds + (tokens + 1) % RECIPE.kinds, tokens)
    assert torch.equal(scores, reader(other, hidden))
    seen = tokens.clone()
    seen[:, 0] = (seen[:, 0] + 1) % RECIPE.kinds
    assert not torch.equal(scores, reader(seen, hidden))
    assert not dict(reader.named_parameters()).keys() & {"codes", "positions"}, "the codes are fixed"
    torch.testing.assert_close(reader.codes.square().mean(dim=1), torch.ones(9))
    torch.testing.assert_close(reader.codes @ reader.codes.T, 24 * torch.eye(9), atol=1e-4, rtol=0)


def test_closing_brackets_are_learned_far_above_chance_and_the_blocks_are_kept(tmp_path):
    record, run_dir = run(spec_of(), tmp_path)
    lines = read_history(run_dir)
    assert [line["step"] for line in lines] == [50, 100]
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    assert record.metric == "accuracy"
    assert record.val_score == lines[-1]["val/accuracy"] > 40, "chance is 25 among the closing ones"
    assert record.files == {ENCODER: file_sha256(run_dir / ENCODER)}
    kept = read_weights(run_dir / ENCODER)
    assert {name.split(".")[0] for name in kept} == {"blocks", "norm"}
    load_into(Encoder(MODEL), kept, "", "brackets")
    assert not (run_dir / RECONSTRUCTIONS).exists()


def test_draws_differ_between_seeds_and_between_modalities(tmp_path):
    scores = {
        run(spec_of(seed=seed, modality=modality), tmp_path)[0].files[ENCODER]
        for seed, modality in ((0, "image"), (1, "image"), (0, "audio"))
    }
    assert len(scores) == 3


def test_a_resumed_training_on_brackets_equals_one_that_was_not_interrupted(tmp_path, monkeypatch):
    whole, whole_dir = run(spec_of(), tmp_path / "whole")
    step_of = module._step

    class Interruption(Exception):
        pass

    def interrupted(*arguments):
        if arguments[-1] == 70:
            raise Interruption
        return step_of(*arguments)

    monkeypatch.setattr(module, "_step", interrupted)
    with pytest.raises(Interruption):
        run(spec_of(), tmp_path / "parts")
    monkeypatch.setattr(module, "_step", step_of)
    resumed, resumed_dir = run(spec_of(), tmp_path / "parts")
    assert resumed == whole
    for name in (HISTORY, ENCODER):
        assert (resumed_dir / name).read_bytes() == (whole_dir / name).read_bytes()


def test_brackets_that_cannot_be_closed_are_refused():
    with pytest.raises(ValidationError, match=r"max_depth: 9 must be at most half of length \(16\)"):
        ProceduralPretrain(max_depth=9)
    with pytest.raises(ValidationError, match="multiple of 2"):
        ProceduralPretrain(length=15)


def test_a_job_on_brackets_reads_no_data(tmp_path):
    run_dir = create_run(tmp_path, spec_of())
    write_inputs(run_dir, JobInputs(data=str(tmp_path / "nowhere"), cache=str(tmp_path / "cache")))
    assert job.run(run_dir) is None
    assert read_record(run_dir, PretrainRecord).metric == "accuracy"
