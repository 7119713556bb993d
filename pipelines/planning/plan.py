"""Where a study stands: what it holds, what of that is on the disk, and where a job finds what it needs."""

import fcntl
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from m2pt.config import EmbeddedData, FileSource, Study, UserError
from m2pt.data.embedded import MANIFEST, write_embedded
from m2pt.data.fingerprints import CACHE, fingerprint
from m2pt.files.documents import read_json
from m2pt.runs.identity import canonical, run_id
from m2pt.runs.records import ENCODER, EXECUTION, LOCK, read_record, status
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, WeightsRef
from m2pt.runs.trials import Trial, chosen, is_trial, with_encoders, with_trials
from m2pt.weights import weights_file, weights_sha256
from pipelines.planning.grid import EncoderKey, Fingerprints, data_used, encoders_used, part_specs, pretrain_specs, run_specs
from pipelines.planning.places import place_of
from pipelines.planning.search_journal import read_trials, standing

THREADS = 1
"""How many threads a run computes with: with more, its numbers would depend on how many runs go side by side."""

State = Literal["complete", "failed", "interrupted", "missing", "running", "waiting"]
"""A status of m2pt.runs.records, or `running` somewhere right now, or `waiting` for data or weights that do not exist yet."""


@dataclass(frozen=True)
class Plan:
    """The runs of a study as things stand.

    `weights` says where each encoder that exists lies; `missing_data` are the targets and modalities whose data are not there as
    declared, `missing_weights` the files of encoders that are not there, by the key that names them; `trials` are those of its
    search so far.
    """

    study: Study
    prints: Fingerprints
    weights: Mapping[EncoderKey, Path]
    missing_data: tuple[str, ...]
    missing_weights: Mapping[str, Path]
    pretrain: Sequence[PretrainSpec]
    runs: Sequence[RunSpec]
    trials: Sequence[Trial] = ()

    def run_dir(self, spec: Spec) -> Path | None:
        """The folder of a run, None while the run has no id."""
        if not self.is_ready(spec):
            return None
        folder = encoders_folder(self.study) if isinstance(spec, PretrainSpec) else runs_folder(self.study)
        return folder / run_id(spec)

    def is_ready(self, spec: Spec) -> bool:
        """Whether all that a run needs exists."""
        return spec.ready and data_key(spec) not in self.missing_data

    def state(self, spec: Spec) -> State:
        """Where a run stands."""
        run_dir = self.run_dir(spec)
        if run_dir is None:
            return "waiting"
        found = status(place_of(run_dir))
        return "running" if found != "complete" and is_locked(run_dir) else found

    @property
    def specs(self) -> list[Spec]:
        """All runs, the pretraining ones first."""
        return [*self.pretrain, *self.runs]

    def unfinished(self, specs: Sequence[Spec]) -> list[Spec]:
        """Those of `specs` that are not complete."""
        return [spec for spec in specs if self.state(spec) != "complete"]

    @property
    def parts(self) -> dict[str, list[RunSpec]]:
        """The fine-tuning runs of each part of the study, by its name; one part without a name where it declares none."""
        return part_specs(with_trials(self.study, self.trials), self.prints)

    @property
    def compared(self) -> list[RunSpec]:
        """The fine-tuning runs that the report compares: all but those of trials, which have seeds of their own."""
        return [spec for spec in self.runs if not is_trial(self.study, spec)]

    @property
    def chosen(self) -> Trial | None:
        """The trial that the search has chosen; None before its end, and for a study without one."""
        return chosen(self.study, self.trials)

    @property
    def to_come(self) -> Counter[str]:
        """How many runs of each method the search will add, as far as that can be told."""
        search, coming = self.study.search, Counter[str](spec.method for spec in self.compared)  # the chosen values' runs
        if search is None or self.chosen is not None:
            return Counter()
        each = coming[search.method] // len(self.study.sweep.seeds) * len(search.seeds)
        coming[search.method] += each * (search.trials - len(self.trials))
        return coming

    def label(self, spec: Spec) -> str:
        """What a run is called: its readable name, or its id where another run of the study has the same name."""
        return run_id(spec) if self._names[spec.name] > 1 and spec.ready else spec.name

    @cached_property
    def _names(self) -> Counter[str]:
        return Counter(spec.name for spec in self.specs)

    def counts(self) -> Counter[State]:
        """How many runs, pretraining and fine-tuning, are in each state."""
        return Counter(self.state(spec) for spec in self.specs)


def runs_folder(study: Study) -> Path:
    """The folder of a study's fine-tuning runs."""
    return Path("runs") / study.study


def encoders_folder(study: Study) -> Path:
    """The folder of a study's pretraining runs."""
    return Path("encoders") / study.study


def data_key(spec: Spec) -> str:
    """Whose data a run reads: its target's, or its modality's."""
    return spec.modality if isinstance(spec, PretrainSpec) else spec.target


def data_folder(study: Study, key: str) -> Path:
    """The folder of the data of a task or a modality."""
    return Path(study.data.root) / (study.tasks[key].path if key in study.tasks else key)


def resolve(study: Study, known_data: Mapping[str, str] | None = None) -> Plan:
    """Look at the disk. `known_data` spares looking at the data again.

    Raises:
        UserError: data or a file of weights cannot be read.

    """
    loading = with_encoders(study)
    missing, prints = ((), dict(known_data)) if known_data is not None else _data(loading)
    weights, absent = _files(loading)
    prints |= dict.fromkeys(missing, "")
    fingerprints = Fingerprints(prints, {key: weights_sha256(path) for key, path in weights.items()})
    for _ in range(2):  # an encoder that goes on from another has its id only once that one is there
        for spec in pretrain_specs(loading, fingerprints):
            run_dir = encoders_folder(study) / run_id(spec) if spec.ready and spec.modality not in missing else None
            if run_dir is not None and status(place := place_of(run_dir)) == "complete":
                key = (spec.source, spec.modality)
                weights[key] = place / ENCODER
                made = {key: read_record(place)["files"][ENCODER]}
                fingerprints = Fingerprints(prints, {**fingerprints.weights, **made})
    trials = standing(study, read_trials(study, fingerprints, runs_folder(study)), fingerprints, runs_folder(study))
    pretraining, runs = pretrain_specs(loading, fingerprints), run_specs(with_trials(study, trials), fingerprints)
    return Plan(study, fingerprints, weights, missing, absent, pretraining, runs, trials)


def _data(study: Study) -> tuple[tuple[str, ...], dict[str, str]]:
    used = data_used(study)
    missing = tuple(key for key in used if not data_folder(study, key).is_dir() or _is_stale(study, key))
    return missing, {key: fingerprint(data_folder(study, key)) for key in used if key not in missing}


def _files(study: Study) -> tuple[dict[EncoderKey, Path], dict[str, Path]]:
    """The files of encoders that are there, and those that are not, by their keys in the study file."""
    found, absent = {}, {}
    for name, modality in encoders_used(study):
        source = study.encoders[name]
        if isinstance(source, FileSource):
            if modality not in source.paths:
                raise UserError(f"encoders.{name}.paths.{modality}: is missing, but the sweep uses this encoder; add its path.")
            path = Path(source.paths[modality])
            if not path.exists():
                absent[f"encoders.{name}.paths.{modality}"] = path
            else:
                found[name, modality] = weights_file(path)
    return found, absent


def _is_stale(study: Study, key: str) -> bool:
    """Whether these data were made here with other sizes than the study declares."""
    path = Path(study.data.root) / MANIFEST
    if study.data.embedded is None or not path.is_file():
        return False
    made = read_json(path).get(key)
    return made is not None and made.get("sizes") != study.data.embedded.model_dump(mode="json")


def make_data(root: Path, sizes: EmbeddedData) -> bool:
    """Make the embedded data in `root`, whatever of them is not there as declared; whether anything was made.

    Raises:
        UserError: `root` holds data that were not made here, or cannot be written.

    """
    if root.exists() and not (root / MANIFEST).is_file():
        raise UserError(f"{root}: was not made by m2pt; delete it, or choose another folder for embedded data.")
    return write_embedded(root, sizes)


def job_inputs(plan: Plan, spec: Spec) -> dict[str, Any]:
    """What a job must be told about this machine: where its data and weights lie, and what changes no number."""

    def path(reference: WeightsRef | None) -> str | None:
        return None if reference is None else str(plan.weights[reference.source, reference.modality])

    execution = plan.study.execution
    return {
        "data": str(data_folder(plan.study, data_key(spec))),
        "cache": str(CACHE),
        "start_weights": path(spec.start) if isinstance(spec, PretrainSpec) else None,
        "target_weights": path(spec.target_weights) if isinstance(spec, RunSpec) else None,
        "auxiliary_weights": [path(reference) for reference in spec.auxiliary_refs] if isinstance(spec, RunSpec) else [],
        "threads": THREADS,
        "devices": execution.devices_per_job if isinstance(spec, RunSpec) else 1,
        "checkpoint_every_epochs": execution.checkpoint_every_epochs,
        "checkpoint_every_steps": execution.checkpoint_every_steps,
        "micro_batch": execution.micro_batch,
        "gradient_checkpointing": execution.gradient_checkpointing,
        "loader_workers": execution.loader_workers,
    }


def is_locked(run_dir: Path) -> bool:
    """Whether a job is at work on a run."""
    try:
        with (run_dir / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock: no job was ever here
        return False
    return False


def cost_s(plan: Plan, slots: int, refused: Sequence[Spec] = ()) -> float | None:
    """Estimated seconds until all is done that can start (`refused` cannot), from what complete runs of the same method took.

    None where none is known.
    """
    seconds: dict[str, list[float]] = {}
    for spec in plan.specs:
        run_dir = plan.run_dir(spec)
        if run_dir is not None and status(run_dir) == "complete" and (taken := run_seconds(run_dir)) is not None:
            seconds.setdefault(method_of(spec), []).append(taken)
    startable = [spec for spec in plan.specs if spec not in refused]
    left = Counter(method_of(spec) for spec in plan.unfinished(startable)) + plan.to_come
    if not left.keys() <= seconds.keys():
        return None
    return sum(count * sum(seconds[method]) / len(seconds[method]) for method, count in left.items()) / slots


def method_of(spec: Spec) -> str:
    """What makes runs cost about the same."""
    return spec.source if isinstance(spec, PretrainSpec) else spec.method


def run_seconds(run_dir: Path) -> float | None:
    """How long a run took here, all attempts together; None where it was done elsewhere."""
    path = run_dir / EXECUTION
    if not path.is_file():
        return None
    return float(sum(attempt["seconds"]["total"] for attempt in read_json(path)["attempts"]))


def sweep_id(study: Study) -> str:
    """Equal for all starts of one sweep: a hash of everything in the study that can change a number."""
    form = canonical(study.model_dump(mode="json", exclude={"execution"}))
    return hashlib.sha256(form.encode()).hexdigest()[:8]
