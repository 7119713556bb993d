"""Which keys of a study change a run.

Every value of the study is replaced by a mark that carries its key, and the grid of runs is made from the marks as it is from the
values. A mark that arrives in a run, in a place that the run reads (`m2pt.runs.unread`), changes that run, whatever the value is.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from m2pt.config import MODALITIES, Frozen, GivenSource, Reading, Study, TaskConfig
from m2pt.config.base import Same
from m2pt.methods import METHODS, unread
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec
from m2pt.runs.trials import with_encoders
from m2pt.runs.unread import Reasons, is_unread, leaves
from pipelines.planning.grid import encoders_used, part_specs, pretrain_spec
from pipelines.planning.run_maker import Fingerprints
from pipelines.planning.tuned import trains_scales

STUDY_SECTIONS = ("inputs", "model", "pretrain", "finetune", "pathway", "rivals")
"""The sections of a study whose values its runs take over."""

SPEC_SECTIONS = ("input", "model", "pretrain", "finetune", "pathway", "rivals")
"""The sections of a spec in which those values arrive."""


@dataclass(frozen=True)
class Mark:
    """Takes the place of the value of a key."""

    key: str


@dataclass
class UsedKeys:
    """What runs do with the keys of a study.

    `read` are the keys that change a run; `ignored` those that arrive in a run which does not read them, with the reason.
    `present` are the sections (or keys, where methods read different ones) for which runs have values, whoever set them.
    """

    read: set[str] = field(default_factory=set)
    ignored: dict[str, str] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def add(self, other: "UsedKeys") -> None:
        """Add what other runs do with the keys."""
        self.read |= other.read
        self.ignored |= other.ignored
        self.present |= other.present

    def changes_a_run(self, key: str) -> bool:
        """Whether a key, or a key inside it, changes a run."""
        return key in self.read or any(read.startswith(f"{key}.") for read in self.read)

    def has_values_of(self, key: str) -> bool:
        """Whether runs have values of the section that a key belongs to."""
        return any(key == section or key.startswith(f"{section}.") for section in self.present)


def used_by_runs(study: Study) -> UsedKeys:
    """What the fine-tuning runs of a study without parts do with its keys.

    Raises:
        UserError: no runs can be made from the study.

    """
    one_seed = study.model_copy(update={"sweep": study.sweep.model_copy(update={"seeds": study.sweep.seeds[:1]})})
    prints = Fingerprints(dict.fromkeys([*MODALITIES, *study.tasks], ""), {})
    specs = part_specs(one_seed, prints)[""]
    marked = part_specs(_marked(one_seed), prints, RunSpec.model_construct)[""]  # marks would not pass validation
    used, seen = UsedKeys(), set()
    for spec, marks in zip(specs, marked, strict=True):
        beside = spec.auxiliary if spec.auxiliary_data else ""
        kind = (spec.target, spec.method, spec.tuning, beside)
        if kind not in seen:  # seed, setting and an auxiliary's weights do not decide which values a run takes over
            seen.add(kind)
            _add_run(used, spec, marks, study.tasks.get(spec.target))
    for spec in specs:
        loaded = [ref for ref in (spec.target_weights, *spec.auxiliary_refs) if ref is not None]
        used.read |= {f"encoders.{ref.source}.reading.{ref.modality}.{key}" for ref in loaded for key in Reading.model_fields}
    _add_sweep(used, study, specs)
    _add_tuning(used, study, specs)
    return used


def used_by_encoders(study: Study) -> UsedKeys:
    """What the pretraining of a study's encoders, which all its parts share, does with its keys."""
    used, marked = UsedKeys(), _marked(study)
    prints = Fingerprints(dict.fromkeys(MODALITIES, ""), {})
    for key in encoders_used(with_encoders(study)):
        source = study.encoders[key.source]
        used.read.add(f"encoders.{key.source}.{key.modality}")
        if not isinstance(source, GivenSource):
            marks = pretrain_spec(marked, key, source, prints, PretrainSpec.model_construct)
            _add_spec(used, pretrain_spec(study, key, source, prints), marks)
            used.present.add(f"pretrain.{source.kind}")
    return used


def flat(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """The dotted key and the value of everything in nested mappings."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _add_spec(used: UsedKeys, spec: Spec, marks: Spec) -> None:
    """Add the marks that arrived in a run."""
    reasons = unread(spec)
    for section in SPEC_SECTIONS:
        if (values := getattr(marks, section, None)) is not None:
            used.add(_of_section(Same(values), section, _of(section, reasons)))
    if isinstance(spec, RunSpec) and isinstance(marks, RunSpec) and spec.auxiliary_data and marks.auxiliary_data:
        section = "auxiliary_data.input"
        used.add(_of_section(Same(marks.auxiliary_data.input), section, _of(section, reasons)))
        used.present.add(f"inputs.{spec.auxiliary}")
    used.present |= {"model", *([f"inputs.{spec.modality}"] if "input" not in reasons else [])}


def _of(section: str, reasons: Reasons) -> tuple[tuple[str, str], ...]:
    """The reasons that are about a section, or about a section around it."""
    return tuple(item for item in reasons.items() if item[0].startswith(f"{section}.") or f"{section}.".startswith(f"{item[0]}."))


@functools.lru_cache(maxsize=2**12)  # runs share their sections
def _of_section(marks: Same[Frozen], section: str, reasons: tuple[tuple[str, str], ...]) -> UsedKeys:
    """What a run does with the marks in one of its sections."""
    used, known = UsedKeys(), dict(reasons)
    for path, mark in leaves(marks.value, section):
        if isinstance(mark, Mark):
            _add_key(used, mark.key, is_unread(path, known))
    return used


def _add_run(used: UsedKeys, spec: RunSpec, marks: Spec, task: TaskConfig | None) -> None:
    """Add the marks that arrived in a fine-tuning run, and the keys of its own task that it reads."""
    _add_spec(used, spec, marks)
    used.present |= {"finetune", *(["pathway"] if spec.pathway else [])}
    used.present |= {f"rivals.{key}" for key in METHODS[spec.method].rivals}
    used.read |= {f"sweep.targets.{spec.target}", f"sweep.tunings.{spec.tuning}"}
    if task is None:
        return
    reasons = unread(spec)
    for section in ("finetune", "input"):
        for key, _ in flat(getattr(task, section)):
            _add_key(used, f"tasks.{spec.target}.{section}.{key}", is_unread(f"{section}.{key}", reasons))
    own = [name for name in TaskConfig.model_fields if name not in ("path", "recipes", "finetune", "input")]
    used.read |= {f"tasks.{spec.target}.{name}" for name in (*own, f"recipes.{spec.tuning}")}


def _add_key(used: UsedKeys, key: str, reason: str | None) -> None:
    if reason is None:
        used.read.add(key)
    else:
        used.ignored[key] = reason


def _add_sweep(used: UsedKeys, study: Study, specs: list[RunSpec]) -> None:
    """Add the keys of the sweep that decide which runs there are and what they load."""
    used.read |= {f"sweep.{name}" for name in ("seeds", "targets", "methods", "settings", "tunings")}
    if any(METHODS[method].takes in ("each", "all") for method in study.sweep.methods):
        used.read.add("sweep.auxiliaries")
    if "pretrained" in study.sweep.settings:
        used.read.add("sweep.target_encoder")
    if any(METHODS[spec.method].loads_auxiliaries for spec in specs):
        used.read.add("sweep.auxiliary_encoder")
    if study.replicates is not None:
        used.read.add("sweep.encoder_seeds")
    if any(METHODS[spec.method].takes == "no_modality" for spec in specs):
        used.read.add("sweep.no_modality_encoder")


def _add_tuning(used: UsedKeys, study: Study, specs: list[RunSpec]) -> None:
    """Add the keys of the sweep's tuning; those in whose place it puts chosen values are read by no run."""
    used.read.add("sweep.tune")
    if study.sweep.tune is None:
        return
    used.read |= {"sweep.tune.learning_rates", "sweep.tune.seeds"}
    replaced = ["finetune.learning_rate", *(f"tasks.{name}.finetune.learning_rate" for name in study.tasks)]
    if any(trains_scales(spec) for spec in specs):
        used.read.add("sweep.tune.scale_lr_multiples")
        replaced += ["pathway.scale_lr_multiple"] if study.sweep.tune.scale_lr_multiples else []
    for key in used.read & set(replaced):
        used.read.remove(key)
        used.ignored[key] = "sweep.tune chooses its value"


def _marked(study: Study) -> Study:
    """The study with a mark in place of each value that runs take over."""
    sections = {name: _marks(Same(getattr(study, name)), name) for name in STUDY_SECTIONS}
    return study.model_copy(update={**sections, "parts": (), "search": None})


@functools.lru_cache(maxsize=2**10)  # parts share their sections
def _marks(same: Same[Frozen], path: str) -> Frozen:
    values = {
        name: _marks(Same(value), f"{path}.{name}") if isinstance(value, Frozen) else Mark(f"{path}.{name}")
        for name, value in same.value
    }
    construct: Callable[..., Frozen] = type(same.value).model_construct
    return construct(**values)
