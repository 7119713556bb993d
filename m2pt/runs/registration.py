"""Registrations: what a study asks, written down before it has results.

This file declares the schema of `registrations/<study>.json`. A registration has a date and a hash over all of its content, so
that a change is noticed. Its date can be trusted as far as the history of the repository that it is committed to.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from m2pt.config import Frozen, Study, UserError
from m2pt.config.faults import faults_of
from m2pt.files.access import unreadable
from m2pt.files.documents import write_json
from m2pt.runs.identity import canonical
from m2pt.runs.plugins import PluginCode

FOLDER = Path("registrations")

_NOT_DECLARED: dict[str, Any] = {"study": True, "data": {"root"}, "execution": True}
_ADDED = ("sweep.seeds", "encoders.")


class RegisteredClaim(Frozen):
    """One claim of the primary family."""

    about: str
    """What is compared with random weights: an average over pairs, a pair, or a control."""
    metric: str
    pairs: tuple[str, ...]
    """The targets and auxiliaries, as `image from audio`."""
    share: float
    """Its share of the error rate of 5 % at the start."""


class Contrast(Frozen):
    """What is compared, as keys of the study file."""

    methods: tuple[str, str]
    """The difference is the first minus the second."""
    setting: str
    tuning: str
    score: str
    """Test scores of the last epoch, or of the best one by validation data (`finetune.score`)."""


class Registration(Frozen):
    """What a study asks, as it was registered."""

    study: str
    date: str
    """When it was registered (UTC, ISO 8601)."""
    question: str
    """The question in words."""
    contrast: Contrast
    primary_family: tuple[RegisteredClaim, ...]
    seeds: tuple[int, ...]
    encoder_seeds: dict[str, tuple[int, ...]]
    """The pretraining seeds of each encoder, none for one that comes from a file."""
    smallest_difference: float | None
    """The smallest difference of interest, in points."""
    recipe_version: int
    sweep_id: str
    """Equal for two studies with the same runs."""
    declared: dict[str, JsonValue]
    """Every key of the study file that can change a result or a claim, defaults included."""
    older_runs: tuple[str, ...]
    """Runs that existed already."""
    hash: str = ""
    """SHA-256 over the canonical form of all other fields."""

    @property
    def is_intact(self) -> bool:
        """Whether it is as it was written."""
        return self.hash == digest(self.model_dump(mode="json", exclude={"hash"}))

    @property
    def short(self) -> str:
        """The beginning of its hash."""
        return self.hash[:8]

    @property
    def day(self) -> str:
        """The day it was registered."""
        return self.date[:10]


@dataclass(frozen=True)
class Registered:
    """A registration and what happened since: keys of the study that changed, and runs that are older."""

    registration: Registration
    changed: tuple[str, ...] = ()
    older: tuple[str, ...] = ()

    @property
    def is_confirmatory(self) -> bool:
        """Whether the primary claims are those that were registered, on results that nobody had seen."""
        return self.registration.is_intact and not self.changed and not self.older


def digest(content: Mapping[str, Any]) -> str:
    """The hash of a registration's content."""
    return hashlib.sha256(canonical(dict(content)).encode()).hexdigest()


def registration_file(study: Study) -> Path:
    """Where the registration of a study is."""
    return FOLDER / f"{study.study}.json"


def read_registration(path: Path) -> Registration | None:
    """A registration; None if there is none.

    Raises:
        UserError: the file cannot be read, or is no registration.

    """
    try:
        return Registration.model_validate_json(path.read_bytes()) if path.exists() else None
    except OSError as error:
        raise unreadable(path, error) from error
    except ValidationError as error:
        raise UserError(
            f"{path}: is no registration of this version of m2pt ({'; '.join(faults_of(error, Registration))}); restore the file "
            "from version control, or remove it, and the report calls its claims exploratory."
        ) from error


def write_registration(path: Path, registration: Registration) -> Registration:
    """Write a registration with the hash of its content. Raises `UserError` if the file cannot be written."""
    plain = registration.model_dump(mode="json", exclude={"hash"})
    sealed = registration.model_copy(update={"hash": digest(plain)})
    write_json(path, sealed.model_dump(mode="json"))
    return sealed


def declared(study: Study, plugins: Iterable[PluginCode] = ()) -> dict[str, JsonValue]:
    """Every key of a study that can change a result or a claim, by its dotted name, with its value, and the code of plugins.

    Where files of weights are belongs to a machine, so only their names are here.
    """
    design = {"design": study.design.model_dump(mode="json")}
    document = study.model_dump(mode="json", by_alias=True, exclude=_NOT_DECLARED) | design
    keys = {key: Path(str(value)).name if _is_path(key) else value for key, value in _leaves("", document)}
    return keys | {f"plugins.{code.package}": f"{code}, code {code.sha256}" for code in plugins}


def changed(registration: Registration, study: Study, plugins: Iterable[PluginCode] = ()) -> list[str]:
    """The keys of a study, and its plugins, that are not as they were registered. A sequential design may have added seeds."""
    now, then = declared(study, plugins), registration.declared
    keys = [key for key in sorted(now.keys() | then.keys()) if key not in now or key not in then or now[key] != then[key]]
    if study.design.seeds == "sequential":
        keys = [key for key in keys if not (_is_seeds(key) and _is_longer(now.get(key), then.get(key)))]
    return keys


def older(registration: Registration, started: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """The runs that are older than a registration: those that it names, and those with an attempt before its date.

    It names runs whose id was not known then by their readable names.

    Args:
        registration: the registration.
        started: the id of each run, and when its attempts started (ISO 8601; empty where that was not recorded).

    """
    known, date = set(registration.older_runs), datetime.fromisoformat(registration.date)
    return [name for name, times in started if known & {name, name[:-9]} or any(_before(time, date) for time in times)]


def _before(time: str, date: datetime) -> bool:
    return bool(time) and datetime.fromisoformat(time) < date


def _is_seeds(key: str) -> bool:
    return key.startswith(_ADDED) and key.endswith("seeds")


def _is_longer(now: JsonValue, then: JsonValue) -> bool:
    """Whether a list was only added to."""
    return isinstance(now, list) and isinstance(then, list) and now[: len(then)] == then


def _is_path(key: str) -> bool:
    name, _, inner = key.removeprefix("encoders.").rpartition(".") if key.startswith("encoders.") else ("", "", "")
    return name.endswith((".paths", ".runs")) or (bool(name) and inner == "file")


def _leaves(path: str, value: Any) -> Iterable[tuple[str, JsonValue]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    else:
        yield path, value
