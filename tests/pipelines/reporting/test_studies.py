"""The page that lists the studies of a folder."""

import json
import os
from pathlib import Path

import pytest

from m2pt.files import documents
from pipelines.reporting import report, studies
from tests.analysis import synthetic
from tests.browser import browser


def test_every_study_of_the_folder_is_listed_with_its_answer_date_runs_and_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = synthetic.complete(synthetic.plan(tmp_path / "a", 3, targets=("image", "audio"), epochs=1))
    report.render(planned.source, Path("build/synthetic/reports"))
    report.render(synthetic.plan(tmp_path / "b", targets=("point",)).source, Path("reports"))
    documents.write_atomic(Path("build/broken/reports/index.html"), b"")
    for file in (Path("reports"), Path("build/synthetic/reports"), Path("build/broken/reports")):
        os.utime(file / "index.html", (1_763_700_000, 1_763_700_000))
    studies.refresh(Path("build/synthetic/reports"))
    studies.refresh(Path("reports"))
    with browser(tmp_path / "profile") as tab:
        for report_page in (Path("reports/index.html"), Path("build/synthetic/reports/index.html")):
            tab.open(report_page.resolve().as_uri())
            link = "[...document.querySelectorAll('header nav a')].map(link => [link.innerText, link.href])"
            assert tab.run(link) == [["All studies", studies.PAGE.resolve().as_uri()]]
        tab.open(studies.PAGE.resolve().as_uri())
        rows = tab.run("[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText.trim()))")
        links = tab.run("[...document.querySelectorAll('tbody a')].map(link => link.href)")
    assert links == [Path(name, "index.html").resolve().as_uri() for name in
                     ("reports", "build/broken/reports", "build/synthetic/reports")]  # fmt: skip
    answer = next(
        block["text"]
        for block in json.loads(Path("build/synthetic/reports/report.json").read_text())["sections"][0]["blocks"][0]["blocks"]
        if block.get("look") == "answer"
    )
    date = "2025-11-21 04:40"
    assert [row[2:] for row in rows] == [
        [date, "0 of 9", "not recorded here"], [date, "0 of 0", "not recorded here"],
        [date, "24 of 24", "95.2 s of device time on cpu (a processor)"],
    ]  # fmt: skip
    assert "render it again" in rows[1][1]
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in rows[2][:2]] == ["synthetic", answer]


def test_a_report_in_another_folder_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    studies.refresh(tmp_path / "elsewhere")
    assert not studies.PAGE.exists()


def test_a_report_of_an_older_version_is_named_and_keeps_no_other_from_being_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = report.render(synthetic.plan(tmp_path / "a", targets=("point",)).source, Path("build/old/reports")).parent
    document = json.loads((old / "report.json").read_text())
    document["sections"] = [section for section in document["sections"] if section["anchor"] != "short"]
    (old / "report.json").write_text(json.dumps(document))
    report.render(synthetic.plan(tmp_path / "b", targets=("point",)).source, Path("reports"))
    studies.refresh(Path("reports"))
    page = studies.PAGE.read_text()
    assert page.count("render it again") == 1
    assert page.count("<tr") == 3, "the head, the old report and the new one"
