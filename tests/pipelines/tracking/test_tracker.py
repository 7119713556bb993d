"""What holds for every tracker, shown with MLflow and with one that writes JSON lines; and the queue that serves both."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from m2pt.config import UserError
from m2pt.config.study_file import load_study
from m2pt.runs.folder import HISTORY, TIMES, RunState
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.__main__ import main
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import resolve
from pipelines.tracking.live import LiveTracking
from pipelines.tracking.mlflow_store import tracking_uri
from pipelines.tracking.publication import Publication
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import SweepEnd, Tracker
from pipelines.tracking.trackers import TRACKERS, chosen_tracker
from tests.pipelines import synthetic
from tests.pipelines.tracking.lines_tracker import LINES, LinesTracker, lines
from tests.waiting import comes_true

STUDY, SWEEP = "embedded", "5eed5eed"


@dataclass(frozen=True)
class Shown:
    """A run as a tracker shows it; `losses` are those of its epochs."""

    state: str
    losses: list[float]
    params: Mapping[str, str]


def shown_as_lines() -> dict[str, Shown]:
    ended = {line["run"]: line["state"] for line in lines("ended")}
    return {
        line["run"]: Shown(
            ended.get(line["run"], "running"),
            [epoch["values"]["3_train/loss"] for epoch in lines("epoch", line["run"])],
            line["params"],
        )
        for line in lines("started")
    }


def shown_in_mlflow() -> dict[str, Shown]:
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(STUDY)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return {
        run.data.tags["m2pt.run_id"]: Shown(
            run.data.tags["m2pt.status"],
            [point.value for point in client.get_metric_history(run.info.run_id, "3_train/loss")],
            run.data.params,
        )
        for run in runs
        if "m2pt.run_id" in run.data.tags
    }


@pytest.fixture(params=["lines", "mlflow"])
def name(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the chosen tracker, which is empty; the current folder is a project's."""
    monkeypatch.setitem(TRACKERS, "lines", LinesTracker)
    monkeypatch.setenv("M2PT_TRACKER", request.param)
    return str(request.param)


def shown(name: str) -> dict[str, Shown]:
    return {"lines": shown_as_lines, "mlflow": shown_in_mlflow}[name]()


def tracker() -> Tracker:
    return chosen_tracker()(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))


def live(warnings: list[str], make_tracker: Any = tracker, retry_s: float = 30.0) -> LiveTracking:
    return LiveTracking(make_tracker, warnings.append, interval_s=0.05, retry_s=retry_s)


def losses(spec: Spec, epochs: int) -> list[float]:
    return [synthetic.epoch_line(spec, epoch)["train/loss"] for epoch in range(1, epochs + 1)]


def test_a_run_is_shown_while_it_goes_on_and_as_it_ended(name: str) -> None:
    finished, failed, left = specs = [synthetic.pathway_spec(seed) for seed in range(3)]
    dirs = {spec.seed: synthetic.begin(Path("runs"), spec) for spec in specs}
    warnings: list[str] = []
    with live(warnings) as tracking:
        for spec in specs:
            tracking.run_started(spec, dirs[spec.seed])
        synthetic.advance(dirs[0], finished, 1, 2)
        assert comes_true(lambda: finished_run(name) and finished_run(name).losses == losses(finished, 2))
        assert finished_run(name).state == "running"
        synthetic.advance(dirs[0], finished, 3, 6)
        synthetic.complete(dirs[0], finished)
        synthetic.advance(dirs[1], failed, 1, 3)
        synthetic.fail(dirs[1])
        tracking.run_ended(finished, dirs[0])
        tracking.run_ended(failed, dirs[1])
        synthetic.advance(dirs[2], left, 1, 4)
    assert warnings == []
    states = {run: (view.state, view.losses) for run, view in shown(name).items()}
    assert states == {
        run_id(finished): ("complete", losses(finished, 6)),
        run_id(failed): ("failed", losses(failed, 3)),
        run_id(left): ("interrupted", losses(left, 4)),
    }
    assert finished_run(name).params["finetune.epochs"] == "6"


def test_a_run_that_was_stopped_before_its_first_epoch_had_ended_is_not_shown_as_going_on(name: str) -> None:
    spec, other = synthetic.pathway_spec(0), synthetic.pathway_spec(1)
    run_dir, whole = synthetic.begin(Path("runs"), spec), synthetic.whole(Path("runs"), other)
    with Publisher(tracker()) as publisher:
        publisher.publish(spec, run_dir, active=True)
    assert shown(name)[run_id(spec)].state == "running"
    with Publisher(tracker()) as publisher:
        publisher.publish(spec, run_dir)
        publisher.publish(other, whole)
    assert {run: view.state for run, view in shown(name).items()} == {run_id(spec): "interrupted", run_id(other): "complete"}


def finished_run(name: str) -> Any:
    return shown(name).get(run_id(synthetic.pathway_spec(0)))


def test_publishing_twice_adds_nothing(name: str) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(Path("runs"), spec)) for seed in range(2)]
    with Publisher(tracker()) as publisher:
        publisher.publish(*runs[0])
    before = shown(name)
    for _ in range(2):
        with Publisher(tracker()) as publisher:
            for spec, run_dir in runs:
                publisher.publish(spec, run_dir)
    after = shown(name)
    assert after.items() >= before.items()
    assert {run: (view.state, view.losses) for run, view in after.items()} == {
        run_id(spec): ("complete", losses(spec, 6)) for spec, _ in runs
    }


def test_a_run_that_was_done_again_is_shown_as_it_is_now(name: str) -> None:
    spec = synthetic.pathway_spec(0)
    run_dir = synthetic.whole(Path("runs"), spec)
    with Publisher(tracker()) as publisher:
        publisher.publish(spec, run_dir)
    history = [json.loads(line) for line in (run_dir / HISTORY).read_text().splitlines()]
    again = [line | {"train/loss": line["train/loss"] + 100} for line in history]
    (run_dir / HISTORY).write_text("".join(json.dumps(line) + "\n" for line in again))
    for _ in range(2):
        with Publisher(tracker()) as publisher:
            publisher.publish(spec, run_dir)
    assert finished_run(name).losses == [line["train/loss"] for line in again]
    assert finished_run(name).state == "complete"


def test_publish_brings_a_study_into_the_chosen_tracker(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text(
        f"study: {STUDY}\ndata: {{root: data}}\nencoders: {{}}\nsweep: {{seeds: [0, 1], targets: [image], auxiliaries: [], "
        "methods: [baseline], settings: [scratch], target_encoder: random, auxiliary_encoder: random}\n"
    )
    Path("data/image").mkdir(parents=True)
    Path("data/image/one.txt").write_text("1")
    study = load_study("params.yaml")
    spec = resolve(study).runs[0]
    synthetic.whole(runs_folder(study), spec)
    assert main(["publish"]) == 0
    place = {"lines": "lines.jsonl", "mlflow": "mlflow.db"}[name]
    assert f"1 run is published to {'' if name == 'lines' else 'sqlite:///'}" in (said := capsys.readouterr().out)
    assert said.endswith(f"{place}.\n")
    assert shown(name)[run_id(spec)].losses == losses(spec, 6)


def test_an_unknown_tracker_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2PT_TRACKER", "mlflw")
    with pytest.raises(UserError, match=r"M2PT_TRACKER: there is no tracker 'mlflw'; use one of mlflow\."):
        chosen_tracker()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_outage_is_reported_once_and_made_up_for(folder: Path) -> None:
    specs = [synthetic.pathway_spec(seed) for seed in range(3)]
    out_of_reach = LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))
    out_of_reach.fail(times=4)
    warnings: list[str] = []
    with live(warnings, lambda: out_of_reach, retry_s=0.0) as tracking:
        for spec in specs:
            tracking.run_ended(spec, synthetic.whole(Path("runs"), spec))
        assert comes_true(lambda: len(lines("ended")) == 3)
    assert len(warnings) == 1
    assert "lines.jsonl: cannot be written; free some space. The runs go on without tracking" in warnings[0]
    assert [line["state"] for line in lines("closed")] == ["complete"]


def test_the_end_of_a_sweep_is_not_kept_waiting_by_an_outage(folder: Path) -> None:
    out_of_reach = LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))
    out_of_reach.fail(times=1000)
    warnings: list[str] = []
    with live(warnings, lambda: out_of_reach, retry_s=1000.0) as tracking:
        for spec in [synthetic.pathway_spec(seed) for seed in range(3)]:
            tracking.run_ended(spec, synthetic.whole(Path("runs"), spec))
    assert len(warnings) == 1
    assert not LINES.exists()


def test_a_damaged_run_keeps_no_other_from_being_shown(folder: Path) -> None:
    damaged, good = specs = [synthetic.pathway_spec(seed) for seed in range(2)]
    dirs = [synthetic.whole(Path("runs"), spec) for spec in specs]
    (dirs[0] / HISTORY).write_text('{"epoch": 1, "train\n{"epoch": 2}\n')
    warnings: list[str] = []
    with live(warnings, lambda: LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))) as tracking:
        tracking.run_ended(damaged, dirs[0])
        tracking.run_ended(good, dirs[1])
    assert len(warnings) == 1
    assert "is damaged" in warnings[0]
    assert set(shown_as_lines()) == {run_id(good)}
    assert [line["state"] for line in lines("closed")] == ["complete"]


def test_a_tracker_that_cannot_be_made_costs_one_warning(folder: Path) -> None:
    def make() -> Tracker:
        raise ImportError("no module named lines")

    warnings: list[str] = []
    with live(warnings, make) as tracking:
        tracking.run_ended(synthetic.pathway_spec(), synthetic.whole(Path("runs"), synthetic.pathway_spec()))
    assert warnings == [
        "Tracking cannot start (ImportError: no module named lines). "
        "The runs go on without tracking; `m2pt publish` adds them later."
    ]


def test_an_epoch_is_shown_when_its_time_comes_after_it(folder: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(Path("runs"), spec)
    synthetic.advance(run_dir, spec, 1, 2)
    times = (run_dir / TIMES).read_text()
    (run_dir / TIMES).unlink()
    with live([], lambda: LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))) as tracking:
        tracking.run_started(spec, run_dir)
        assert comes_true(lambda: lines("started"))
        assert lines("epoch") == []
        (run_dir / TIMES).write_text(times)
        assert comes_true(lambda: len(lines("epoch")) == 2, patience_s=60)


def test_an_interrupted_sweep_ends_as_interrupted_and_its_runs_are_shown_as_they_are(folder: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(Path("runs"), spec)
    synthetic.advance(run_dir, spec, 1, 2)
    with pytest.raises(KeyboardInterrupt), live([], lambda: LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))) as tracking:
        tracking.run_started(spec, run_dir)
        raise KeyboardInterrupt
    assert [line["state"] for line in lines("closed")] == ["interrupted"]
    assert shown_as_lines()[run_id(spec)].state == "interrupted"


def test_one_thread_does_all_the_tracking(folder: Path) -> None:
    """Starting and ending runs waits for nothing, even for a tracker that takes its time to open."""
    ready, before, more = threading.Event(), set(threading.enumerate()), list[int]()

    class SlowTracker(LinesTracker):
        def run_started(self, run: Publication) -> int:
            ready.wait()
            more.append(len(set(threading.enumerate()) - before))
            return super().run_started(run)

    with live([], lambda: SlowTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))) as tracking:
        for spec in [synthetic.pathway_spec(seed) for seed in range(3)]:
            run_dir = synthetic.whole(Path("runs"), spec)
            tracking.run_started(spec, run_dir)
            tracking.run_ended(spec, run_dir)
        ready.set()
    assert more == [1, 1, 1]
    assert len(shown_as_lines()) == 3


def test_the_outcome_of_a_sweep_is_shown_even_if_nothing_was_published(folder: Path) -> None:
    with Publisher(LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))):
        pass
    assert not LINES.exists()
    with Publisher(LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))) as publisher:
        publisher.close(SweepEnd(RunState.FAILED, {"runs/failed": 1.0}))
    assert [(line["state"], line["values"]) for line in lines("closed")] == [("failed", {"runs/failed": 1.0})]


class SummaryTracker(LinesTracker):
    """Keeps the summaries of runs that have ended."""

    def run_ended(self, run: Publication) -> None:
        super().run_ended(run)
        self._write("summary", run=run.run_id, keys=[point.key for point in run.summary])


def test_a_trial_that_ends_is_published_without_its_test_score(project: Path) -> None:
    trial, run = [(spec := synthetic.pathway_spec(seed), synthetic.whole(Path("runs"), spec)) for seed in range(2)]
    with live([], lambda: SummaryTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))) as tracking:
        tracking.run_started(*trial, True)
        tracking.run_ended(*trial, True)
        tracking.run_started(*run)
        tracking.run_ended(*run)
    assert "4_result/val_accuracy" in lines("summary", trial[1].name)[-1]["keys"]
    tested = [line["run"] for line in lines("summary") if "4_result/test_accuracy" in line["keys"]]
    assert set(tested) == {run[1].name}


def test_a_run_that_ends_before_its_first_look_is_published_once_and_a_long_one_while_it_goes_on(folder: Path) -> None:
    short, long = specs = [synthetic.pathway_spec(seed) for seed in range(2)]
    dirs = [synthetic.begin(Path("runs"), spec) for spec in specs]
    made: list[str] = []

    def make() -> Tracker:
        made.append("tracker")
        return LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))

    with LiveTracking(make, made.append, interval_s=2.0) as tracking:
        for spec, run_dir in zip(specs, dirs, strict=True):
            tracking.run_started(spec, run_dir)
        assert made == [], "the start of runs is not held up by the import of a tracker"
        for spec, run_dir in zip(specs, dirs, strict=True):
            synthetic.advance(run_dir, spec, 1, 2)
        synthetic.advance(dirs[0], short, 3, 6)
        synthetic.complete(dirs[0], short)
        tracking.run_ended(short, dirs[0])
        assert comes_true(lambda: [line["run"] for line in lines("started")] == [run_id(short), run_id(long)])
        assert [line["run"] for line in lines("ended")] == [run_id(short)]
        assert comes_true(lambda: len([line for line in lines("epoch") if line["run"] == run_id(long)]) == 2)
    assert made == ["tracker"] and {view.state for view in shown_as_lines().values()} == {"complete", "interrupted"}


def test_a_run_that_has_ended_is_published_when_the_next_one_computes_or_at_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [synthetic.pathway_spec(seed) for seed in range(2)]
    dirs = [synthetic.whole(Path("runs"), spec) for spec in specs]
    monkeypatch.setattr("pipelines.tracking.live._AFTER_S", 2.0)
    with LiveTracking(
        lambda: LinesTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}")), list[str]().append, interval_s=5.0
    ) as tracking:
        tracking.run_ended(specs[0], dirs[0])
        time.sleep(1.0)
        assert not lines("started")
        assert comes_true(lambda: [line["run"] for line in lines("ended")] == [run_id(specs[0])])
        monkeypatch.setattr("pipelines.tracking.live._AFTER_S", 3600.0)
        tracking.run_ended(specs[1], dirs[1])
    assert {line["run"] for line in lines("ended")} == {run_id(spec) for spec in specs}


def test_an_outage_is_no_busy_loop_and_no_wait_is_too_long_for_the_clock(folder: Path) -> None:
    class Counted(LinesTracker):
        tries = 0

        def open(self) -> Any:
            type(self).tries += 1
            return super().open()

    out_of_reach = Counted(Sweep(STUDY, SWEEP, f"sweep {SWEEP}"))
    out_of_reach.fail(times=10**9)
    specs = [synthetic.pathway_spec(seed) for seed in range(2)]
    dirs = [synthetic.whole(Path("runs"), spec) for spec in specs]
    with LiveTracking(lambda: out_of_reach, list[str]().append, interval_s=0.2, retry_s=0.0) as tracking:
        tracking.run_ended(specs[0], dirs[0])
        time.sleep(1.0)
        assert 1 <= Counted.tries <= 6
    warnings: list[str] = []
    with LiveTracking(lambda: out_of_reach, warnings.append, interval_s=0.05, retry_s=float("inf")) as tracking:
        tracking.run_ended(specs[0], dirs[0])
        assert comes_true(lambda: len(warnings) == 1)
        out_of_reach.fail(times=0)
        tracking.run_ended(specs[1], dirs[1])
    assert {line["run"] for line in lines("ended")} == {run_id(spec) for spec in specs}
