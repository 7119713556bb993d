"""Crashes and two at once: a sample of what `make test-faults` does, and that the harness sees what goes wrong."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import two
from tests.faults.boundaries import Fault
from tests.faults.crashes import Crashes, Injection
from tests.faults.project import OF_STUDY, harm_of, state_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for files and processes in /proc")

_SAMPLE, _SEED = 5, 14


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    made = Crashes(tmp_path_factory.mktemp("crashes"), report=False)
    yield made
    made.close()


def test_a_crash_at_a_boundary_loses_doubles_and_changes_nothing(crashes: Crashes):
    by_name = {scenario.name: scenario for scenario in crashes.scenarios}
    all_of_them = crashes.injections([by_name[name] for name in ("a run", "publishing")])
    assert len(all_of_them) > 150, "the boundaries are found by tracing"
    quick = [injection for injection in all_of_them if "lease" not in injection.boundary]
    for injection in random.Random(_SEED).sample(quick, _SAMPLE):
        assert crashes.inject(injection).sentences == [], injection


def test_two_jobs_on_one_run_train_it_once(crashes: Crashes):
    assert two.two_jobs_on_a_run(crashes).sentences == []


def test_the_harness_sees_a_lock_that_is_not_taken(crashes: Crashes):
    harm = two.two_jobs_on_a_run(crashes, Fault(str(crashes.project.root), mutation="lock"))
    assert harm.doubled or any(
        "a command ended with" in sentence for sentence in harm.lost
    )  # both train it, or one meets the other


def test_the_harness_sees_a_rename_that_is_left_out(crashes: Crashes):
    crashes.restore("run")
    crashes.project.zygote.run("m2pt.job", crashes.pathway, fault=Fault(str(crashes.project.root), mutation="rename"))
    assert harm_of(state_of(crashes.project.root), crashes.wanted, ("runs/",)).lost == [
        f"{crashes.pathway}/record.json is missing"
    ]


def test_the_harness_sees_a_point_that_is_sent_twice(crashes: Crashes):
    crashes.restore("run")
    crashes.project.do("m2pt.job", crashes.pathway)
    words = ("pipelines", "publish", *OF_STUDY)
    assert crashes.project.zygote.run(*words, fault=Fault(str(crashes.project.root), mutation="point")).code == 0
    assert harm_of(state_of(crashes.project.root), crashes.wanted, ("mlflow.db",)).doubled


def test_the_harness_kills_where_it_says(crashes: Crashes):
    crashes.restore("run")
    renamed = "job | rename | runs/tiny/RUN/record.json | m2pt.files.documents.write_atomic"
    for when, is_there in (("before", False), ("after", True)):
        fault = Fault(str(crashes.project.root), deadly=renamed, when=when)
        crashes.project.root.with_name("project.died").unlink(missing_ok=True)
        assert crashes.project.zygote.run("m2pt.job", crashes.pathway, fault=fault).code == -signal.SIGKILL
        assert (crashes.project.root / crashes.pathway / "record.json").is_file() is is_there


def test_a_crash_between_the_record_and_the_end_leaves_no_checkpoint(crashes: Crashes):
    renamed = "job | rename | runs/tiny/RUN/record.json | m2pt.files.documents.write_atomic"
    scenario = next(scenario for scenario in crashes.scenarios if scenario.name == "a run")
    assert crashes.inject(Injection(scenario, renamed, "after")).sentences == []
