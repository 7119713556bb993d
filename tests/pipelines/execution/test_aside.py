"""A study file that is narrowed and widened: what exists is not trained again, what is not declared does not stay."""

import random
from pathlib import Path

import pytest

from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.files.state import file_sha256
from m2pt.runs.folder import ENCODER, HISTORY, MERGED, RECORD, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning.folders import aside_of, encoders_folder, replaced_of, runs_folder
from pipelines.planning.plan import resolve
from tests.run_records import finetune_document, pretrain_document

STUDY = """
study: small
data: {{root: data}}
model: {{width: 16, depth: 2, heads: 2}}
encoders: {{mae: {{kind: mae}}, more: {{kind: labels, start: mae}}, other: {{kind: mae, seed: 7}},
           last: {{kind: labels, start: other}}}}
pretrain: {{mae: {{steps: {steps}}}}}
sweep: {{seeds: {seeds}, targets: {targets}, auxiliaries: {auxiliaries}, methods: {methods}, settings: {settings},
        target_encoder: {target}, auxiliary_encoder: {auxiliary}}}
parts: {parts}
"""
CHOICES = {
    "steps": [20, 30],
    "seeds": ["[0]", "[0, 1]", "[1]"],
    "targets": ["[image]", "[image, point]", "[video]"],
    "auxiliaries": ["[image, audio]", "[audio]"],
    "methods": ["[baseline]", "[baseline, pathway]", "[baseline, frozen_encoder, random_auxiliary]"],
    "settings": ["[pretrained]", "[scratch]", "[pretrained, scratch]"],
    "target": ["mae", "random", "more"],
    "auxiliary": ["more", "last", "mae"],
    "parts": [
        "[]",
        "[{name: normal}, {name: backwards, set: {pathway.order: reversed}}]",
        "[{name: as-is}, {name: third, set: {sweep.auxiliary_encoder: last, sweep.seeds: [2]}}]",
    ],
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for modality in ("image", "audio", "point", "video"):
        (tmp_path / "data" / modality).mkdir(parents=True)
        (tmp_path / "data" / modality / "one.txt").write_text(modality)


class Work:
    """Does runs in no time, as the flows do: encoders first, a chained one when its start is there. Counts what it trains."""

    def __init__(self) -> None:
        self.trained: list[str] = []

    def __call__(self, **choices: object) -> set[Path]:
        """Do a study; returns the folders of its runs."""
        study = parse_study(STUDY.format(**choices), "study.yaml")
        with Session(study, Display()) as session:
            session.tidy()
            while todo := [spec for spec in session.look_again().pretrain if self._is_due(session, spec)]:
                self._train(todo[0], encoders_folder(study))
            session.tidy()
            for spec in session.look_again().runs:
                if session.plan.state(spec) != "complete":
                    self._train(spec, runs_folder(study))
            return {run_dir for spec in session.plan.specs if (run_dir := session.plan.run_dir(spec)) is not None}

    @staticmethod
    def _is_due(session: Session, spec: Spec) -> bool:
        return session.plan.is_ready(spec) and session.plan.state(spec) != "complete"

    def _train(self, spec: Spec, folder: Path) -> None:
        run_dir = create_run(folder, spec)
        self.trained.append(str(run_dir))
        name = ENCODER if isinstance(spec, PretrainSpec) else MERGED
        (run_dir / name).write_text(run_id(spec))
        record = pretrain_document if isinstance(spec, PretrainSpec) else finetune_document
        documents.write_json(run_dir / RECORD, record(run_dir.name, files={name: file_sha256(run_dir / name)}))


def lying(*folders: str) -> set[Path]:
    return {path for folder in folders for path in Path(folder).glob("*") if path.is_dir()}


@pytest.mark.parametrize("seed", range(12))
def test_in_whatever_order_nothing_is_trained_twice_and_nothing_undeclared_stays(seed: int):
    draw, work = random.Random(seed), Work()
    for _ in range(12):
        declared = work(**{key: draw.choice(values) for key, values in CHOICES.items()})
        assert lying("encoders/small", "runs/small") == declared
    assert len(work.trained) == len(set(work.trained))
    assert any("-more-" in name or "-last-" in name for name in work.trained)


FIRST = {key: values[0] for key, values in CHOICES.items()} | {"methods": "[baseline, pathway]"}


def test_a_chained_encoder_that_was_put_aside_comes_back_with_its_start():
    work = Work()
    work(**FIRST)
    trained = len(work.trained)
    work(**FIRST | {"target": "random", "methods": "[random_auxiliary]"})
    assert lying("encoders/small") == set()
    work(**FIRST)
    assert trained == 3 + 2  # the target's encoder, the auxiliary's and its start; the two methods
    assert len(work.trained) == trained + 1  # the random auxiliary's own


def test_a_plan_counts_what_lies_aside_as_done_and_moves_nothing():
    """Chained encoders too, whose ids follow from what lies aside."""
    work = Work()
    work(**FIRST)
    work(**FIRST | {"target": "random", "methods": "[random_auxiliary]"})
    before = lying("encoders/small", "encoders/.aside/small", "runs/small", "runs/.aside/small")
    plan = resolve(parse_study(STUDY.format(**FIRST), "study.yaml"))
    assert plan.counts() == {"complete": 3 + 2}
    assert lying("encoders/small", "encoders/.aside/small", "runs/small", "runs/.aside/small") == before


def test_of_two_runs_of_one_id_the_complete_one_comes_back_and_none_is_deleted():
    work = Work()
    declared = work(**FIRST)
    victim = next(path for path in sorted(declared) if path.parent.parent.name == "runs")
    work(**FIRST | {"seeds": "[1]"})
    assert not victim.exists()
    victim.mkdir()  # begun by hand, say
    (victim / HISTORY).write_text("")
    before = len(work.trained)
    assert work(**FIRST) == declared
    assert len(work.trained) == before
    assert (victim / RECORD).is_file()
    assert [path.name for path in replaced_of(victim.parent).iterdir()] == [victim.name]
    victim.rename(aside_of(victim.parent) / victim.name)
    (victim).mkdir()
    work(**FIRST | {"seeds": "[1]"})  # an unfinished one never takes the place of a complete one
    assert (aside_of(victim.parent) / victim.name / RECORD).is_file()
    assert not victim.exists()


def test_while_an_encoder_is_not_made_what_may_be_its_run_stays_and_all_else_goes():
    work = Work()
    work(**FIRST | {"seeds": "[0, 1]"})
    (encoder,) = [path for path in lying("encoders/small") if path.name.startswith("audio-more")]
    (encoder / RECORD).unlink()
    study = parse_study(STUDY.format(**FIRST), "study.yaml")
    with Session(study, Display()) as session:
        session.tidy()
    names = {path.name.rpartition("-")[0] for path in lying("runs/small")}
    assert names == {"image-baseline-pretrained-full-s0", "image-from-audio-pathway-pretrained-full-s0"}
