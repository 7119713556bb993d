"""The plan of a study: its runs, the state of each, and which data and weights are missing."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.config.base import Same
from m2pt.data.fingerprints import CACHE, fingerprint
from m2pt.files.markers import is_leased
from m2pt.files.memory import known_sha256
from m2pt.runs.arms import ArmRates, abandoned
from m2pt.runs.damage import failure_of
from m2pt.runs.folder import ENCODER, LOCK, RunState, is_complete, run_state
from m2pt.runs.identity import canonical, run_id
from m2pt.runs.record import FinetuneRecord, PretrainRecord, read_record
from m2pt.runs.spec import EncoderKey, PretrainSpec, RunSpec, Spec
from m2pt.runs.trials import Trial, chosen, trial_seeds, with_encoders, with_trials
from m2pt.weights.shards import weights_sha256
from pipelines.planning import embedded_data, tuned
from pipelines.planning.damaged import damaged, memory
from pipelines.planning.folders import data_folder, encoders_folder, place_of, runs_folder
from pipelines.planning.grid import data_used, draws_of, in_order, made_by, part_specs, pretrain_specs
from pipelines.planning.run_maker import Fingerprints
from pipelines.planning.search_journal import read_trials, with_results
from pipelines.planning.weight_files import encoder_files

PRETRAINING = "pretraining"
FINE_TUNING = "fine-tuning"


@dataclass(frozen=True)
class Plan:
    """The runs of a study, as things are on the disk.

    `weights` are the paths of the encoders that exist. `missing_data` are the targets and modalities whose data are not there as
    declared; `missing_weights` are the files of encoders that do not exist, by their key in the study file. `made` are the runs
    of each part, by its name, before any tuning. `trials` are the trials of the search so far, `arms` the arms of a tuned sweep
    with their trials. `faults` says what is damaged that belongs to no single run, which only a plan to be looked at has.
    """

    study: Study
    prints: Fingerprints
    weights: Mapping[EncoderKey, Path]
    missing_data: tuple[str, ...]
    missing_weights: Mapping[str, Path]
    pretrain: Sequence[PretrainSpec]
    runs: Sequence[RunSpec]
    made: Mapping[str, list[RunSpec]]
    trials: Sequence[Trial] = ()
    arms: Sequence[ArmRates] = ()
    faults: Sequence[str] = ()

    def run_dir(self, spec: Spec) -> Path | None:
        """The folder of a run; None while the run has no id."""
        key = Same(spec)
        if key not in self._run_dirs:  # it is asked for again and again
            encoders, runs = self._folders
            folder = encoders if isinstance(spec, PretrainSpec) else runs
            self._run_dirs[key] = folder / run_id(spec) if self.is_ready(spec) else None
        return self._run_dirs[key]

    @cached_property
    def _folders(self) -> tuple[Path, Path]:
        return encoders_folder(self.study), runs_folder(self.study)

    @cached_property
    def _run_dirs(self) -> dict[Same[Spec], Path | None]:
        return {}

    def is_ready(self, spec: Spec) -> bool:
        """Whether the data and weights that a run needs exist."""
        return spec.ready and not (self.missing_data and set(data_keys(spec)) & set(self.missing_data))

    def state(self, spec: Spec) -> RunState:
        """The state of a run."""
        run_dir = self.run_dir(spec)
        if run_dir is None:
            return RunState.WAITING
        if is_complete(run_dir):
            return RunState.FAILED if run_dir in self.damaged else RunState.COMPLETE
        state = run_state(place_of(run_dir))
        return RunState.RUNNING if state != RunState.COMPLETE and is_being_done(run_dir) else state

    @cached_property
    def damaged(self) -> Mapping[Path, str]:
        """The folders of complete runs with a damaged file, and what is wrong: they have failed (`m2pt.runs.damage`)."""
        kinds = ((self.pretrain, PretrainRecord), (self.runs, FinetuneRecord))
        run_dirs = {run_dir: kind for specs, kind in kinds for spec in specs if (run_dir := self.run_dir(spec)) is not None}
        return damaged(run_dirs, memory(self.study))

    def failure(self, spec: Spec) -> str:
        """Why a failed run failed; empty for a run without a folder."""
        run_dir = self.run_dir(spec)
        return "" if run_dir is None else self.damaged.get(run_dir) or failure_of(run_dir)

    @property
    def specs(self) -> list[Spec]:
        """All runs, the pretraining ones first."""
        return [*self.pretrain, *self.runs]

    def unfinished(self, specs: Sequence[Spec]) -> list[Spec]:
        """The runs of `specs` that are not complete; without those of failed trials that are not tried again."""
        left = [spec for spec in specs if self.state(spec) != RunState.COMPLETE]
        return [spec for spec in left if not self._abandoned or spec.model_dump_json() not in self._abandoned]

    @cached_property
    def _abandoned(self) -> set[str]:
        return abandoned(self.arms)

    @cached_property
    def parts(self) -> dict[str, list[RunSpec]]:
        """The fine-tuning runs of each part, by its name; a study that declares no parts is one part with an empty name."""
        if self.arms:
            return tuned.part_specs(self.study, self.prints, self.arms)
        return dict(self.made)

    @property
    def compared(self) -> list[RunSpec]:
        """The fine-tuning runs that the report compares: all except those of trials, which have other seeds."""
        apart = trial_seeds(self.study)
        return [spec for spec in self.runs if spec.seed not in apart]

    @property
    def chosen(self) -> Trial | None:
        """The trial that the search has chosen; None before its end, and for a study without a search."""
        return chosen(self.study, self.trials)

    @property
    def to_come(self) -> Counter[str]:
        """How many runs of each method the search or the tuning will add, as far as is known."""
        if self.arms:
            return Counter[str](spec.method for spec in tuned.to_come(self.study, self.prints, self.arms))
        search, coming = self.study.search, Counter[str](spec.method for spec in self.compared)  # runs with the chosen values
        if search is None or self.chosen is not None:
            return Counter()
        each = coming[search.method] // len(draws_of(self.study)) * len(draws_of(self.study, search.seeds))
        coming[search.method] += each * (search.trials - len(self.trials))
        return coming

    def label(self, spec: Spec) -> str:
        """The name of a run, or its id if another run of the study has the same name."""
        key = Same(spec)
        if key not in self._labels:  # it is asked for again and again
            self._labels[key] = run_id(spec) if self._names[spec.name] > 1 and spec.ready else spec.name
        return self._labels[key]

    @cached_property
    def _labels(self) -> dict[Same[Spec], str]:
        return {}

    @cached_property
    def _names(self) -> Counter[str]:
        return Counter(spec.name for spec in self.specs)

    def counts(self) -> Counter[RunState]:
        """How many runs are in each state, pretraining included."""
        return Counter(self.state(spec) for spec in self.specs)


def data_key(spec: Spec) -> str:
    """The task or modality whose data a run reads."""
    return spec.modality if isinstance(spec, PretrainSpec) else spec.target


def data_keys(spec: Spec) -> tuple[str, ...]:
    """Everything whose data a run reads: its task or modality, and the auxiliary's modality if the method trains with that.

    A pretraining without samples reads nothing.
    """
    if isinstance(spec, PretrainSpec) and not spec.reads_data:
        return ()
    beside = (spec.auxiliary,) if isinstance(spec, RunSpec) and spec.auxiliary_data else ()
    return (data_key(spec), *beside)


def resolve(study: Study, known_data: Mapping[str, str] | None = None, *, to_look: bool = False) -> Plan:
    """The plan of a study as things are on the disk now. `known_data` are fingerprints of its data; they are not computed again.

    A plan that is only made `to_look` at tells of damaged data, or a damaged journal of a search, in its `faults`: the data count
    as they were made, and the search as not begun.

    Raises:
        UserError: data, weights, a record or the journal of a search cannot be read.

    """
    faults: list[str] = []
    declared = with_encoders(study)
    data, missing_data = _data(declared, faults) if known_data is None else (dict(known_data), ())
    files, missing_files = encoder_files(declared)
    weights = {key: weights_sha256(path, partial(known_sha256, cache=CACHE)) for key, path in files.items()}
    prints = Fingerprints(data | dict.fromkeys(missing_data, ""), weights)
    trained, prints = _trained_encoders(declared, prints, missing_data)
    journal = _journal(study, prints, faults)
    if faults and not to_look:
        raise UserError(faults[0])
    trials = with_results(study, journal, prints, runs_folder(study))
    arms = tuned.arms(study, prints, runs_folder(study))
    written_out = with_trials(study, trials)
    parts = part_specs(written_out, prints)
    return Plan(
        study=study,
        prints=prints,
        weights=files | trained,
        missing_data=missing_data,
        missing_weights=missing_files,
        pretrain=pretrain_specs(declared, prints),
        runs=tuned.run_specs(study, prints, arms) if arms else in_order(written_out, parts),
        made=parts,
        trials=trials,
        arms=arms,
        faults=faults,
    )


def _data(study: Study, faults: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The fingerprints of the data that are there as declared, and the tasks and modalities whose data are not.

    Of embedded data that were changed it is the fingerprint that they had; they are added to the `faults`.
    """
    used, made = data_used(study), {}
    try:
        made = embedded_data.made(study)
    except UserError as error:
        faults.append(str(error))
    missing = tuple(key for key in used if not data_folder(study, key).is_dir() or embedded_data.is_stale(study, key, made))
    known = {key: fingerprint(data_folder(study, key)) for key in used if key not in missing}
    for key, sha256 in known.items():
        if (sentence := embedded_data.other_than_made(study, key, sha256, made)) is not None:
            faults.append(sentence)
            known[key] = str(made[key]["sha256"])
    return known, missing


def _journal(study: Study, prints: Fingerprints, faults: list[str]) -> list[Trial]:
    try:
        return read_trials(study, prints, runs_folder(study))
    except UserError as error:
        faults.append(str(error))
        return []


def _trained_encoders(
    study: Study, prints: Fingerprints, missing_data: Collection[str]
) -> tuple[dict[EncoderKey, Path], Fingerprints]:
    """The encoders whose pretraining is complete, and the fingerprints with theirs."""
    trained: dict[EncoderKey, Path] = {}
    for _ in range(2):  # an encoder that starts from another one has no id before that one is complete
        for spec in pretrain_specs(study, prints):
            if not spec.ready or (spec.reads_data and spec.modality in missing_data):
                continue
            run_dir = place_of(encoders_folder(study) / run_id(spec))
            if is_complete(run_dir) and (sha256 := _encoder_sha256(run_dir)) is not None:
                key = made_by(study, spec)
                trained[key] = run_dir / ENCODER
                prints = replace(prints, weights={**prints.weights, key: sha256})
    return trained, prints


def _encoder_sha256(run_dir: Path) -> str | None:
    """What the record of a complete pretraining says of its encoder; None if it is damaged, of which `Plan.damaged` tells."""
    try:
        return read_record(run_dir, PretrainRecord).files.get(ENCODER)
    except UserError:
        return None


def is_being_done(run_dir: Path) -> bool:
    """Whether a job is working on a run now."""
    return is_leased(run_dir / LOCK)


def sweep_id(study: Study) -> str:
    """The same for every start of one sweep: a hash of everything in the study that can change a number."""
    form = canonical(study.model_dump(mode="json", exclude={"execution", "design"}))
    return hashlib.sha256(form.encode()).hexdigest()[:8]
