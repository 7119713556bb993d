"""Which encoders a run loads besides the target's: auxiliaries, those of controls, and what an auxiliary was trained from."""

from dataclasses import dataclass, field
from typing import Literal

from m2pt.config import (
    RANDOM,
    GivenSource,
    LabelsSource,
    MethodName,
    Modality,
    ProceduralSource,
    Study,
    UserError,
    refuses_unknown,
)
from m2pt.config.encoders import has_seen_no_modality
from m2pt.methods import METHODS
from m2pt.runs.lineage import relation, start_of
from m2pt.runs.spec import EncoderKey


@dataclass(frozen=True)
class Loads:
    """A study as the key of what is remembered about the encoders that its runs load: equal if what decides that is."""

    content: str
    study: Study = field(compare=False)

    @classmethod
    def of(cls, study: Study) -> "Loads":
        """The key of a study."""
        return cls(study.model_dump_json(include={"sweep", "tasks", "encoders", "parts"}), study)


@refuses_unknown
def encoder_key(study: Study, name: str, modality: Modality, replicate: int | None) -> EncoderKey:
    """The encoder of a source, a modality and a replicate."""
    source = study.encoders[name]
    return EncoderKey(name, modality, None if isinstance(source, GivenSource) else source.of_replicate(replicate))


@refuses_unknown
def auxiliary_keys(
    study: Study, method: MethodName, auxiliary: str, target: Modality, replicate: int | None
) -> tuple[EncoderKey, ...]:
    """The encoders that a method loads in addition to the target's: auxiliaries, and the encoder that one was trained from.

    Raises:
        UserError: the study does not declare what the method needs.

    """
    source = study.sweep.auxiliary_encoder
    declaration = METHODS[method]
    if declaration.takes == "no_modality":
        return (encoder_key(study, _without_modality(study, method), target, replicate),)
    if not declaration.loads_auxiliaries or (source == RANDOM and not declaration.adds_what_was_learned):
        return ()
    learned = study.encoders.get(source)
    if declaration.adds_what_was_learned and (not isinstance(learned, LabelsSource) or learned.start == RANDOM):
        raise UserError(
            f"sweep.methods: {method} needs an auxiliary that was trained from another encoder (kind labels), which "
            f"{source} was not; choose another sweep.auxiliary_encoder, or remove the method."
        )
    if declaration.reads_auxiliary_samples and isinstance(study.encoders.get(source), ProceduralSource):
        raise UserError(
            f"sweep.methods: {method} needs an auxiliary with a tokenizer, which {source} (kind procedural) has not; choose "
            "another sweep.auxiliary_encoder, or remove the method."
        )
    modalities = auxiliary.split("+")
    if declaration.lineage is not None:
        return (own_key(study, method, declaration.lineage, modalities[0], replicate),)
    keys = tuple(encoder_key(study, source, modality, replicate) for modality in modalities)
    start = start_of(study.encoders, keys[0]) if declaration.adds_what_was_learned else None
    return keys if start is None else (*keys, start)


def _without_modality(study: Study, method: MethodName) -> str:
    if study.sweep.no_modality_encoder is None:
        raise UserError(
            f"sweep.no_modality_encoder: is missing, but {method} needs it; name an encoder that has seen no modality, such as "
            "one of kind procedural, or remove the method."
        )
    return study.sweep.no_modality_encoder


@refuses_unknown
def own_key(
    study: Study, method: MethodName, lineage: Literal["same", "apart"], modality: Modality, replicate: int | None
) -> EncoderKey:
    """The encoder of the target's own modality that a method takes, given how it must be related to the target's.

    Raises:
        UserError: the study has no encoder so related.

    """
    name, auxiliary = study.sweep.target_encoder, study.sweep.auxiliary_encoder
    if has_seen_no_modality(study.encoders, auxiliary):
        raise UserError(
            f"sweep.methods: {method} needs an auxiliary that has seen the target's modality, which {auxiliary} has not; choose "
            "another sweep.auxiliary_encoder, or remove the method."
        )
    target = None if name == RANDOM else encoder_key(study, name, modality, replicate)
    given = encoder_key(study, auxiliary, modality, replicate)
    if lineage == "same":
        return _of_lineage(study, method, target, given)
    return given if target is None else _apart(study, method, target, given, replicate)


def _of_lineage(study: Study, method: MethodName, target: EncoderKey | None, given: EncoderKey) -> EncoderKey:
    if target is None or "scratch" in study.sweep.settings:
        raise UserError(
            f"sweep.methods: {method} needs targets that start from an encoder, but some start from random weights; "
            "remove the method, or set sweep.settings: [pretrained] and sweep.target_encoder to a trained encoder."
        )
    if start_of(study.encoders, given) != target:
        raise UserError(
            f"sweep.methods: {method} needs auxiliaries that were trained further from the target's encoder, which "
            f"{given.source} was not; set sweep.auxiliary_encoder to an encoder of kind labels with start: {target.source}, or "
            "remove the method."
        )
    return given


def _apart(study: Study, method: MethodName, target: EncoderKey, given: EncoderKey, replicate: int | None) -> EncoderKey:
    """The given encoder if it was pretrained apart from the target's, else that of the next replicate."""
    choices = [given]
    if replicate is not None and study.replicates is not None:
        choices.append(encoder_key(study, given.source, given.modality, (replicate + 1) % study.replicates))
    for choice in choices:
        if relation(study.encoders, target, choice) != "same":
            return choice
    if "pretrained" not in study.sweep.settings:
        return given  # no target starts from its encoder, so that any auxiliary was pretrained apart
    raise UserError(
        f"sweep.methods: {method} needs an auxiliary that was pretrained apart from the target's encoder {target.source}, but "
        f"every {given.source} goes on from it, or is it; give both encoders several `seeds`, or set sweep.auxiliary_encoder "
        "to an encoder with a pretraining of its own."
    )
