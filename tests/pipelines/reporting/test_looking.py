"""Looking twice, and registering: whole reports of a study whose runs are made up."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import RECORD, create_run
from m2pt.runs.looks import read_looks
from m2pt.runs.question import former_question
from m2pt.runs.table import read_table
from pipelines.__main__ import main
from pipelines.planning.plan import Plan, resolve
from pipelines.reporting.rendering import render_report
from tests.run_records import finetune_document

STUDY = """
study: NAME
data: {root: data}
encoders: {public: {kind: file, paths: {image: image.pt, audio: audio.pt}}}
sweep: {seeds: [0, 1, 2, 3], targets: [image, audio], auxiliaries: [image, audio], settings: [scratch], auxiliary_encoder: public,
        target_encoder: random, methods: [baseline, pathway, random_auxiliary]}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and weights."""
    monkeypatch.chdir(tmp_path)
    for name in ("image", "audio"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "one.txt").write_text(name)
        (tmp_path / f"{name}.pt").write_text(name)
    return tmp_path


def declared(seeds: list[int], name: str = "first", more: str = "") -> Plan:
    return resolve(parse_study(STUDY.replace("NAME", name).replace("[0, 1, 2, 3]", str(seeds)) + more, "study.yaml"))


def run(plan: Plan, gain: float = 5.0) -> None:
    """All runs of a study; pathways score higher than the others by the gain, give or take."""
    for spec in plan.runs:
        run_dir = create_run(Path("runs") / plan.study.study, spec)
        noise = np.random.default_rng([spec.seed, len(spec.name)]).normal(0, 0.3)
        score = 60.0 + noise + (gain if spec.method == "pathway" else 0.0)
        documents.write_json(run_dir / RECORD, finetune_document(run_dir.name, val_score=score, test_score=score))


def report(plan: Plan) -> str:
    """The Markdown of the report."""
    return (render_report(plan, Path("out")).parent / "report.md").read_text()


CLAIM = "scored higher than random weights"


def _without_terms(text: str) -> str:
    """A report without the section that explains its terms."""
    before, _, after = text.partition("\n## How to read it\n")
    return before + after.partition("\n## ")[2]


def test_a_study_that_is_looked_at_once_makes_its_claims_and_again_the_same():
    plan = declared([0, 1, 2, 3])
    run(plan)
    first = report(plan)
    assert "at most 5 % are expected to be false." in _without_terms(first)
    files = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file() and "local" not in path.parts}
    journal = Path("runs/looks.jsonl").read_bytes()
    assert CLAIM in first
    assert report(plan) == first
    assert {path: path.read_bytes() for path in files} == files
    assert Path("runs/looks.jsonl").read_bytes() == journal
    (look,) = read_looks(Path("runs/looks.jsonl"))
    assert look.seeds == (0, 1, 2, 3)
    assert list(look.complete.values()) == [4, 4]


@pytest.mark.parametrize("name", ["first", "renamed"])
def test_seeds_added_after_a_look_take_the_claims_away(name: str):
    run(declared([0, 1, 2, 3]))
    report(declared([0, 1, 2, 3]))
    more = declared([0, 1, 2, 3, 4, 5], name)
    run(more)
    text = report(more)
    assert "No claim is made: the same question was looked at on" in text
    assert "with seeds 0 to 3 in a fixed design" in text
    assert "what is marked below has none either" in text
    assert "**Error rates.**" not in text
    assert CLAIM not in text
    assert "are expected to be false" not in _without_terms(text), "no table has an error rate here"
    assert "The claims are" not in text and "the claims are [at the top]" not in text
    assert "each by itself, for seeds that are chosen before results are seen, which these were not" in text
    assert 'Family "gains over random weights": **bold** and **\\*** mark p ≤ 0.05 after the correction' in text
    fewer = declared([0, 1, 2], name)
    run(fewer)
    assert CLAIM not in report(fewer)
    assert CLAIM in report(declared([0, 1, 2, 3]))


@pytest.mark.parametrize("seeds", [[0, 1, 2, 3], [2, 3]])
def test_seeds_that_a_part_adds_take_the_claims_away_and_seeds_that_were_there_do_not(seeds: list[int]):
    more = f"parts: [{{name: whole, set: {{sweep.seeds: {[*range(4)]}}}}}, {{name: again, set: {{sweep.seeds: {seeds}}}}}]"
    plan = declared([0, 1, 2, 3], more=more)
    run(plan)
    assert CLAIM in report(plan)
    added = declared([0, 1, 2, 3], more=more.replace(str(seeds), "[4, 5]", 1))
    run(added)
    assert CLAIM in report(plan)
    text = report(added)
    assert "No claim is made: the same question was looked at on" in text
    assert CLAIM not in text


def test_an_encoder_that_no_run_reaches_makes_no_other_question_and_nothing_old():
    run(declared([0, 1, 2, 3]))
    report(declared([0, 1, 2, 3]))
    beside = "encoders: {unused: {kind: mae}, public:"
    text = STUDY.replace("NAME", "more").replace("encoders: {public:", beside)
    same = resolve(parse_study(text, "study.yaml"))
    run(same)
    assert CLAIM in report(same)
    more = resolve(parse_study(text.replace("[0, 1, 2, 3]", "[0, 1, 2, 3, 4]"), "study.yaml"))
    run(more)
    assert "No claim is made: the same question was looked at on" in report(more)
    assert [look.encoder_seeds for look in read_looks(Path("runs/looks.jsonl"))] == [{"public": ()}, {"public": ()}]


def test_a_journal_of_an_older_version_still_forbids_claims_and_stays_as_it_is():
    plan = declared([0, 1, 2, 3])
    run(plan)
    names = {former_question(plan.study, spec): 4 for spec in plan.compared if spec.method == "pathway"}
    line = {"date": "2026-01-01", "study": "first", "design": "fixed", "seeds": [0, 1, 2, 3], "encoder_seeds": {"public": []}}
    journal = Path("runs/looks.jsonl")
    journal.write_text(json.dumps(line | {"complete": names}) + "\n")
    written = journal.read_bytes()
    assert CLAIM in report(plan)
    assert journal.read_bytes() == written
    more = declared([0, 1, 2, 3, 4])
    run(more)
    assert "No claim is made: the same question was looked at on 2026-01-01 with seeds 0 to 3" in report(more)


def compared() -> int:
    Path("other.yaml").write_text(STUDY.replace("NAME", "second").replace("targets: [image, audio]", "targets: [image]"))
    return main(["compare", "study.yaml", "other.yaml"])


@pytest.mark.parametrize("more", ["", "design: {seeds: sequential, planned: 5}\n"])
@pytest.mark.parametrize("show", [lambda: main(["plan", "--study", "study.yaml", "--seeds-needed"]), compared])
def test_a_command_that_shows_differences_is_a_look(show: Callable[[], int], more: str, capsys: pytest.CaptureFixture[str]):
    Path("study.yaml").write_text(STUDY.replace("NAME", "first") + more)
    assert show() == 0
    assert not Path("runs/looks.jsonl").exists()  # there is nothing to be seen yet
    run(declared([0, 1, 2, 3], more=more))
    assert show() == 0
    assert "+4." in capsys.readouterr().out
    assert show() == 0
    (look,) = read_looks(Path("runs/looks.jsonl"))
    assert look.study == "first" and list(look.complete.values()) == [4, 4]
    later = declared([0, 1, 2, 3, 4, 5], more=more)
    run(later)
    text = report(later)
    assert (CLAIM in text) == bool(more)
    assert ("No claim is made: the same question was looked at on" in text) != bool(more)
    same = report(declared([0, 1, 2, 3], more=more))
    assert CLAIM in same


def test_a_plan_without_differences_is_no_look(capsys: pytest.CaptureFixture[str]):
    Path("study.yaml").write_text(STUDY.replace("NAME", "first"))
    run(declared([0, 1, 2, 3]))
    assert main(["plan", "--study", "study.yaml"]) == 0
    assert main(["status", "--study", "study.yaml"]) == 0
    assert "+5" not in capsys.readouterr().out
    assert not Path("runs/looks.jsonl").exists()


def test_fresh_seeds_are_a_study_of_their_own():
    run(declared([0, 1, 2, 3]))
    report(declared([0, 1, 2, 3]))
    fresh = declared([10, 11, 12, 13], "second")
    run(fresh)
    assert CLAIM in report(fresh)


def test_a_study_of_fixed_seeds_is_not_judged_before_its_runs_have_ended():
    plan = declared([0, 1, 2, 3])
    run(plan)
    record = Path("runs/first") / sorted(path.name for path in Path("runs/first").iterdir() if "pathway" in path.name)[0] / RECORD
    content = record.read_bytes()
    record.unlink()
    early = report(plan)
    assert "No claim is made yet: 1 of 16 runs of the main question have not ended" in early
    assert "**Error rates.** Everything, here and in all tables, is exploratory" in early
    assert CLAIM not in early
    record.write_bytes(content)
    assert CLAIM in report(plan)  # the same seeds that were planned before the look


def test_a_report_without_results_is_no_look():
    report(declared([0, 1]))
    assert not Path("runs/looks.jsonl").exists()
    run(declared([0, 1, 2, 3]))
    assert CLAIM in report(declared([0, 1, 2, 3]))


def test_the_report_is_the_same_for_programs():
    run(declared([0, 1, 2, 3]))
    report(declared([0, 1, 2, 3]))
    run(declared([0, 1, 2, 3, 4]))
    report(declared([0, 1, 2, 3, 4]))
    document = json.loads(Path("out/report.json").read_text())
    findings = next(section for section in document["sections"] if section["anchor"] == "findings")
    assert any(block.get("text", "").startswith("No claim is made") for block in findings["blocks"])


def test_a_sequential_design_keeps_its_claims_when_seeds_are_added():
    more = "design: {seeds: sequential, planned: 5}\n"
    run(declared([0, 1, 2, 3], more=more))
    first = report(declared([0, 1, 2, 3], more=more))
    run(declared([0, 1, 2, 3, 4], more=more))
    second = report(declared([0, 1, 2, 3, 4], more=more))
    for text in (first, second):
        assert "Sequential seeds" in text
        assert CLAIM in text
        assert "No claim" not in text
        assert "(false discovery rate 5 %, for a number of seeds that does not depend on what was seen)" in text
        assert "at most 5 % are expected to be false, unless seeds were added because of what was seen." in text
    assert [look.design for look in read_looks(Path("runs/looks.jsonl"))] == ["sequential 5", "sequential 5"]


def registered(text: str = "", *options: str) -> int:
    Path("study.yaml").write_text(STUDY.replace("NAME", "first") + text)
    return main(["register", "--study", "study.yaml", *options])


def test_a_registered_study_is_confirmatory(capsys: pytest.CaptureFixture[str]):
    assert registered("design: {smallest_difference: 1.5}\n") == 0
    assert "registered in registrations/first.json (hash " in capsys.readouterr().out
    document = json.loads(Path("registrations/first.json").read_text())
    assert document["seeds"] == [0, 1, 2, 3]
    assert document["contrast"]["methods"] == ["pathway", "random_auxiliary"]
    assert document["smallest_difference"] == 1.5
    assert "over 2 pairs of targets and auxiliaries" in document["question"]
    family = [(claim["pairs"], claim["share"]) for claim in document["primary_family"]]
    assert family[0][0] == ["image from audio", "audio from image"]
    assert sum(share for _, share in family) == pytest.approx(1.0)
    plan = declared([0, 1, 2, 3], more="design: {smallest_difference: 1.5}\n")
    run(plan)
    text = report(plan)
    assert f"**confirmatory**: registered on {document['date'][:10]} (hash {document['hash'][:8]})" in text
    assert "shown to be larger than 1.5 points, the smallest difference of interest" in text


def test_the_seeds_that_are_needed_are_for_the_smallest_difference_of_interest(capsys: pytest.CaptureFixture[str]):
    run(declared([0, 1, 2, 3]))
    needed = []
    for more, words in (("", "1 point"), ("design: {smallest_difference: 0.5}\n", "0.5 points")):
        Path("study.yaml").write_text(STUDY.replace("NAME", "first") + more)
        assert main(["plan", "--study", "study.yaml", "--seeds-needed"]) == 0
        output = capsys.readouterr().out
        (line,) = (line for line in output.splitlines() if "image from audio" in line)
        assert f"needed for {words}: at most " in line
        needed.append(int(line.split(f"{words}: at most ")[1].split()[0]))
    assert 2 <= needed[0] < needed[1]


def needed_of(line: str) -> tuple[float, int]:
    """What a line of `plan --seeds-needed` says: the difference that can be detected, and the seeds for one point."""
    return float(line.split("can detect ")[1].split(";")[0]), int(line.split("needed for 1 point: at most ")[1].split()[0])


def ends_of(spread: float, n: int, level: float) -> tuple[float, int]:
    """The same from the definitions, with scipy's noncentral t distribution: power 80 %, the spread at its upper 90 % bound."""
    bound = spread * math.sqrt((n - 1) / stats.chi2.ppf(0.1, n - 1))

    def power(size: float, count: int) -> float:
        reach, shift = stats.t.isf(level / 2, count - 1), size / bound * math.sqrt(count)
        return float(stats.nct.sf(reach, count - 1, shift))

    size = optimize.brentq(lambda effect: power(effect, n) - 0.8, 1e-3, 100.0)
    return float(size), next(count for count in range(2, 1000) if power(1.0, count) >= 0.8)


def test_declared_questions_are_judged_at_their_share_of_the_error_rate(capsys: pytest.CaptureFixture[str]):
    path = with_question()
    plan = resolve(parse_study(Path(path).read_text(), path))
    run(plan, gain=1.0)
    assert main(["plan", "--study", path, "--seeds-needed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if "shuffled_auxiliary over random_auxiliary, on average over 2 pairs" in line)
    table = read_table(plan.compared, Path("runs/first"))
    by_seed = table.pivot_table(index="seed", columns=["target", "method"], values="test_score")
    gains = sum(by_seed[t]["shuffled_auxiliary"] - by_seed[t]["random_auxiliary"] for t in ("image", "audio")) / 2
    size, count = ends_of(float(gains.std()), 4, 0.05 * 60 / 140)  # beside an average with 60 parts, and its pairs with 20
    assert needed_of(line) == (pytest.approx(size, abs=0.01), count)
    (average,) = (line for line in lines if "other modalities over random weights, on average over 2 pairs" in line)
    assert needed_of(average)[1] >= 2


def test_a_sequential_design_needs_more_seeds_for_its_averages(capsys: pytest.CaptureFixture[str]):
    run(declared([0, 1, 2, 3]))
    needed = []
    for more in ("", "design: {seeds: sequential, planned: 4}\n"):
        Path("study.yaml").write_text(STUDY.replace("NAME", "first") + more)
        assert main(["plan", "--study", "study.yaml", "--seeds-needed"]) == 0
        (line,) = (line for line in capsys.readouterr().out.splitlines() if "other modalities" in line)
        needed.append(needed_of(line))
    assert needed[0][0] < needed[1][0]
    assert needed[0][1] <= needed[1][1]


def test_a_question_that_nothing_answers_is_named_where_seeds_are_planned(capsys: pytest.CaptureFixture[str]):
    path = with_question("[baseline, pathway, random_auxiliary]")
    parts = "parts: [{name: a, set: {pathway.scale_init: 0.1}}, {name: b, set: {sweep.methods: [shuffled_auxiliary]}}]\n"
    Path(path).write_text(Path(path).read_text() + parts)
    assert main(["plan", "--study", path, "--seeds-needed"]) == 0
    assert "shuffled_auxiliary over random_auxiliary: no runs answer this question" in capsys.readouterr().out


def test_without_a_registration_claims_are_exploratory():
    run(declared([0, 1, 2, 3]))
    assert "**exploratory**: the study was not registered" in report(declared([0, 1, 2, 3]))


def test_a_registration_is_never_replaced(capsys: pytest.CaptureFixture[str]):
    assert registered() == 0
    content = Path("registrations/first.json").read_bytes()
    assert registered("design: {smallest_difference: 1.5}\n") == 2
    assert "registrations/first.json: the study was registered on" in capsys.readouterr().err
    assert Path("registrations/first.json").read_bytes() == content


def test_a_study_with_runs_is_registered_only_if_asked_and_names_them(capsys: pytest.CaptureFixture[str]):
    run(declared([0, 1, 2, 3]))
    assert registered() == 2
    error = capsys.readouterr().err
    assert "study.yaml: a study is registered before it has runs, but " in error
    assert "and 21 more exist in runs/first" in error
    assert len(error.splitlines()) == 1
    assert not Path("registrations").exists()
    assert registered("", "--despite-runs") == 0
    assert len(json.loads(Path("registrations/first.json").read_text())["older_runs"]) == 24
    text = report(declared([0, 1, 2, 3]))
    assert "**exploratory**: the study was registered on" in text
    assert "24 runs are older than the registration" in text


def test_what_changed_since_the_registration_is_named():
    assert registered() == 0
    plan = declared([0, 1, 2, 3], more="pathway: {scale_init: 0.5}\n")
    run(plan)
    assert "this key has changed since: `pathway.scale_init`" in report(plan)
    path = Path("registrations/first.json")
    path.write_text(path.read_text().replace("percentage points", "points"))
    assert "its registration was changed after it was written" in report(plan)


def test_a_study_without_the_question_cannot_be_registered(capsys: pytest.CaptureFixture[str]):
    Path("study.yaml").write_text(STUDY.replace("NAME", "first").replace(", random_auxiliary]", "]"))
    assert main(["register", "--study", "study.yaml"]) == 2
    needed = "first: asks no question that can be registered; its runs need the methods pathway and random_auxiliary"
    assert needed in capsys.readouterr().err


MORE = "design: {questions: [{method: shuffled_auxiliary}]}\n"


def with_question(methods: str = "[baseline, pathway, random_auxiliary, shuffled_auxiliary]") -> str:
    Path("study.yaml").write_text(STUDY.replace("NAME", "first").replace("[baseline, pathway, random_auxiliary]", methods) + MORE)
    return "study.yaml"


def test_a_declared_question_is_registered_judged_and_looked_at():
    assert main(["register", "--study", with_question()]) == 0
    document = json.loads(Path("registrations/first.json").read_text())
    assert "Do auxiliary encoders of other modalities do more" in document["question"]
    assert "Does `shuffled_auxiliary` score otherwise than `random_auxiliary`? " in document["question"]
    assert document["declared"]["design.questions"] == [{"method": "shuffled_auxiliary", "over": None}]
    claim = document["primary_family"][-1]
    assert claim["about"] == "shuffled_auxiliary over random_auxiliary"
    assert claim["pairs"] == ["image from audio", "audio from image"]
    plan = resolve(parse_study(Path("study.yaml").read_text(), "study.yaml"))
    late = [spec for spec in plan.runs if spec.method == "shuffled_auxiliary"]
    run(replace(plan, runs=[spec for spec in plan.runs if spec not in late]))
    assert f"{len(late)} of 24 runs of the main question have not ended" in report(plan)
    run(replace(plan, runs=late))
    text = report(plan)
    assert "`shuffled_auxiliary` scores otherwise than `random_auxiliary`" in text
    assert "**confirmatory**" in text
    seen = read_looks(Path("runs/looks.jsonl"))[-1].complete
    assert sum(name.startswith("image-from-audio-shuffled_auxiliary") and count == 4 for name, count in seen.items()) == 1


def test_a_study_can_ask_a_declared_question_alone():
    assert main(["register", "--study", with_question("[baseline, random_auxiliary, shuffled_auxiliary]")]) == 0
    document = json.loads(Path("registrations/first.json").read_text())
    assert document["contrast"]["methods"] == ["shuffled_auxiliary", "random_auxiliary"]
    assert [(claim["about"], claim["share"]) for claim in document["primary_family"]] == [
        ("shuffled_auxiliary over random_auxiliary", 1.0)
    ]


def test_a_tuned_study_is_registered_before_its_rates_are_chosen():
    path = Path(with_question("[baseline, random_auxiliary, shuffled_auxiliary]"))
    tune = ", tune: {learning_rates: [0.001, 0.003], seeds: [50, 51]}, methods"
    path.write_text(path.read_text().replace(", methods", tune).replace("NAME", "first"))
    plan = resolve(parse_study(path.read_text(), "study.yaml"))
    assert not plan.compared
    assert main(["register", "--study", str(path)]) == 0
    document = json.loads(Path("registrations/first.json").read_text())
    assert document["primary_family"][0]["about"] == "shuffled_auxiliary over random_auxiliary"
    assert document["primary_family"][0]["pairs"] == ["image from audio", "audio from image"]
    assert document["declared"]["sweep.tune.learning_rates"] == [0.001, 0.003]
    run(plan)
    after = resolve(parse_study(path.read_text(), "study.yaml"))
    run(replace(after, runs=after.compared))
    assert "**confirmatory**" in report(after)


def test_a_question_that_nothing_answers_is_not_registered(capsys: pytest.CaptureFixture[str]):
    path = with_question("[baseline, pathway, random_auxiliary]")
    parts = "parts: [{name: a, set: {pathway.scale_init: 0.1}}, {name: b, set: {sweep.methods: [shuffled_auxiliary]}}]\n"
    Path(path).write_text(Path(path).read_text() + parts)
    assert main(["register", "--study", path]) == 2
    words = "design.questions: shuffled_auxiliary over random_auxiliary has no runs in a: target from scratch, everything tuned"
    assert words in capsys.readouterr().err


def test_a_study_without_primary_claims_speaks_of_none():
    text = STUDY.replace("NAME", "plain").replace("[baseline, pathway, random_auxiliary]", "[baseline, random_auxiliary]")
    plan = resolve(parse_study(text, "study.yaml"))
    run(plan)
    said = report(plan)
    assert "**Error rates.** Everything, here and in all tables, is exploratory" in said
    assert "was not registered" not in said
