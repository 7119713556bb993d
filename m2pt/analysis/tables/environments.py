"""The environments of the runs that a report compares: source code, packages, devices, and which runs came from each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from m2pt.runs.attempts import NOT_RECORDED, contributing, read_attempts
from m2pt.runs.environment import CODE, DEVICE, Compared
from m2pt.runs.folder import is_complete

_DIGITS = 10


@dataclass(frozen=True)
class Environment:
    """Complete runs of one kind (`finetune`, `pretrain`) with one origin.

    `which` names them: the seeds of fine-tuning runs, the ids of encoders. `values` has each compared property of an environment,
    with several values where a run was continued in another one; `commits` are those that git reported.
    """

    kind: str
    runs: int
    which: str
    values: Mapping[str, tuple[str | None, ...]]
    commits: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        """A value in words."""
        return ", then ".join(value or "not recorded" for value in self.values[name])

    @property
    def device(self) -> str:
        """The device."""
        return self[DEVICE]

    @property
    def code(self) -> str:
        """The digest of the source code, shortened."""
        return self[CODE]

    @property
    def commit(self) -> str:
        """The commits, shortened, each with its mark where the checkout was changed."""
        return ", then ".join(commit_words(commit) for commit in self.commits)


def commit_words(commit: str | None) -> str:
    """The first digits of a commit, with the complete mark of a changed checkout."""
    digits, mark, rest = (commit or "–").partition("+")
    return digits[:_DIGITS] + mark + rest


def environments(run_dirs: Iterable[tuple[str, Path]], table: pd.DataFrame) -> list[Environment]:
    """The environments of complete runs, sorted by kind; empty where none is recorded.

    Args:
        run_dirs: kind of run and its folder.
        table: the fine-tuning runs (`m2pt.runs.table.read_table`).

    """
    groups: dict[tuple[str, tuple[Compared, ...], tuple[str, ...]], list[str]] = {}
    for kind, run_dir in run_dirs:
        if is_complete(run_dir):
            attempts = contributing(read_attempts(run_dir)) or [NOT_RECORDED]
            commits = tuple(dict.fromkeys(attempt.git_commit or "–" for attempt in attempts))
            key = (kind, tuple(dict.fromkeys(attempt.compared for attempt in attempts)), commits)
            groups.setdefault(key, []).append(run_dir.name)
    if not any(value for _, places, _ in groups for place in places for _, value in place):
        return []
    words = _which([names for (kind, *_), names in groups.items() if kind == "finetune"], table)
    items = []
    for (kind, places, commits), names in groups.items():
        values = {name: tuple(dict.fromkeys(dict(place)[name] for place in places)) for name, _ in places[0]}
        which = words[names[0]] if kind == "finetune" else ", ".join(sorted(names))
        items.append(Environment(kind, len(names), which, values, commits))
    return sorted(items, key=lambda item: item.kind)


def _which(groups: Sequence[Sequence[str]], table: pd.DataFrame) -> dict[str, str]:
    """The runs of each group in words, by its first run: what distinguishes the groups, and always the seeds."""
    runs = {str(row["run_id"]): row for row in table.to_dict("records")}
    words = {}
    for names in groups:
        parts = []
        for column in ("target", "method", "seed"):
            sets = [{runs[name][column] for name in group} for group in groups]
            mine = sorted({runs[name][column] for name in names})
            if column == "seed":
                parts.append(f"seed{'s' if len(mine) > 1 else ''} {', '.join(map(str, mine))}")
            elif any(other != sets[0] for other in sets):
                parts.append(", ".join(mine))
        words[names[0]] = ": ".join(parts)
    return words


def mixtures(items: Sequence[Environment]) -> list[str]:
    """How the environments of compared runs differ: a sentence for each kind of run, none where they do not."""
    sentences = []
    for kind, words in (("finetune", "runs"), ("pretrain", "encoders")):
        mine = [item for item in items if item.kind == kind]
        all_of = {name: {value for item in mine for value in item.values[name]} for name in (mine[0].values if mine else ())}
        names = [name for name, values in all_of.items() if len(values) > 1]
        if names:
            each = "; ".join(f"{item.runs} ({item.which}): {_listed(item, names)}" for item in mine)
            sentences.append(
                f"The {words} compared here come from different environments, and may differ because of that: {each}."
            )
    return sentences


def _listed(item: Environment, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {item[name]}" for name in names)
