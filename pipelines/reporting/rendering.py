"""Where the report of a study is, and rendering it from a plan."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import Study, UserError
from pipelines.planning.folders import encoders_folder, runs_folder
from pipelines.planning.plan import Plan

if TYPE_CHECKING:
    from m2pt.analysis.sections.facts import Source

DEFAULT_STUDY = Path("params.yaml")
FILES = ("index.html", "report.md", "report.json", "results.csv", "metrics.json", "gains.json")
"""What every complete report has."""


def is_default(file: Path) -> bool:
    """Whether a study file is the one that DVC reproduces."""
    return file.resolve() == DEFAULT_STUDY.resolve()


def study_option(file: Path) -> str:
    """What a command needs behind its name to mean the study in `file`."""
    return "" if is_default(file) else f" --study {shlex.quote(str(file))}"


def report_folder(file: Path, study: Study) -> Path:
    """Where the report of the study in `file` goes: `reports` for the default one, `build/<study>/reports` for others."""
    return Path("reports") if is_default(file) else Path("build") / study.study / "reports"


def is_whole(folder: Path) -> bool:
    """Whether no file of a report is missing."""
    return all((folder / name).is_file() for name in FILES)


def shown_files(folder: Path) -> dict[str, Path]:
    """What a tracker shows of a report, by its place in it: pages, tables, costs, figures; nothing of an incomplete one."""
    from m2pt.analysis.sections.leaves import LEAVES
    from m2pt.analysis.sections.places import LOCAL

    if not is_whole(folder):
        return {}
    paths = [folder / name for name in (*FILES, *(leaf.file for leaf in LEAVES))]
    paths += [*sorted((folder / LOCAL).iterdir()), *sorted(folder.glob("figures/*.png"))]
    paths += sorted(folder.glob("tables/*.tex"))
    return {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}


def is_current(folder: Path, plan: Plan) -> bool:
    """Whether a report is complete and newer than every run in it."""
    dirs = (plan.run_dir(spec) for spec in plan.specs)
    newest = max((path.stat().st_mtime for path in dirs if path is not None and path.exists()), default=0.0)
    return is_whole(folder) and (folder / "index.html").stat().st_mtime >= newest


def is_done(plan: Plan, report: Path) -> bool:
    """Whether nothing of a study is left to do: every run is complete and the report has all of them."""
    if plan.study.search is not None and plan.chosen is None:
        return False
    if plan.missing_data or plan.to_come:
        return False
    return not plan.unfinished([*plan.pretrain, *(plan.runs if plan.arms else plan.compared)]) and is_current(report, plan)


def require_choice(plan: Plan) -> None:
    """Raise `UserError` where all trials of a search have ended and none of them is complete."""
    search, ended = plan.study.search, [trial for trial in plan.trials if trial.state != "unfinished"]
    if search is not None and len(ended) == search.trials and plan.chosen is None:
        raise UserError(
            f"{plan.study.study}: no trial of the search is complete, so nothing is chosen ({ended[0].reason.rstrip('.')}); "
            "change search.ranges, or fix what failed and run `m2pt sweep`."
        )


def source_of(plan: Plan) -> "Source":
    """What a report of a study in its present state is made from. Raises `UserError` as `render_report`."""
    from m2pt.analysis.sections.facts import Source
    from pipelines.planning.task_facts import own_files
    from pipelines.planning.verification import last_whole
    from pipelines.reporting.validity import validity

    study = plan.study
    return Source(
        study,
        plan.compared,
        runs_folder(study),
        plan.pretrain,
        encoders_folder(study),
        parts=plan.parts if study.parts or study.search else None,
        trials=plan.trials,
        arms=plan.arms,
        validity=validity(plan),
        verified=last_whole(study),
        own=own_files(study, dict.fromkeys(spec.target for spec in plan.compared)),
    )


def render_report(plan: Plan, out: Path) -> Path:
    """Render the report of a study in its present state, note that it was looked at, and list it among the folder's studies.

    Returns the path of its page.

    In a folder that cannot be written to, neither the look is noted (`cannot_note`) nor the list written.

    Raises:
        UserError: as `report.render`; or the journal of looks or the registration cannot be read.

    """
    from pipelines.planning.looks import cannot_note, note_look
    from pipelines.reporting.report import render
    from pipelines.reporting.studies import refresh

    page = render(source_of(plan), out)
    if cannot_note(plan) is None:
        note_look(plan)
        refresh(out)
    return page
