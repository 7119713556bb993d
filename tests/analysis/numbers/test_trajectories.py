from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers import trajectories
from m2pt.runs.folder import RECORD, read_history
from m2pt.runs.record import read_record
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from tests.analysis import synthetic


def _lines(planned: synthetic.Planned, target: str, auxiliary: str, epoch: int) -> list[dict[str, float]]:
    specs = [spec for spec in planned.specs if (spec.target, spec.auxiliary) == (target, auxiliary)]
    return [read_history(planned.folder(spec))[epoch - 1] for spec in specs]


def test_curves_are_means_over_seeds_with_their_interval(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=2))
    lines = trajectories.history(read_table(planned.specs, planned.runs), planned.runs)
    found = trajectories.curves(lines)
    (row,) = found[
        (found["target"] == "image")
        & (found["auxiliary"] == "audio")
        & (found["epoch"] == 2)
        & (found["metric"] == "val/accuracy")
    ].itertuples()
    values = [line["val/accuracy"] for line in _lines(planned, "image", "audio", 2)]
    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert (row.n, row.mean) == (3, pytest.approx(sum(values) / 3))
    assert row.mean - row.half_width == pytest.approx(interval.low)


def test_scales_of_opposite_sign_do_not_cancel(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=2))
    lines = trajectories.history(read_table(planned.specs, planned.runs), planned.runs)
    found = trajectories.scales(lines)
    name = "scale/blocks.3.mlp.fc1"
    values = [line[name] for line in _lines(planned, "audio", "image", 2)]
    chosen = found[(found["target"] == "audio") & (found["auxiliary"] == "image") & (found["epoch"] == 2)]
    (row,) = chosen[(chosen["layer"] == "mlp.fc1") & (chosen["depth"] == 3)].itertuples()
    assert row.scale == pytest.approx(sum(abs(value) for value in values) / 3)
    assert set(found["method"]) == {"pathway", "random_auxiliary", "own_modality"}
    assert len(found) == 6 * 2 * 16  # arms with an auxiliary, epochs, joined layers


def test_of_several_auxiliaries_each_has_its_scales() -> None:
    arm = {"part": "", "setting": "pretrained", "tuning": "full", "target": "image", "method": "all_auxiliaries", "epoch": 1}
    names = [f"{kind}/blocks.11.attn.qkv.{number}" for kind in ("scale", "effective_size") for number in (0, 1)]
    lines = pd.DataFrame(
        [
            arm | {"auxiliary": "audio+point", "seed": seed} | dict(zip(names, values, strict=True))
            for seed, values in enumerate([(0.1, -0.5, 1.0, 2.0), (-0.3, 0.7, 3.0, 4.0)])
        ]
    )
    found = trajectories.scales(lines)
    values = found[["source", "layer", "depth", "scale", "effective_size", "n"]].itertuples(index=False, name=None)
    assert list(values) == [
        ("audio", "attn.qkv", 11, pytest.approx(0.2), 2.0, 2),
        ("point", "attn.qkv", 11, pytest.approx(0.6), 3.0, 2),
    ]
    documents = {"run": {"scales": {"blocks.11.attn.qkv.0": 0.1, "blocks.11.attn.qkv.1": -0.5}}}
    table = lines.assign(run_id="run", parts="").head(1)
    (row,) = trajectories.final_scales(documents, table)
    assert row["layers"] == {"attn.qkv": pytest.approx(0.3), "attn.proj": None, "mlp.fc1": None, "mlp.fc2": None}


def test_runs_that_are_not_complete_leave_no_trace(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=2))
    stopped = next(spec for spec in planned.specs if spec.auxiliary == "audio" and spec.target == "image")
    (planned.folder(stopped) / RECORD).unlink()
    lines = trajectories.history(read_table(planned.specs, planned.runs), planned.runs)
    found = trajectories.curves(lines)
    assert set(found[(found["target"] == "image") & (found["auxiliary"] == "audio")]["n"]) == {2}


def test_final_scales_are_those_of_the_records(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1))
    table = read_table(planned.specs, planned.runs)
    documents = {name: read_record(planned.runs / name) for name in table["run_id"]}
    rows = {(row["target"], row["auxiliary"]): row for row in trajectories.final_scales(documents, table)}

    def spec_of(seed: int) -> RunSpec:
        return next(spec for spec in planned.specs if (spec.target, spec.auxiliary, spec.seed) == ("image", "random", seed))

    means = [read_record(planned.folder(spec_of(seed)))["scale_abs_mean"] for seed in range(3)]
    assert rows["image", "random"]["scale"] == pytest.approx(sum(means) / 3)
    assert ("image", "") not in rows  # a baseline has no scales


def test_nothing_complete_gives_empty_tables(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path)
    lines = trajectories.history(read_table(planned.specs, planned.runs), planned.runs)
    assert trajectories.curves(lines).empty
    assert trajectories.scales(lines).empty


def test_scales_of_several_entries_count_by_their_mean_size_and_their_largest_entry() -> None:
    arm = dict.fromkeys(trajectories.ARM, "x") | {"auxiliary": "audio", "epoch": 1, "seed": 0}
    lines = pd.DataFrame([arm | {"scale/blocks.1.mlp.fc1/abs_mean": 0.25, "effective_size/blocks.1.mlp.fc1": 3.0}])
    (row,) = trajectories.scales(lines).to_dict("records")
    assert (row["layer"], row["depth"], row["scale"], row["effective_size"]) == ("mlp.fc1", 1, 0.25, 3.0)
    documents = {"run": {"scales": {"blocks.1.mlp.fc1/abs_mean": 0.25}, "scale_abs_max": 0.9}}
    (final,) = trajectories.final_scales(documents, lines.assign(run_id="run", parts=""))
    assert (final["scale"], final["largest"], final["layers"]["mlp.fc1"]) == (0.25, 0.9, 0.25)
