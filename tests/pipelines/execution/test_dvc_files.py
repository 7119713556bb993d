"""DVC is asked again as soon as anything changes on which its answer depends, and not before."""

import os
from pathlib import Path

import pytest

from pipelines.execution import dvc, dvc_files

PIPELINE = """
stages:
  first:
    cmd: "true"
    deps: [data, source.py]
    params: [a, {more.yaml: [b]}]
    outs:
      - made: {persist: true}
    metrics:
      - metrics.json: {cache: false}
"""
DATA = "deps: [{path: build/data}]\nouts: [{path: data, md5: f00.dir}]\n"
FILES = (
    "data/sub/one.txt", "data/two.txt", "build/data/one.txt", "source.py", "more.yaml", "made/run/record.json", "metrics.json",
    "params.yaml", "dvc.lock", ".dvcignore", ".dvc/config", ".dvc/cache/files/md5/00/one",
)  # fmt: skip


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("content")
    Path("dvc.yaml").write_text(PIPELINE)
    Path("data.dvc").write_text(DATA)


def says(monkeypatch, answer):
    monkeypatch.setattr(dvc, "_asked", lambda: answer)


def rewrite(name):
    """Other content, with the size and time of the former one."""
    state = Path(name).stat()
    Path(name).write_text("CONTENT")
    os.utime(name, ns=(state.st_atime_ns, state.st_mtime_ns))


CHANGES = {name: (lambda name=name: rewrite(name)) for name in FILES if not name.startswith(".dvc/cache")} | {
    "a new file": lambda: Path("data/sub/new.txt").touch(),
    "a removed file": lambda: Path("made/run/record.json").unlink(),
    "a renamed folder": lambda: Path("data/sub").rename("data/bus"),
    "a removed output": lambda: Path("metrics.json").unlink(),
    "the cache lost a file": lambda: Path(".dvc/cache/files/md5/00/one").unlink(),
    "the pipeline": lambda: Path("dvc.yaml").write_text(PIPELINE.replace("true", "false")),
    "the data's version": lambda: Path("data.dvc").write_text(DATA.replace("f00", "ba7")),
    "another one": lambda: Path("more.dvc").write_text(DATA),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_asked_about_again(monkeypatch, change):
    says(monkeypatch, "current")
    assert dvc.is_up_to_date()
    says(monkeypatch, "changed")
    assert dvc.is_up_to_date()  # nobody changed anything, so that nobody asked
    CHANGES[change]()
    assert not dvc.is_up_to_date()


def test_it_is_asked_in_any_case_where_that_is_wanted(monkeypatch):
    says(monkeypatch, "current")
    assert dvc.is_up_to_date()
    says(monkeypatch, "changed")
    assert not dvc.is_up_to_date(afresh=True)


@pytest.mark.parametrize("text", ["", "[]", "stages: 3", "stages: {a: }", "{"])
def test_a_pipeline_that_cannot_be_read_is_left_to_dvc(text):
    Path("dvc.yaml").write_text(text)
    assert dvc_files.states() is None


def test_a_link_that_leads_back_ends():
    Path("data/sub/back").symlink_to(Path("data").resolve())
    assert dvc_files.states() is not None
