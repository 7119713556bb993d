"""`export`: the final model of a run in the formats of other programs."""

from argparse import Namespace
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from m2pt.analysis.numbers.cells import CONTROLS, ROLES, cells
from m2pt.config import Study, UserError
from m2pt.export.evidence import Evidence, evidence_of
from m2pt.export.formats import WRITERS, Writer
from m2pt.export.formats import export as write
from m2pt.runs.table import read_table
from pipelines.commands.looking import note_before
from pipelines.planning import study_file
from pipelines.planning.folders import run_named, runs_folder
from pipelines.planning.looks import asking
from pipelines.planning.plan import resolve

DEFAULT_STUDY = Path("params.yaml")

FOLDER = Path("build/exports")
"""Where exports go that are not told otherwise."""


def export(options: Namespace) -> int:
    """Write the final model of a run as another program reads it, with a card that says how good it is and how sure that is."""
    run_dir = run_named(options.run)
    out = options.out or FOLDER / f"{run_dir.name}-{options.to}"
    written = write(run_dir, out, options.to, _writer(options.to), _evidence(run_dir, options.study))
    same = "the run's own weights" if written.difference is None else f"logits within {written.difference:.2g} of the run's own"
    print(f"{run_dir.name}: is in {out} as {options.to}, with {same}; {out / 'README.md'} is its card.")
    return 0


def _writer(name: str) -> Writer:
    if name == "mlflow":
        from pipelines.tracking.mlflow_model import write_model  # takes seconds

        return write_model
    return WRITERS[name]


def _evidence(run_dir: Path, given: Path | None) -> Evidence | str:
    """What the study of a run knows of it, which is noted as a look at its results; or why nothing is known.

    Raises:
        UserError: the study file that is `given` cannot be read, or is not that of the run; or the look cannot be noted.

    """
    study = (
        _study_of(run_dir, (DEFAULT_STUDY, *sorted(Path("studies").glob("*.yaml")))) if given is None else _named(run_dir, given)
    )
    if study is None:
        return (
            "Nothing is said here of other runs: no study file that was looked at is that of the folder "
            f"`{run_dir.parent.name}`; name it when you export (`--study FILE`)."
        )
    plan = resolve(study)
    made = evidence_of(study.study, cells(read_table(plan.compared, runs_folder(study), plan.parts)), run_dir.name)
    if made is None:
        return f"Nothing is said here of other runs: the study `{study.study}` does not compare this run as its file is now."
    controls = {name for name, role in ROLES.items() if role in CONTROLS}
    if shown := {made.cell.method, *controls} & asking(study):
        note_before(plan, shown)
    return made


def _named(run_dir: Path, given: Path) -> Study:
    study = study_file.load(given)
    if not _is_of(run_dir, study):
        raise UserError(f"{given}: is the study of {runs_folder(study)}, and the run is in {run_dir.parent}; name its own.")
    return study


def _study_of(run_dir: Path, files: Iterable[Path]) -> Study | None:
    """The first of some studies whose runs are in the folder of a run."""
    for path in files:
        with suppress(UserError):
            if _is_of(run_dir, study := study_file.load(path)):
                return study
    return None


def _is_of(run_dir: Path, study: Study) -> bool:
    return runs_folder(study).resolve() == run_dir.resolve().parent
