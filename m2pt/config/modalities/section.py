"""What the sections of all modalities have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from m2pt.config.base import Form, Frozen, Goal

Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class InputSection(Frozen):
    """What the sections of all modalities have: the form, and the facts about a modality that a spec or a file of weights needs.

    The rest of a modality is declared in its wing (`m2pt.modalities`).
    """

    class_token: ClassVar[bool] = True
    """Whether the published tokenizer puts a class token in front of the others."""
    axes: ClassVar[tuple[str, ...]] = ()
    """What the patches of the published tokenizer are counted along; empty where tokens are not patches of a grid."""
    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = {}
    """The keys of `finetune.test` that apply to this modality, with the goals that use them."""
    unread_of_small_data: ClassVar[Mapping[str, str]] = {}
    """The keys of this section that small data, which are read as a whole, do not read, with the reason for each."""
    tokens_only: ClassVar[tuple[str, ...]] = ()
    """The keys of this section that say how tokens are made, which a ConvNet does not read."""
    maps_only: ClassVar[tuple[str, ...]] = ()
    """The keys of this section that say how the maps of a ConvNet are made."""
    for_tasks_only: ClassVar[tuple[str, ...]] = ()
    """The keys of this section that cannot be set for small data."""

    form: Form = "shared"
    """How the tokenizer encodes positions and pools tokens: `shared` or `published`."""

    @property
    @abstractmethod
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of a sample as the tokenizer takes it."""

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """The sides of a patch, channels first; empty where tokens are not patches of a grid."""
        return ()

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of patches along each of `axes`."""
        return ()


class AugmentSection(Frozen):
    """What the augmentations of all modalities have."""

    @property
    def mixes(self) -> bool:
        """Whether a sample is mixed with another one while it is read."""
        return False

    def unread(self, goal: Goal, form: Form) -> Mapping[str, str]:
        """The keys that a run of a goal and form of input does not read, with the reason for each."""
        del goal, form
        return {}


@dataclass(frozen=True)
class Wing:
    """A modality as m2pt finds it: its sections of a study, and where the rest is declared.

    A plugin gives this object as its entry point of the group `m2pt.modalities`. Its `input` and its `augment` declare a key
    `kind: Literal[NAME] = NAME`, so that no other modality's sections are taken for them.
    """

    input: type[InputSection]
    """Its section of `inputs`."""
    augment: type[AugmentSection]
    """Its section of `finetune.augment`."""
    spec: str
    """Where its `m2pt.modalities.spec.ModalitySpec` is (`package.module:NAME`), which is imported when it is used."""
