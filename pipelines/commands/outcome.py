"""What is said when a study is done: what it shows, where its report is, what can be done next."""

from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.files.documents import read_json
from pipelines.execution.progress import Display
from pipelines.reporting.open_blocks import open_blocks
from pipelines.reporting.rendering import study_option
from pipelines.tracking.owed import is_owed

_MOST = 2
"""Claims that are told; the report has them all."""


def tell(display: Display, study: Study, file: Path, out: Path, done: bool = True) -> None:
    """Say what the report in `out` says first, where it is, and what to do next; `done` says that no run is left to do.

    A command that another one started says nothing: that one does.
    """
    if display.is_relayed:
        return
    display.stop()
    option = study_option(file)
    for line in headline(out):
        display.say(f"{study.study}: {line}")
    display.say(f"{study.study}: the report is {out / 'index.html'}")
    if done:
        display.say(f"Next: open it in a browser.{_runs(study, out, option)}")
        if len(study.sweep.seeds) > 1:  # one tells nothing of their spread
            display.say(f"`m2pt plan{option} --seeds-needed` says how many seeds a new study needs for an answer.")
    else:
        display.say(
            f"Next: `m2pt status{option}` says which runs are not complete, and why; the same command again does only those."
        )


def _runs(study: Study, out: Path, option: str) -> str:
    """Who shows the runs; nothing of a server that has not got them all."""
    from pipelines.tracking.mlflow_store import server_place  # with sqlalchemy, which runs shall not wait for

    if (server := server_place()) is None:
        return f" `m2pt ui{option}` shows the runs."
    return "" if is_owed(study, out) else f" {server} shows the runs."


def headline(folder: Path) -> list[str]:
    """The first claims of a report, in its words; empty where there is no report."""
    try:
        document = read_json(folder / "report.json")
    except UserError:
        return []
    findings = open_blocks(document, "findings")
    claims = [item["text"] for block in findings if block["kind"] == "items" for item in block["items"]]
    return claims[:_MOST]
