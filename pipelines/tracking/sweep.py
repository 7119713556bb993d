"""A sweep as a tracker knows it: the runs of one state of a study, under an id, with a title that people can read."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.config.study_file import parse_study
from m2pt.runs.identity import RECIPE_VERSION
from pipelines.planning.plan import sweep_id
from pipelines.reporting.rendering import DEFAULT_STUDY
from pipelines.tracking.experiment import experiment_name, project_folder
from pipelines.tracking.flat import flat

_MOST_NAMES = 3
_LONGEST_VALUE = 40
_NOT_RESULTS = {"study", "execution", "design"}
"""What makes no other sweep of a study (`sweep_id`)."""


@dataclass(frozen=True)
class Sweep:
    """The runs of one state of a study.

    `id` is the same for every start of it, and is what a tracker finds it by; `title` says what it is, and may be worded
    otherwise by another version of m2pt. `changes` are the settings in which it differs from the study as git has it, shortly;
    `params` are all of its settings that can change a number, as flat names and texts. `experiment` is the name of the experiment
    of DVC's that does it, if one does.
    """

    study: str
    id: str
    title: str
    changes: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    experiment: str = ""


def sweep_of(study: Study, when: datetime | None = None) -> Sweep:
    """The sweep of a study as it is declared now; `when` is the time of its last run, by default this moment.

    In a copy that DVC made of the project for an experiment, the changes come first by which it differs from the project itself.
    """
    changes = changes_of(study, committed(study.study))
    own = set(changes_of(study, _of_project(study.study)))
    changes = tuple(sorted(changes, key=lambda change: change not in own))
    what = _few(changes) if changes else _content(study)
    at = (when or datetime.now()).astimezone().strftime("%Y-%m-%d %H:%M")
    title = f"{study.study}: {what} · {at}"
    return Sweep(study.study, tracked_id(study), title, changes, settings(study), experiment_name())


def tracked_id(study: Study) -> str:
    """The id of a sweep: with another recipe version its runs are others, and stand below another one."""
    return f"{sweep_id(study)}-{RECIPE_VERSION}"


def settings(study: Study) -> dict[str, str]:
    """All settings that can change a number: `finetune.learning_rate`, `pathway.layers` as a comma list."""
    return flat(study.model_dump(mode="json", exclude=_NOT_RESULTS))


def changes_of(study: Study, before: Study | None) -> tuple[str, ...]:
    """The settings that differ from those of `before`, each as `learning_rate=0.002`: by the shortest name that is its alone."""
    if before is None:
        return ()
    now, then = settings(study), settings(before)
    known = [*now, *(key for key in then if key not in now)]
    changed = [f"{_short(key, known)}={now[key]}" for key in now if then.get(key) != now[key]]
    return (*changed, *(f"no {_short(key, known)}" for key in then if key not in now))


def committed(name: str) -> Study | None:
    """The study of this name as the last commit of git has it; None where there is none that this version can read."""
    quoted = f"^study: *[\"']?{re.escape(name)}[\"']? *(#.*)?$"
    places = _git("grep", "-l", "-E", quoted, "HEAD", "--", "*.yaml").splitlines()
    for place in places:
        with suppress(UserError):
            study = parse_study(_git("show", place), place)
            if study.study == name:
                return study
    return None


def _of_project(name: str) -> Study | None:
    """The study of the project of which the current folder is a copy; None if it is none, or has another study."""
    path = project_folder() / DEFAULT_STUDY
    if path.parent == Path.cwd():
        return None
    with suppress(UserError, OSError, UnicodeDecodeError):
        study = parse_study(path.read_text(encoding="utf-8"), str(path))
        return study if study.study == name else None
    return None


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def _short(key: str, known: Sequence[str]) -> str:
    parts = key.split(".")
    endings = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
    return next((end for end in endings if sum(f".{other}".endswith(f".{end}") for other in known) == 1), key)


def _few(changes: Sequence[str]) -> str:
    shown = [change if len(change) <= _LONGEST_VALUE else f"{change[:_LONGEST_VALUE]}…" for change in changes[:_MOST_NAMES]]
    more = [f"{len(changes) - _MOST_NAMES} more"] if len(changes) > _MOST_NAMES else []
    return ", ".join([*shown, *more])


def _content(study: Study) -> str:
    """Targets, methods, seeds, and what else the study varies: `4 targets, 5 methods, seeds 0 to 3`."""
    grid = study.sweep
    words = [_named(grid.targets, "target"), _named(grid.methods, "method"), _seeds(grid.seeds)]
    words += [", ".join(grid.settings)] if grid.settings != ("pretrained",) else []
    words += [", ".join(f"{tuning} tuning" for tuning in grid.tunings)] if grid.tunings != ("full",) else []
    words += [f"{len(study.parts)} part{'s' if len(study.parts) > 1 else ''}"] if study.parts else []
    words += [f"a search over {', '.join(study.search.ranges)}"] if study.search is not None else []
    return ", ".join(words)


def _named(names: Sequence[str], noun: str) -> str:
    """The names if they are few, else their number."""
    return " and ".join(names) if len(names) < _MOST_NAMES else f"{len(names)} {noun}s"


def _seeds(seeds: Sequence[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) == 1:
        return f"seed {ordered[0]}"
    if ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"seeds {ordered[0]} to {ordered[-1]}"
    return f"seeds {', '.join(map(str, ordered))}" if len(ordered) <= _MOST_NAMES else f"{len(ordered)} seeds"
