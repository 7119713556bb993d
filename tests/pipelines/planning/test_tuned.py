"""A tuned sweep: which runs there are before and after the choice, what is chosen, and that a stop changes none of it."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.arms import LEARNING_RATE, MULTIPLE, ArmRates
from m2pt.runs.folder import FAILURE, RECORD, create_run, run_state
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from pipelines.__main__ import main
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.execution.tune import run_arms
from pipelines.planning import tuned
from pipelines.planning.plan import Plan, resolve, sweep_id
from pipelines.planning.run_maker import Fingerprints
from pipelines.planning.study_file import check
from pipelines.planning.unused_keys.check import refuse_unused_keys
from pipelines.reporting.rendering import is_done
from tests.pipelines.scheduling.test_flows import FAKE, environment
from tests.run_records import finetune_document

BASE = """
study: tuned
data: {root: data, embedded: {}}
model: {width: 16, depth: 2, heads: 2}
encoders: {}
finetune: {epochs: 2}
sweep:
  seeds: [0, 1]
  targets: [image, point]
  auxiliaries: []
  methods: [baseline, random_auxiliary]
  settings: [scratch]
  target_encoder: random
  auxiliary_encoder: random
"""
TUNE = "  tune: {learning_rates: [3e-4, 1e-3, 3e-3], scale_lr_multiples: [10, 30, 100], seeds: [50, 51]}\n"
RUNS = Path("runs/tuned")

Scores = Callable[[RunSpec], Mapping[str, float | None] | str]
"""The scores of a run, or why it fails."""


def declared(text: str = BASE + TUNE) -> Study:
    return parse_study(text, "tuned.yaml")


def rates_of(spec: RunSpec) -> tuple[float, float | None]:
    return spec.finetune.learning_rate, spec.pathway.scale_lr_multiple if spec.pathway is not None else None


BEST: dict[tuple[str, str], tuple[float, float | None]] = {
    ("image", "baseline"): (0.00041, None),
    ("point", "baseline"): (0.001, None),
    ("image", "random_auxiliary"): (0.001, 30.0),
    ("point", "random_auxiliary"): (0.003, 10.0),
}
"""The rates with which each arm scores best by validation; by test it does so with all others."""


def scores(spec: RunSpec) -> Mapping[str, float | None]:
    best = BEST[spec.target, spec.method] == rates_of(spec)
    return {"val_score": 70.0 + spec.seed % 3 if best else 60.0, "test_score": 10.0 if best else 90.0}


class Worker:
    """Does runs in no time; `stop_after` runs it is interrupted."""

    def __init__(self, judge: Scores = scores, stop_after: int | None = None) -> None:
        self.judge, self.left, self.done = judge, stop_after, Counter[str]()

    def __call__(self, title: str, specs: Sequence[RunSpec]) -> None:
        for spec in specs:
            run_dir = create_run(RUNS, spec)
            if run_state(run_dir) == "complete":
                continue
            if self.left is not None and self.left == 0:
                raise KeyboardInterrupt
            self.left = None if self.left is None else self.left - 1
            self.done[run_id(spec)] += 1
            result = self.judge(spec)
            if isinstance(result, str):
                kind = "worker_died" if result == "died" else "error"
                documents.write_json(run_dir / FAILURE, {"error": result, "details": "", "kind": kind})
            else:
                documents.write_json(run_dir / RECORD, finetune_document(run_dir.name, **result))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with data to work in."""
    monkeypatch.chdir(tmp_path)
    for target in ("image", "point"):
        (tmp_path / "data" / target).mkdir(parents=True)
        (tmp_path / "data" / target / "one.txt").write_text("1")
    yield tmp_path


def run(study: Study, worker: Worker) -> Plan:
    """Do the trials, and then the runs that they leave to do."""
    with Session(study, Display()) as session:
        session.tidy()
        among = run_arms(session, worker)
        worker("", session.plan.unfinished(among))  # type: ignore[arg-type]
    return resolve(study)


def arm(plan: Plan, target: str, method: str) -> ArmRates:
    (found,) = [each for each in plan.arms if (each.arm.target, each.arm.method) == (target, method)]
    return found


def test_every_arm_has_equally_many_trials_on_the_tuning_seeds_and_nothing_else_is_planned_before_the_choice() -> None:
    plan = resolve(declared())
    assert [len(each.trials) for each in plan.arms] == [9, 9, 9, 9]
    assert {len(specs) for each in plan.arms for specs in each.runs} == {2}
    assert len({run_id(spec) for spec in plan.runs}) == len(plan.runs) == 4 * 9 * 2
    assert {spec.seed for spec in plan.runs} == {50, 51}
    assert plan.compared == []
    assert plan.to_come == {"baseline": 4, "random_auxiliary": 4}
    for each in plan.arms:
        for trial, specs in zip(each.trials, each.runs, strict=True):
            assert {spec.finetune.learning_rate for spec in specs} == {trial.values[LEARNING_RATE]}
            assert {rates_of(spec)[1] for spec in specs} == {trial.values.get(MULTIPLE)}


def test_each_arm_gets_the_rates_with_the_best_mean_validation_score_and_fresh_seeds_run_with_them() -> None:
    plan = run(declared(), Worker())
    for (target, method), (rate, multiple) in BEST.items():
        best = arm(plan, target, method).chosen
        assert best is not None
        assert (best.values[LEARNING_RATE], best.values.get(MULTIPLE)) == (rate, multiple)
        assert best.score == pytest.approx((70 + 50 % 3 + 70 + 51 % 3) / 2)
    assert {(spec.target, spec.method, spec.seed, *rates_of(spec)) for spec in plan.compared} == {
        (target, method, seed, *rates) for (target, method), rates in BEST.items() for seed in (0, 1)
    }
    assert not plan.unfinished(plan.runs)
    assert not plan.to_come


def test_no_test_score_is_read_for_the_choice() -> None:
    before = run(declared(), Worker())
    for record in RUNS.glob("*-s5*/record.json"):
        document = json.loads(record.read_text())
        record.write_text(json.dumps(document | {"test_score": 100 - document["test_score"], "test_scores": {}}))
    assert resolve(declared()).arms == before.arms


def test_the_ids_of_the_compared_runs_are_those_of_a_study_that_declares_the_chosen_rates() -> None:
    plan = run(declared(), Worker())
    text = BASE.replace("epochs: 2", "epochs: 2, learning_rate: 0.003").replace("[image, point]", "[point]")
    plain = parse_study(text.replace("sweep:\n", "pathway: {scale_lr_multiple: 10.0}\nsweep:\n"), "tuned.yaml")
    known = {run_id(spec) for spec in resolve(plain).runs if spec.method == "random_auxiliary"}
    assert known < {run_id(spec) for spec in plan.compared}


def test_a_stopped_tuning_goes_on_and_does_nothing_twice() -> None:
    study, done = declared(), Counter[str]()
    for stop_after in (7, 0, 30, 37):
        worker = Worker(stop_after=stop_after)
        with pytest.raises(KeyboardInterrupt):
            run(study, worker)
        done += worker.done
    plan = run(study, worker := Worker())
    done += worker.done
    assert set(done.values()) == {1}
    assert len(done) == 4 * 9 * 2 + 8
    assert not plan.unfinished(plan.runs)
    run(study, again := Worker())
    assert not again.done
    assert is_done(plan, Path("none")) is False, "there is no report yet"


def test_an_arm_that_is_tuned_may_go_on_while_others_are_not() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(declared(), Worker(stop_after=20))
    plan = resolve(declared())
    assert [each.is_over for each in plan.arms] == [True, False, False, False]
    assert {(spec.target, spec.method) for spec in plan.compared} == {("image", "baseline")}
    assert plan.to_come == {"baseline": 2, "random_auxiliary": 4}


def test_of_equal_scores_the_lowest_rate_and_then_the_lowest_multiple_is_chosen() -> None:
    plan = run(declared(), Worker(lambda spec: {"val_score": 0.1 + 0.2 if spec.seed == 50 else 0.3, "test_score": 1.0}))
    best = arm(plan, "image", "random_auxiliary")
    assert best.chosen is not None
    assert best.chosen.values == {LEARNING_RATE: 3e-4, MULTIPLE: 10.0}
    assert len(best.tied) == 8
    assert best.at_an_end == (LEARNING_RATE, MULTIPLE)

    def rounding(spec: RunSpec) -> Mapping[str, float | None]:
        """The same two scores in another order, whose sums differ in the last bit."""
        first, second = (60.1, 60.3) if spec.finetune.learning_rate == 3e-4 else (60.3, 60.1)
        return {"val_score": first if spec.seed == 50 else second, "test_score": 1.0}

    study = declared((BASE + TUNE).replace("study: tuned", "study: other"))
    assert len(arm(run(study, _At(Path("runs/other"), rounding)), "image", "baseline").tied) == 8


class _At(Worker):
    def __init__(self, folder: Path, judge: Scores) -> None:
        super().__init__(judge)
        self.folder = folder

    def __call__(self, title: str, specs: Sequence[RunSpec]) -> None:
        for spec in specs:
            result = self.judge(spec)
            assert not isinstance(result, str)
            run_dir = create_run(self.folder, spec)
            documents.write_json(run_dir / RECORD, finetune_document(run_dir.name, **result))


def test_a_failed_trial_is_not_chosen_and_not_tried_again() -> None:
    def judge(spec: RunSpec) -> Mapping[str, float | None] | str:
        if rates_of(spec) == BEST["image", "random_auxiliary"] and spec.target == "image" and spec.seed == 51:
            return "the loss of epoch 1 is not finite."
        return scores(spec)

    plan = run(declared(), Worker(judge))
    image = arm(plan, "image", "random_auxiliary")
    assert [(trial.values[LEARNING_RATE], trial.values[MULTIPLE]) for trial in image.failed] == [(0.001, 30.0)]
    assert image.failed[0].reason == "the loss of epoch 1 is not finite."
    assert len(image.complete) == 8
    assert image.chosen is not None
    assert image.chosen not in image.failed
    run(declared(), worker := Worker())
    assert not worker.done
    assert not resolve(declared()).unfinished(plan.runs)


def test_an_arm_without_a_complete_trial_is_not_run_and_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    def judge(spec: RunSpec) -> Mapping[str, float | None] | str:
        return "peft is missing." if spec.target == "image" and spec.method == "random_auxiliary" else scores(spec)

    with Session(declared(), Display()) as session:
        among = run_arms(session, Worker(judge))
        assert not session.outcome("fine-tuning", among).ok
    said = capsys.readouterr().out
    assert "random_auxiliary on image from random: no trial is complete, so nothing is chosen and the arm is not run" in said
    plan = resolve(declared())
    assert {(spec.target, spec.method) for spec in plan.compared} == set(BEST) - {("image", "random_auxiliary")}
    plan = run(declared(), worker := Worker())
    assert arm(plan, "image", "random_auxiliary").chosen is not None
    assert len([name for name in worker.done if "-s5" in name]) == 18


def test_a_worker_that_died_fails_no_trial() -> None:
    with Session(declared(), Display()) as session:
        run_arms(session, Worker(lambda spec: "died" if spec.seed == 51 else scores(spec)))
    assert not any(each.failed for each in resolve(declared()).arms)
    run(declared(), worker := Worker())
    assert all(each.chosen is not None for each in resolve(declared()).arms)
    assert len([name for name in worker.done if "-s51" in name]) == 36


def test_a_record_without_a_validation_score_is_named() -> None:
    with pytest.raises(UserError, match=r"record\.json: has no validation score, by which values are chosen"):
        run(declared(), Worker(lambda spec: {"val_score": None, "test_score": 99.0}))


def test_other_values_put_the_runs_of_the_former_choice_aside() -> None:
    run(declared(), Worker())
    only = declared(BASE + TUNE.replace("3e-4, 1e-3, 3e-3", "1e-4, 2e-4"))
    plan = run(only, Worker(lambda spec: {"val_score": 50.0, "test_score": 50.0}))
    kept = {path.name for path in RUNS.iterdir() if path.is_dir()}
    assert kept == {run_id(spec) for spec in plan.runs}
    run(declared(), worker := Worker())
    assert not worker.done, "they came back"


PARTS = """
parts:
  - {name: few, set: {finetune.samples: 100}}
  - {name: plain, set: {sweep.tune: null, finetune.learning_rate: 0.002}}
"""


def test_each_part_is_tuned_by_itself_and_one_may_have_no_tuning() -> None:
    plan = run(declared(BASE + TUNE + PARTS), Worker())
    assert {each.arm.part for each in plan.arms} == {"few"}
    assert {spec.finetune.learning_rate for spec in plan.parts["plain"]} == {0.002}
    assert {spec.finetune.samples for each in plan.arms for specs in each.runs for spec in specs} == {100}
    assert {(spec.target, spec.method): rates_of(spec) for spec in plan.parts["few"]} == BEST


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "epochs: 2",
            "epochs: 2, learning_rate: 0.001",
            r"finetune\.learning_rate: changes no run .* sweep\.tune chooses its value",
        ),
        (
            "sweep:",
            "pathway: {scale_lr_multiple: 30}\nsweep:",
            r"pathway\.scale_lr_multiple: changes no run .*sweep\.tune chooses",
        ),
        ("[baseline, random_auxiliary]", "[baseline]", r"sweep\.tune\.scale_lr_multiples: .*none of its methods trains scales"),
    ],
)
def test_what_the_tuning_replaces_or_does_not_read_is_refused(old: str, new: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        refuse_unused_keys(declared((BASE + TUNE).replace(old, new, 1)), "tuned.yaml")


def test_a_multiple_that_is_not_tuned_may_be_set() -> None:
    text = BASE.replace("sweep:", "pathway: {scale_lr_multiple: 7}\nsweep:") + TUNE.replace(
        "scale_lr_multiples: [10, 30, 100], ", ""
    )
    refuse_unused_keys(declared(text), "tuned.yaml")
    assert {rates_of(spec)[1] for spec in resolve(declared(text)).runs} == {None, 7.0}
    refuse_unused_keys(declared(), "tuned.yaml")
    refuse_unused_keys(declared(BASE + TUNE + PARTS), "tuned.yaml")


def test_the_sweep_has_one_name_before_and_after_its_tuning() -> None:
    before = sweep_id(declared())
    assert before == sweep_id(run(declared(), Worker()).study)
    assert before != sweep_id(declared(BASE))


def test_plan_says_what_is_still_to_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tuned.yaml").write_text(BASE + TUNE)
    assert main(["plan", "--study", "tuned.yaml"]) == 0
    said = capsys.readouterr().out
    assert "tuning    4 arms × 9 trials = 36 trials in 72 runs; 0 trials ended\n" in said
    assert "tuning    rates are chosen for 0 of 4 arms; 8 runs on fresh seeds to come\n" in said
    run(declared(), Worker())
    capsys.readouterr()
    assert main(["plan", "--study", "tuned.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["tuning"]
    assert found["to_come"] == 0
    assert next(each["chosen"] for each in found["arms"]) == {LEARNING_RATE: 0.00041}
    assert "test" not in json.dumps(found)


WITHOUT_SERVERS = """
import sys
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from pipelines.execution import process_environment
process_environment.prepare()
from prefect.logging import disable_run_logger
from m2pt.config.study_file import load_study
from pipelines.execution import session as sessions
from pipelines.execution.progress import Display
from pipelines.execution.slot_pool import local_engine
from pipelines.scheduling import flows

def do(session, kind, phase, title, total, todo):
    session.display.begin(phase, total, total - len(todo), title)
    for spec in todo:
        session.do(spec)

nothing = lambda *_: None
sessions.LiveTracking = lambda *_: nullcontext(SimpleNamespace(run_started=nothing, run_ended=nothing))
flows.do_runs, flows.show_outcome = do, nothing
engine = partial(local_engine, worker_command=[sys.executable, *sys.argv[1:]])
for _ in range(2):
    with sessions.Session(load_study("tuned.yaml"), Display(), engine) as session, disable_run_logger():
        print(flows.sweep(session)[0].sentence())
"""


def test_with_workers_every_run_is_done_once_and_a_tuning_run_shows_no_test_score(tmp_path: Path) -> None:
    text = (BASE + TUNE).replace("[image, point]", "[image]").replace("[10, 30, 100]", "[10, 30]").replace("[50, 51]", "[50]")
    (tmp_path / "tuned.yaml").write_text(text)
    arguments = [sys.executable, "-c", WITHOUT_SERVERS, str(FAKE), "nothing-dies", "nothing-fails"]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "4 of 4 fine-tuning runs are complete"
    ended = [line for line in lines if line.startswith("[")]
    assert len(ended) == 2 * 6 + 4
    assert all(("test" in line) == ("-s50" not in line) for line in ended)
    assert {path.read_text() for path in RUNS.glob("*/local/tries.txt")} == {"1"}
    assert any("baseline on image: finetune.learning_rate = 0.0003 (mean validation score" in line for line in lines)


REPLICATES = """
study: tuned
data: {embedded: {}}
encoders: {mae: {kind: mae, seeds: [5, 6]}}
sweep:
  seeds: [0, 1, 2, 3]
  targets: [image]
  auxiliaries: [image, audio]
  methods: [baseline, pathway]
  encoder_seeds: %s
  tune: {learning_rates: [3e-4, 1e-3], seeds: [50, 51, 52]}
"""


@pytest.mark.parametrize(
    ("way", "draws"),
    [("paired", [(50, 0), (51, 1), (52, 0)]), ("crossed", [(50, 0), (50, 1), (51, 0), (51, 1), (52, 0), (52, 1)])],
)
def test_a_tuning_seed_uses_the_replicate_of_its_place(way: str, draws: list[tuple[int, int]], tmp_path: Path) -> None:
    study = declared(REPLICATES % way)
    prints = Fingerprints({"image": "d", "audio": "d"}, {})
    each = tuned.arms(study, prints, tmp_path)
    assert [(found.arm.method, len(found.trials)) for found in each] == [("baseline", 2), ("pathway", 2)]
    for found in each:
        for specs in found.runs:
            assert [(spec.seed, spec.replicate) for spec in specs] == draws
            assert [spec.target_weights.seed for spec in specs if spec.target_weights] == [5 + place for _, place in draws]


def test_a_task_without_validation_data_is_refused_before_any_run() -> None:
    text = """
study: tuned
encoders: {published: {kind: file, paths: {image: i.pth}}}
tasks: {inet: {modality: image, dataset: imagenet, path: imagenet, recipes: {full: mae-finetune}}}
sweep:
  {seeds: [0, 1], targets: [inet], auxiliaries: [], methods: [baseline], target_encoder: published, auxiliary_encoder: random,
   tune: {learning_rates: [3e-4, 1e-3], seeds: [50]}}
"""
    with pytest.raises(UserError, match=r"sweep\.tune: the task inet has no validation data .*tasks\.inet\.holdout"):
        check(declared(text), "tuned.yaml")
    check(declared(text.replace("dataset: imagenet,", "dataset: imagenet, holdout: 0.1,")), "tuned.yaml")
