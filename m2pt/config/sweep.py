"""The grid of runs of a study."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from m2pt.config.base import BUILT_IN_MODALITIES, Frozen, Modality, Name, Seed, Setting, Tuning, repeated
from m2pt.config.methods import CORE_METHODS, MethodName
from m2pt.config.tune import TuneConfig


class SweepConfig(Frozen):
    """The grid: the runs of a study.

    `pathway` runs every pair of different modalities of `targets` × `auxiliaries`; the list of methods says what the others take.
    """

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """Seeds of the runs; each method is run with all of them, so that differences can be paired."""
    targets: Annotated[tuple[Name, ...], Field(min_length=1)] = BUILT_IN_MODALITIES
    """Modalities, for their small data in `<data.root>/<modality>`, or names of tasks."""
    auxiliaries: tuple[Modality, ...] = BUILT_IN_MODALITIES
    """Modalities of the auxiliary encoders."""
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = CORE_METHODS
    """The methods, by name (the table of methods says what each is)."""
    settings: Annotated[tuple[Setting, ...], Field(min_length=1)] = ("pretrained",)
    """Whether targets start from `target_encoder` or from scratch."""
    tunings: Annotated[tuple[Tuning, ...], Field(min_length=1)] = ("full",)
    """Train all weights (`full`), or only scales and head (`fix`)."""
    target_encoder: Name = "mae"
    """The encoder that pretrained targets start from: a name of `encoders`, or `random`."""
    auxiliary_encoder: Name = "mae"
    """The encoder that auxiliaries come from: a name of `encoders`, or `random`."""
    no_modality_encoder: Annotated[Name | None, Field(exclude_if=lambda name: name is None)] = None
    """The encoder of the controls without a modality (`no_modality`, `no_modality_start`, `no_modality_attention_start`): a name
    of `encoders`, of an encoder that was pretrained on noise (`data: noise`), further from it with random labels (`labels:
    random`), or on brackets (`kind: procedural`). Each target gets the one that was made for its own modality."""
    tune: Annotated[TuneConfig | None, Field(exclude_if=lambda tune: tune is None)] = None
    """Rates that each arm is tuned over first; without the section, all arms have those of the study file."""
    encoder_seeds: Annotated[Literal["paired", "crossed"], Field(exclude_if=lambda way: way == "paired")] = "paired"
    """Which runs use which replicate of encoders that have `seeds`. `paired`: the i-th of `seeds` uses replicate i, and after the
    last one the first again. `crossed`: every seed is run with every replicate."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from repeated(self, "seeds", "targets", "auxiliaries", "methods", "settings", "tunings")
