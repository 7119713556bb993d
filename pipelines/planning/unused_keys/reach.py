"""How far the values of a study come: which of its keys change a run.

Every value is replaced by a mark that bears its key, and the grid is made from the marks as it is from the values. A mark that
arrives in a run, at a place that the run reads (`m2pt.runs.unread`), changes that run, whatever the value happens to be.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from m2pt.config import MODALITIES, FileSource, Frozen, Reading, Study, TaskConfig
from m2pt.methods import METHODS, unread
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec
from m2pt.runs.trials import with_encoders
from m2pt.runs.unread import is_unread, leaves
from pipelines.planning.grid import Fingerprints, encoders_used, part_specs, pretrain_spec

SECTIONS = ("inputs", "model", "pretrain", "finetune", "pathway", "rivals")
"""The sections of a study whose values runs take over, and those of a spec where they arrive."""
SPEC_SECTIONS = ("input", "model", "pretrain", "finetune", "pathway", "rivals")


@dataclass(frozen=True)
class Mark:
    """Stands for the value of a key."""

    key: str


@dataclass
class Reach:
    """The keys that change a run; those that come to a run which does not read them, with the reason; and what runs have values
    of, whoever set them: a section of the study, or a key of it where each method reads other ones.
    """

    alive: set[str] = field(default_factory=set)
    idle: dict[str, str] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def add(self, other: "Reach") -> None:
        """Take up what another has found."""
        self.alive |= other.alive
        self.idle |= other.idle
        self.present |= other.present

    def has(self, key: str) -> bool:
        """Whether a key, or one inside of it, changes a run."""
        return key in self.alive or any(alive.startswith(f"{key}.") for alive in self.alive)

    def knows(self, key: str) -> bool:
        """Whether runs have values of the kind of a key."""
        return any(key == name or key.startswith(f"{name}.") for name in self.present)


def reach(study: Study) -> Reach:
    """How far the values of a study without parts come in its fine-tuning runs.

    Raises:
        UserError: the study cannot be made into runs.

    """
    one = study.model_copy(update={"sweep": study.sweep.model_copy(update={"seeds": study.sweep.seeds[:1]})})
    prints = Fingerprints(dict.fromkeys([*MODALITIES, *study.tasks], ""), {})
    specs = part_specs(one, prints)[""]
    marked = part_specs(_marked(one), prints, RunSpec.model_construct)[""]  # marks are no values that could be checked
    found, seen = Reach(), set()
    for spec, marks in zip(specs, marked, strict=True):
        kind = (spec.target, spec.method, spec.tuning)
        if kind not in seen:  # neither seed, auxiliary nor setting decide which values a run takes over
            seen.add(kind)
            _add(found, spec, marks, study.tasks.get(spec.target))
    for spec in specs:
        loaded = [ref for ref in (spec.target_weights, *spec.auxiliary_refs) if ref is not None]
        found.alive |= {f"encoders.{ref.source}.reading.{ref.modality}.{key}" for ref in loaded for key in Reading.model_fields}
    _add_sweep(found, study, specs)
    return found


def reach_of_encoders(study: Study) -> Reach:
    """How far the values of a study come in the making of its encoders, which are the same for all its parts."""
    found, marked = Reach(), _marked(study)
    prints = Fingerprints(dict.fromkeys(MODALITIES, ""), {})
    for key in encoders_used(with_encoders(study)):
        source = study.encoders[key[0]]
        found.alive.add(f"encoders.{key[0]}.{key[1]}")
        if not isinstance(source, FileSource):
            marks = pretrain_spec(marked, key, source, prints, PretrainSpec.model_construct)
            _add(found, pretrain_spec(study, key, source, prints), marks)
    return found


def flat(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """The dotted key and value of everything in nested mappings."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _add(found: Reach, spec: Spec, marks: Spec, task: TaskConfig | None = None) -> None:
    """Note which marks have come to a run, and which of its task's own values it reads."""
    reasons = unread(spec)
    for section in SPEC_SECTIONS:
        values = getattr(marks, section, None)
        for path, mark in leaves(values, section) if values is not None else ():
            if isinstance(mark, Mark):
                _note(found, mark.key, is_unread(path, reasons))
    found.present |= {"model", f"inputs.{spec.modality}"}
    if not isinstance(spec, RunSpec):
        found.present.add("pretrain.labels" if spec.start else "pretrain.mae")
        return
    found.present |= {"finetune", *(["pathway"] if spec.pathway else [])}
    found.present |= {f"rivals.{key}" for key in METHODS[spec.method].rivals}
    found.alive |= {f"sweep.targets.{spec.target}", f"sweep.tunings.{spec.tuning}"}
    if task is not None:
        for section in ("finetune", "input"):
            for key, _ in flat(getattr(task, section)):
                _note(found, f"tasks.{spec.target}.{section}.{key}", is_unread(f"{section}.{key}", reasons))
        own = [name for name in TaskConfig.model_fields if name not in ("path", "recipes", "finetune", "input")]
        found.alive |= {f"tasks.{spec.target}.{name}" for name in (*own, f"recipes.{spec.tuning}")}


def _note(found: Reach, key: str, reason: str | None) -> None:
    if reason is None:
        found.alive.add(key)
    else:
        found.idle[key] = reason


def _add_sweep(found: Reach, study: Study, specs: list[RunSpec]) -> None:
    """Note which keys of the sweep decide what runs there are, and what they load."""
    found.alive |= {f"sweep.{name}" for name in ("seeds", "targets", "methods", "settings", "tunings")}
    if any(METHODS[method].takes in ("each", "all") for method in study.sweep.methods):
        found.alive.add("sweep.auxiliaries")
    if "pretrained" in study.sweep.settings:
        found.alive.add("sweep.target_encoder")
    if any(METHODS[spec.method].loads_auxiliaries for spec in specs):
        found.alive.add("sweep.auxiliary_encoder")


def _marked(study: Study) -> Study:
    """The study with a mark in the place of each value that runs take over."""
    return study.model_copy(
        update={**{name: _marks(getattr(study, name), name) for name in SECTIONS}, "parts": (), "search": None}
    )


def _marks(section: Frozen, path: str) -> Frozen:
    values = {
        name: _marks(value, f"{path}.{name}") if isinstance(value, Frozen) else Mark(f"{path}.{name}") for name, value in section
    }
    construct: Callable[..., Frozen] = type(section).model_construct
    return construct(**values)
