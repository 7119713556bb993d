"""The search of a study: what is proposed, what is run, what is chosen, and that a stop changes none of it."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import pytest

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.sections import search as search_section
from m2pt.analysis.tables import search as search_analysis
from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import FAILURE, RECORD, create_run, run_state
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from m2pt.runs.trials import CHOSEN, DECLARED, Trial
from pipelines.__main__ import main
from pipelines.execution import search
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning import search_ranges
from pipelines.planning.plan import Plan, resolve, sweep_id
from pipelines.planning.search_journal import JOURNAL, search_id
from pipelines.reporting import as_html, as_markdown
from pipelines.reporting.rendering import is_done, render_report, require_choice
from tests.analysis import synthetic
from tests.pipelines.scheduling.test_flows import FAKE, environment
from tests.run_records import finetune_document

BASE = """
study: seek
data: {root: data}
model: {width: 16, depth: 2, heads: 2}
encoders: {}
finetune: {epochs: 2}
sweep: {seeds: [0, 1], targets: [image, point], auxiliaries: [], methods: [baseline, random_auxiliary], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
execution: {devices: cpu, slots: 2}
"""
KEY = "pathway.scale_lr_multiple"
SEARCH = """
search:
  trials: %d
  sampler: %s
  seeds: [100]
  method: random_auxiliary
  ranges: {%s}
"""
WIDE = f"{KEY}: {{low: 1, high: 1000, log: true}}"
RUNS = Path("runs/seek")

Scores = Callable[[RunSpec], Mapping[str, float | None] | str]
"""The scores of a run, or why it fails."""


def declared(trials: int = 6, sampler: str = "tpe", ranges: str = WIDE, base: str = BASE) -> Study:
    return parse_study(base + SEARCH % (trials, sampler, ranges), "seek.yaml")


def multiple(spec: RunSpec) -> float:
    assert spec.pathway is not None
    return spec.pathway.scale_lr_multiple


def scores(spec: RunSpec) -> Mapping[str, float | None]:
    """Best at 300 by validation, and by test as far away from there as can be."""
    distance = abs(multiple(spec) - 300) / 10
    return {"val_score": 90 - distance, "test_score": distance}


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
                documents.write_json(run_dir / FAILURE, {"error": result, "details": "", "kind": "error"})
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
    with Session(study, Display()) as session:
        session.tidy()
        search.run_trials(session, worker)
    return resolve(study)


def tried(plan: Plan) -> list[object]:
    return [trial.values[KEY] for trial in plan.trials]


def test_a_stopped_search_goes_on_with_the_very_trials_that_it_would_have_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(declared(9), one := Worker())
    journal, folders = (RUNS / JOURNAL).read_bytes(), sorted(path.name for path in RUNS.iterdir())
    (tmp_path / "again").mkdir()
    (tmp_path / "again/data").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "again")
    done: Counter[str] = Counter()
    for stop_after in (3, 0, 8):  # within a trial, before the first run of one, between two trials
        worker = Worker(stop_after=stop_after)
        with pytest.raises(KeyboardInterrupt):
            run(declared(9), worker)
        done += worker.done
    again = run(declared(9), worker := Worker())
    assert (RUNS / JOURNAL).read_bytes() == journal
    assert sorted(path.name for path in RUNS.iterdir()) == folders
    assert again.trials == whole.trials
    assert done + worker.done == one.done
    assert set(one.done.values()) == {1}, "no run is done twice"


def test_the_first_trial_has_the_declared_values_where_the_ranges_hold_them() -> None:
    assert tried(run(declared(1), Worker())) == [30.0]
    outside = run(declared(1, ranges=f"{KEY}: {{low: 100, high: 1000}}"), Worker())
    assert 100 <= float(str(tried(outside)[0])) <= 1000


def test_the_choice_follows_validation_and_no_test_score_counts() -> None:
    plan = run(declared(8), Worker())
    chosen = plan.chosen
    assert chosen is not None
    assert chosen.values[KEY] == min((float(str(value)) for value in tried(plan)), key=lambda value: abs(value - 300))
    assert chosen.score == pytest.approx(90 - abs(float(str(chosen.values[KEY])) - 300) / 10)
    by_test = max(plan.parts, key=lambda part: 0 if part in (DECLARED, CHOSEN) else scores(plan.parts[part][0])["test_score"])
    assert by_test != chosen.name, "test scores say something else"
    for record in RUNS.glob("*/record.json"):
        document = json.loads(record.read_text())
        record.write_text(json.dumps(document | {"test_score": 100 - document["test_score"], "test_scores": {}}))
    assert resolve(declared(8)).trials == plan.trials


def test_the_chosen_values_are_run_with_all_methods_on_seeds_that_no_trial_has_seen() -> None:
    study = declared(5)
    plan = run(study, Worker())
    assert plan.chosen is not None
    parts = plan.parts
    assert {spec.seed for name, specs in parts.items() if name.startswith("trial") for spec in specs} == {100}
    assert {(spec.method, spec.seed) for spec in parts[CHOSEN]} == {
        (method, seed) for method in ("baseline", "random_auxiliary") for seed in (0, 1)
    }
    assert {multiple(spec) for spec in parts[CHOSEN] if spec.pathway} == {plan.chosen.values[KEY]}
    assert {multiple(spec) for spec in parts[DECLARED] if spec.pathway} == {30.0}
    assert len(plan.compared) == 4 + 8, "the baselines of both parts are the same runs"
    assert not {run_id(spec) for spec in plan.compared} & {path.name for path in RUNS.iterdir()}


def test_the_sampler_learns_from_the_scores() -> None:
    def distances(sampler: str) -> list[float]:
        study = declared(24, sampler)
        trials: list[Trial] = []
        assert study.search is not None
        for number in range(24):
            values = search.propose(study.search, study, trials)
            distance = abs(float(str(values[KEY])) - 300)
            trials.append(Trial(number, values, "complete", 90 - distance / 10))
        return [abs(float(str(trial.values[KEY])) - 300) for trial in trials[12:]]

    assert median(distances("tpe")) < 0.5 * median(distances("random"))


def test_trials_share_the_runs_that_are_equal() -> None:
    worker = Worker()
    plan = run(
        declared(7, "random", f"{KEY}: {{choices: [30, 300]}}, pathway.layers: {{choices: [[attn.qkv], [mlp.fc1]]}}"), worker
    )
    assert len(plan.trials) == 7
    assert len(worker.done) <= 2 * 4
    assert set(worker.done.values()) == {1}
    assert {trial.state for trial in plan.trials} == {"complete"}


def test_a_trial_with_a_failed_run_has_failed_and_the_search_goes_on() -> None:
    def judge(spec: RunSpec) -> Mapping[str, float | None] | str:
        return "the loss of epoch 1 is not finite." if multiple(spec) > 250 and spec.target == "point" else scores(spec)

    study = declared(8)
    plan = run(study, Worker(judge))
    failed = [trial for trial in plan.trials if trial.state == "failed"]
    assert failed
    assert all(trial.score is None and "point-from-random" in trial.reason and "not finite" in trial.reason for trial in failed)
    assert [trial.state == "failed" for trial in plan.trials] == [float(str(value)) > 250 for value in tried(plan)]
    assert plan.chosen is not None
    assert plan.chosen.values[KEY] == max(float(str(trial.values[KEY])) for trial in plan.trials if trial.state == "complete")
    worker = Worker()
    assert run(study, worker).trials == plan.trials
    assert not worker.done, "what has failed is not tried again by itself"
    for trial in failed:
        worker("", plan.parts[trial.name])
    assert [trial.state for trial in resolve(study).trials] == ["complete"] * 8, "but counts once it is complete"


def test_a_search_in_which_every_trial_failed_says_so_and_chooses_nothing(tmp_path: Path) -> None:
    plan = run(declared(2), Worker(lambda spec: "no scale moved."))
    assert plan.chosen is None
    assert set(plan.parts) == {DECLARED, "trial-0", "trial-1"}
    with pytest.raises(UserError, match=r"no trial of the search is complete.*no scale moved"):
        require_choice(plan)
    assert not is_done(plan, tmp_path)


def test_what_keeps_a_run_from_being_tried_ends_the_search_and_fails_no_trial() -> None:
    with pytest.raises(UserError, match=r"the search stops because .*-s100.* could not be run"):
        run(declared(3), _Idle())
    assert [trial.state for trial in resolve(declared(3)).trials] == ["unfinished"]


class _Idle(Worker):
    def __call__(self, title: str, specs: Sequence[RunSpec]) -> None:
        return


def test_other_ranges_are_another_search_and_more_trials_are_not() -> None:
    first = run(declared(4), Worker())
    names = sorted(path.name for path in RUNS.iterdir())
    more = run(declared(6), worker := Worker())
    assert tried(more)[:4] == tried(first)
    assert len(worker.done) == 4
    other = declared(2, ranges=f"{KEY}: {{low: 2, high: 4}}")
    assert not resolve(other).trials
    run(other, Worker())
    assert len([path for path in RUNS.iterdir() if path.is_dir()]) == 4
    back = run(declared(4), worker := Worker())
    assert back.trials == first.trials
    assert sorted(path.name for path in RUNS.iterdir()) == names
    assert not worker.done, "they were put aside and came back"


def test_a_search_that_is_declared_again_goes_on_where_it_was_and_runs_nothing_twice() -> None:
    """Also a trial that failed: its failure is remembered, and not tried again."""
    flawed = lambda spec: "the moon was in the way." if multiple(spec) > 100 else scores(spec)  # noqa: E731
    before = run(declared(6), Worker(flawed))
    assert "failed" in {trial.state for trial in before.trials}
    other = run(declared(3, ranges=f"{KEY}: {{low: 1, high: 50, log: true}}"), Worker())
    run(declared(2), shorter := Worker())
    again = run(declared(6), worker := Worker())
    assert again.trials == before.trials
    assert shorter.done == worker.done == Counter()
    back = run(declared(3, ranges=f"{KEY}: {{low: 1, high: 50, log: true}}"), worker)
    assert (back.trials, worker.done) == (other.trials, Counter())


def test_other_data_are_another_search() -> None:
    """A trial that failed on the old data says nothing of the new ones, nor do proposals that followed from their scores."""
    failed = run(declared(2), Worker(lambda spec: "the data are damaged"))
    assert [trial.state for trial in failed.trials] == ["failed", "failed"]
    Path("data/image/one.txt").write_text("2")
    assert not resolve(declared(2)).trials
    assert [trial.state for trial in run(declared(2), Worker()).trials] == ["complete", "complete"]
    Path("data/image/one.txt").write_text("1")
    assert resolve(declared(2)).trials == failed.trials, "the search of these data is remembered beside the other"


def test_a_record_without_a_validation_score_is_named() -> None:
    with pytest.raises(UserError, match=r"record\.json: has no validation score"):
        run(declared(1), Worker(lambda spec: {"val_score": None, "test_score": 99.0}))


@pytest.mark.parametrize("content", ["", "null", "[]", '{"search": 1', '{"trials": []}'])
def test_a_damaged_journal_is_named_and_the_next_start_makes_the_same_again(
    content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study, journal = declared(3), RUNS / "search.json"
    before = tried(run(study, Worker()))
    whole = journal.read_bytes()
    journal.write_text(content or whole.decode().replace('"trials": [', '"trials": [ '))
    sentence = r"^runs/seek/search\.json: .*; start the study again: the same trials are proposed again"
    with pytest.raises(UserError, match=sentence):
        resolve(study)
    plan = resolve(study, to_look=True)
    assert plan.trials == [] and re.match(sentence, plan.faults[0])
    again = Worker()
    assert tried(run(study, again)) == before
    assert "it was moved to runs/.replaced/seek/search.json, and the same trials are proposed again." in capsys.readouterr().out
    assert again.done.total() == 0 and journal.read_bytes() == whole


def test_a_method_without_runs_is_told_before_the_first_trial() -> None:
    study = declared(base=BASE.replace("random_auxiliary]", "random_auxiliary, pathway]")).model_copy()
    assert study.search is not None
    study = study.model_copy(update={"search": study.search.model_copy(update={"method": "pathway"})})
    with pytest.raises(UserError, match=r"seek\.yaml: search\.method: pathway has no runs in this sweep"):
        search_ranges.check(study, "seek.yaml")


ORCA = """
study: seek
data: {embedded: {seed: 0, pretrain: 200, train: 100, val: 50, test: 50}}
model: {width: 16, depth: 2, heads: 2}
encoders: {mae: {kind: mae}}
finetune: {epochs: 4, samples: 96, batch_size: 32}
rivals: {alignment_steps: 2}
sweep:
  {seeds: [0], targets: [image], auxiliaries: [audio], methods: [baseline, orca], target_encoder: mae, auxiliary_encoder: mae}
search: {trials: 4, seeds: [100], method: orca, ranges: {%s}}
execution: {devices: cpu}
"""


@pytest.mark.parametrize(
    ("range_", "told"),
    [
        # 96 samples in batches of 32, four times: 12 steps.
        ("rivals.alignment_steps: {low: 1, high: 12, integer: true}", "alignment_steps: 12 must be less than the 12 steps"),
        ("finetune.samples: {low: 64, high: 200, integer: true}", "samples: 200 requested, but the train split of image"),
        ("finetune.warmup_epochs: {low: 0, high: 4}", "finetune.warmup_epochs: 4 must be less than the 4 epochs"),
        ("finetune.mixing_rows: {low: 2, high: 8, integer: true}", "mixing_rows: must be an even whole number above 0 (got 3)"),
    ],
)
def test_a_range_that_reaches_runs_which_cannot_start_is_refused_with_file_and_key(
    range_: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seek.yaml").write_text(ORCA % range_)
    assert main(["plan", "--study", "seek.yaml"]) == 2
    error = capsys.readouterr().err
    key = range_.partition(":")[0]
    assert "seek.yaml:10: search.ranges" in error
    assert key in error
    assert told in error


def test_a_range_within_the_bounds_is_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "seek.yaml").write_text(ORCA % "rivals.alignment_steps: {low: 1, high: 11, integer: true}")
    assert main(["plan", "--study", "seek.yaml"]) == 0
    capsys.readouterr()


def test_proposals_are_short_numbers_within_their_ranges() -> None:
    ranges = "finetune.epochs: {low: 2, high: 4, integer: true}, pathway.scale_init: {low: 0.1, high: 0.10001}, " + WIDE
    plan = run(declared(12, "random", ranges), Worker())
    for trial in plan.trials:
        assert trial.values["finetune.epochs"] in (2, 3, 4)
        assert 0.1 <= float(str(trial.values["pathway.scale_init"])) <= 0.10001
        assert len(str(trial.values[KEY]).replace(".", "").strip("0")) <= 4
    assert len({trial.values["pathway.scale_init"] for trial in plan.trials}) > 5


def test_a_search_changes_neither_ids_nor_the_sweep_of_mlflow() -> None:
    plain = parse_study(BASE, "seek.yaml")
    assert "search" not in plain.model_dump()
    known = {run_id(spec) for spec in resolve(plain).runs}
    study = declared(2)
    assert {run_id(spec) for spec in resolve(study).compared} == known
    before = sweep_id(study)
    run(study, Worker())
    assert sweep_id(resolve(study).study) == before


def test_a_design_changes_no_id_and_is_left_out_where_it_is_the_default() -> None:
    plain = parse_study(BASE, "seek.yaml")
    assert "design" not in plain.model_dump()
    designed = parse_study(BASE + "design: {seeds: sequential, planned: 8, smallest_difference: 1}", "seek.yaml")
    assert designed.model_dump()["design"]["planned"] == 8
    assert [run_id(spec) for spec in resolve(designed).runs] == [run_id(spec) for spec in resolve(plain).runs]
    assert sweep_id(designed) == sweep_id(plain)
    searched = [
        parse_study(BASE + SEARCH % (2, "tpe", WIDE) + design, "seek.yaml") for design in ("", "design: {smallest_difference: 2}")
    ]
    assert search_id(searched[0], resolve(searched[0]).prints) == search_id(searched[1], resolve(searched[1]).prints)


def test_plan_counts_the_trials_and_what_is_still_to_come(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "seek.yaml").write_text(BASE + SEARCH % (5, "tpe", WIDE))
    assert main(["plan", "--study", "seek.yaml"]) == 0
    assert "search    0 of 5 trials\n" in capsys.readouterr().out
    assert resolve(declared(5)).to_come == {"random_auxiliary": 2 * 5 + 4, "baseline": 4}
    run(declared(5), Worker())
    capsys.readouterr()
    assert main(["plan", "--study", "seek.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["search"]
    assert (found["budget"], len(found["trials"])) == (5, 5)
    assert found["trials"][found["chosen"]]["score"] == max(trial["score"] for trial in found["trials"])
    assert not resolve(declared(5)).to_come


@pytest.mark.parametrize("command", ["plan", "search", "study"])
def test_the_command_refuses_what_it_cannot_do_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    (tmp_path / "params.yaml").write_text(BASE + SEARCH % (5, "tpe", WIDE))
    assert main([command]) == 2
    assert "params.yaml: search: the default study runs stage by stage" in capsys.readouterr().err
    (tmp_path / "plain.yaml").write_text(BASE)
    assert main(["search", "--study", "plain.yaml"]) == 2
    assert "plain.yaml: search: is missing" in capsys.readouterr().err


def _section(study: Study, ending: str = "md") -> str:
    """The report's section of the search as things stand; the compared runs are in it once all are complete."""
    plan = resolve(study)
    table = read_table(plan.compared, RUNS, plan.parts)
    section = search_section.section(study, search_analysis.story(study, plan.trials, cells(table)))
    assert section is not None
    return {"md": as_markdown, "html": as_html}[ending].blocks(section.blocks)


def _complete(spec: RunSpec) -> None:
    score = 40.0 + spec.seed if spec.pathway is None else 90 - abs(multiple(spec) - 300) / 10 + spec.seed % 100
    synthetic.write_run(synthetic.Planned(declared(), [], [], RUNS, RUNS), spec, score)


def test_the_report_tells_of_the_search_before_during_and_after_it() -> None:
    study = declared(4)
    assert "0 of 4 trials were proposed" in _section(study)

    class Stopped(Worker):
        def __call__(self, title: str, specs: Sequence[RunSpec]) -> None:
            if "trial 2" in title:
                documents.write_json(create_run(RUNS, specs[0]) / FAILURE, {"error": "no | scale", "kind": "error"})
            elif "trial 3" in title and self.left == 0:
                raise KeyboardInterrupt
            else:
                for spec in specs:
                    _complete(spec)

    with pytest.raises(KeyboardInterrupt):
        run(study, Stopped(stop_after=0))
    during = _section(study)
    assert "4 of 4 trials were proposed" in during
    assert "2 complete, 1 failed, 1 unfinished" in during
    assert "Nothing is chosen before all trials have ended" in during
    plan = run(study, Stopped())
    for spec in plan.compared:
        _complete(spec)
    after, page = _section(study), _section(study, "html")
    assert plan.chosen is not None
    number, value = plan.chosen.number, float(str(plan.chosen.values[KEY]))
    assert number != 0
    assert f"Trial {number} has the best validation score and is chosen" in after
    assert after.count("**chosen**") == 1
    assert "no \\| scale" in after
    assert "no | scale" in page
    assert page.count("<circle") == 3
    assert f"| {number} | **{plan.chosen.score:.2f}** | {plan.chosen.score:.2f} | {value} | **chosen** |" in after
    rows = {line.split("`")[1]: line for line in after.splitlines() if line.startswith("| `")}
    assert rows["random_auxiliary"].startswith("| `random_auxiliary` | 63.5 ± 6.4 |")
    assert f"| +{(270 - abs(value - 300)) / 10:.2f}" in rows["random_auxiliary"]
    assert "| 40.5 ± 6.4 | 40.5 ± 6.4 | 0.00" in rows["baseline"]


def test_the_report_of_a_search_compares_no_trial(tmp_path: Path) -> None:
    study = declared(2, base=BASE.replace("[image, point]", "[image]"))
    plan = run(study, Worker())
    for spec in plan.runs:
        _complete(spec)
    out = render_report(resolve(study), tmp_path / "reports").parent
    assert '<section id="search"' in (out / "chosen.html").read_text()
    assert "## Search" in (out / "report.md").read_text()
    results = (out / "results.csv").read_text()
    assert "-s0-" in results
    assert "-s100-" not in results, "test scores of trials are in no table"
    assert (out / "plots/search.csv").read_text().splitlines()[1].startswith("0,complete,63.5,63.5,True,30.0,")


def test_a_trial_is_better_only_where_its_validation_score_is_higher() -> None:
    from m2pt.runs.trials import best_so_far

    def trial(number: int, score: float | None) -> Trial:
        return Trial(number, {}, "failed" if score is None else "complete", score)

    trials = [trial(0, None), trial(1, 50.0), trial(2, 50.0), trial(3, None), trial(4, 51.0)]
    assert [best and best.number for best in best_so_far(trials)] == [None, 1, 1, 1, 4]


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
    with sessions.Session(load_study("seek.yaml"), Display(), engine) as session, disable_run_logger():
        print(flows.search(session)[0].sentence())
"""


def test_with_workers_every_run_is_done_once_and_a_trial_shows_no_test_score(tmp_path: Path) -> None:
    embedded = BASE.replace("{root: data}", "{root: data, embedded: {}}")  # which are not looked into
    (tmp_path / "seek.yaml").write_text(embedded + SEARCH % (3, "tpe", WIDE))
    names = [run_id(spec) for spec in resolve(declared(3)).compared]
    arguments = [sys.executable, "-c", WITHOUT_SERVERS, str(FAKE), "nothing-dies", "nothing-fails"]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    end = f"{len(names)} of {len(names)} fine-tuning runs are complete"
    assert lines[-1] == lines[-3] == end, "of equal scores the first, which has the declared values, is chosen"
    assert lines[-2] == f"seek: {end}.", "the second time nothing is left to do"
    ended = [line for line in lines if line.startswith("[")]
    assert len(ended) == 2 * 3 + len(names)
    assert all(("test" in line) == ("-s100" not in line) for line in ended)
    assert sum(": trial" in line and "to do" not in line for line in lines) == 3
    assert {path.read_text() for path in RUNS.glob("*/local/tries.txt")} == {"1"}
