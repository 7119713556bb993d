"""The sections of a study that belong to one modality, one file for each modality of m2pt, and those of plugins.

They hold the keys of a modality and the facts about it that a spec needs; the rest is in its wing, `m2pt.modalities`.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args

from pydantic import Field, create_model

from m2pt.config.base import FURTHER_MODALITIES, Frozen, Modality, UserError
from m2pt.config.entry_points import Plugin
from m2pt.config.modalities import audio, image, point, video
from m2pt.config.modalities.audio import AudioInput
from m2pt.config.modalities.image import ImageInput
from m2pt.config.modalities.point import PointInput
from m2pt.config.modalities.section import InputSection, Wing
from m2pt.config.modalities.video import VideoInput
from m2pt.config.plugins import load


class InputsConfig(Frozen):
    """The form in which each modality reaches its tokenizer."""

    image: ImageInput = ImageInput()
    """Pictures."""
    audio: AudioInput = AudioInput()
    """Sounds."""
    point: PointInput = PointInput()
    """Clouds of points."""
    video: VideoInput = VideoInput()
    """Clips."""


def _of_plugin(plugin: Plugin) -> Wing:
    """The sections of a plugin's modality. Raises `UserError` if they are not as `Wing` says."""
    wing = load(plugin, Wing)
    for section in (wing.input, wing.augment):
        field = section.model_fields.get("kind")
        if field is None or get_args(field.annotation) != (plugin.name,) or field.default != plugin.name:
            raise UserError(
                f"the modality {plugin.name!r} of the plugin {plugin}: {section.__name__} needs the key "
                f'`kind: Literal["{plugin.name}"] = "{plugin.name}"`; correct the plugin, or uninstall it.'
            )
    try:
        wing.input()
    except ValueError as error:
        raise UserError(
            f"the modality {plugin.name!r} of the plugin {plugin}: {wing.input.__name__} has keys without a default, or whose "
            "defaults do not go together; correct the plugin, or uninstall it."
        ) from error
    return wing


def _plugged() -> Iterator[tuple[str, Wing | str]]:
    """The wing of each plugin, or why there is none."""
    for name, plugin in FURTHER_MODALITIES.plugins.items():
        try:
            yield name, _of_plugin(plugin)
        except UserError as error:
            yield name, str(error)


_PLUGGED = dict(_plugged())

SECTION_FAULTS = tuple(fault for fault in _PLUGGED.values() if isinstance(fault, str))
"""Why the sections of a plugin's modality cannot be used, a sentence for each."""

_FURTHER = {name: wing for name, wing in _PLUGGED.items() if isinstance(wing, Wing)}

WINGS: Mapping[Modality, Wing] = {
    "image": image.WING,
    "audio": audio.WING,
    "point": point.WING,
    "video": video.WING,
    **_FURTHER,
}
"""The modalities: those of m2pt, then those of installed plugins."""

SECTIONS: Mapping[Modality, type[InputSection]] = {name: wing.input for name, wing in WINGS.items()}
"""The input section of each modality."""


def _field(section: type[InputSection]) -> Any:
    """The field of `inputs` for a plugin's section; what a study says does not depend on the plugins that it does not use."""
    usual = section()
    described = Field(description=inspect.getdoc(section), exclude_if=lambda given: given == usual)
    return Annotated[section, described], usual


if TYPE_CHECKING:
    from m2pt.config.modalities.section import AugmentSection

    InputConfig = InputSection
    Augmentation = AugmentSection
else:
    if _FURTHER:
        InputsConfig = create_model(
            "InputsConfig",
            __base__=InputsConfig,
            __doc__=InputsConfig.__doc__,
            __module__=__name__,
            **{name: _field(wing.input) for name, wing in _FURTHER.items()},
        )
    InputConfig = Union[tuple(SECTIONS.values())]  # noqa: UP007  # of types that are known when this runs
    Augmentation = Annotated[Union[tuple(wing.augment for wing in WINGS.values())], Field(discriminator="kind")]  # noqa: UP007
