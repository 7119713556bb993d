"""The environments whose runs a report sets beside each other: source code, packages, devices, and which runs came from each."""

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

    `which` names them: the seeds of fine-tuning runs, the ids of encoders. `values` is what is compared of environments,
    several of a name where a run went on in another one, `commits` what git said.
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
    """A commit in few letters; a mark for a changed checkout stays whole."""
    digits, mark, rest = (commit or "–").partition("+")
    return digits[:_DIGITS] + mark + rest


def environments(run_dirs: Iterable[tuple[str, Path]], table: pd.DataFrame) -> list[Environment]:
    """The environments of complete runs, those of a kind together; empty where none of them is recorded.

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
    found = []
    for (kind, places, commits), names in groups.items():
        values = {name: tuple(dict.fromkeys(dict(place)[name] for place in places)) for name, _ in places[0]}
        which = words[names[0]] if kind == "finetune" else ", ".join(sorted(names))
        found.append(Environment(kind, len(names), which, values, commits))
    return sorted(found, key=lambda item: item.kind)


def _which(groups: Sequence[Sequence[str]], table: pd.DataFrame) -> dict[str, str]:
    """The runs of each group in words, by its first run: the values of what tells the groups apart, its seeds in any case."""
    runs = {str(row["run_id"]): row for row in table.to_dict("records")}
    words = {}
    for names in groups:
        said = []
        for column in ("target", "method", "seed"):
            sets = [{runs[name][column] for name in group} for group in groups]
            mine = sorted({runs[name][column] for name in names})
            if column == "seed":
                said.append(f"seed{'s' if len(mine) > 1 else ''} {', '.join(map(str, mine))}")
            elif any(other != sets[0] for other in sets):
                said.append(", ".join(mine))
        words[names[0]] = ": ".join(said)
    return words


def mixtures(found: Sequence[Environment]) -> list[str]:
    """What differs between runs that are compared with each other, a sentence for each kind of run; none where nothing does."""
    sentences = []
    for kind, words in (("finetune", "runs"), ("pretrain", "encoders")):
        mine = [item for item in found if item.kind == kind]
        all_of = {name: {value for item in mine for value in item.values[name]} for name in (mine[0].values if mine else ())}
        names = [name for name, values in all_of.items() if len(values) > 1]
        if names:
            each = "; ".join(f"{item.runs} ({item.which}): {_listed(item, names)}" for item in mine)
            sentences.append(f"The {words} compared here come from different environments, and may differ for that: {each}.")
    return sentences


def _listed(item: Environment, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {item[name]}" for name in names)
