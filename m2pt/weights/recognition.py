"""Which layouts a weights file can have: recognised by all that defines them, never by the first matching key."""

import re
from collections.abc import Sequence

from m2pt.config import LayoutName, UserError, refuses_unknown
from m2pt.weights.content import Content
from m2pt.weights.definitions import DEFINITIONS, KeyedFile
from m2pt.weights.foreign import foreign
from m2pt.weights.layouts import DESCRIPTIONS, Layout
from m2pt.weights.shards import model_type

_NUMBERED = re.compile(r"(?:encoder\.|vit\.|videomae\.)*(?:blocks|layer|layers)\.(\d+)\.")
_WRAPPED = re.compile(r"^(?:(?:module|_orig_mod|_fsdp_wrapped_module|backbone|base_model|model|net)\.)+")
_INSIDE = re.compile(r"(?<=\.)(?:_orig_mod|_fsdp_wrapped_module)\.")


@refuses_unknown
def fitting(content: Content, known: Sequence[LayoutName], named: LayoutName | None = None, key: str = "layout") -> list[Layout]:
    """The layouts that a file can have; several if they cannot be distinguished.

    Args:
        content: the file.
        known: the layouts to try.
        named: the layout that the user declares, which is then the only one returned.
        key: the key of the study that declares it.

    Raises:
        UserError: it has none of them or not the declared one, holds a tensor twice, or is only a part of an encoder.

    """
    file = KeyedFile(content, _bare(content))
    layouts = [layout for name in known if (layout := DEFINITIONS[name](file, name == named)) is not None]
    if named is not None:
        others = " or ".join(DESCRIPTIONS[layout.name] for layout in layouts if layout.name != named) or "of no known layout"
        layouts = [layout for layout in layouts if layout.name == named]
        if not layouts:
            raise UserError(f"{content.file}: is {others}, and {key} is {named}; correct or remove that key.")
    if not layouts:
        _refuse_other_blocks(file, known)
        _refuse(file, key)
    for layout in layouts:
        _check_complete(content, layout)
    return layouts


def _refuse_other_blocks(file: KeyedFile, known: Sequence[LayoutName]) -> None:
    other = next((name for name in DEFINITIONS if name not in known and DEFINITIONS[name](file, False) is not None), None)
    if other is not None:
        raise UserError(
            f"{file.content.file}: is {DESCRIPTIONS[other]}, which is not among {', '.join(known)}, the layouts of "
            "this model.family; name another file."
        )


def _refuse(file: KeyedFile, key: str) -> None:
    first = ", ".join(sorted(file.content.tensors)[:3])
    known = "MAE, AudioMAE, Point-MAE, VideoMAE, the M2PT zoo, timm, Hugging Face's ViT, AST and VideoMAE, and this project"
    if file.split and file.kernel is None and file.has("blocks.0.", "encoder.blocks.0."):
        raise UserError(
            f"{file.content.file}: could be VideoMAE's blocks or BEiT's, and has no patches to tell them apart; set {key} to "
            "videomae if it is VideoMAE's."
        )
    if kin := foreign(file.bare, file.kernel):
        raise UserError(f"{file.content.file}: is {kin}, which m2pt does not read; it reads the layouts of {known}.")
    numbers = sorted({int(block[1]) for key in file.bare if (block := _NUMBERED.match(key))})
    if numbers and numbers[0]:
        held = f"holds blocks {numbers[0]} to {numbers[-1]} and not the first ones, so it is a part of an encoder"
        raise UserError(f"{file.content.file}: {held}; name the complete file, or the index of its parts.")
    if (kind := model_type(file.content.file)) is not None:
        raise UserError(
            f"{file.content.file}: is a model of type {kind} (config.json), which m2pt does not read; it reads the layouts of "
            f"{known}."
        )
    raise UserError(
        f"{file.content.file}: its keys ({first}, ...) belong to no layout that m2pt reads, which are those of {known}."
    )


def _check_complete(content: Content, layout: Layout) -> None:
    """Require that the blocks are numbered from 0 without a gap."""
    absent = sorted(set(range(layout.indices[-1] + 1)) - set(layout.indices))
    if absent:
        listed = ", ".join(map(str, absent[:6])) + (", ..." if len(absent) > 6 else "")
        raise UserError(
            f"{content.file}: has {layout.depth} blocks up to number {layout.indices[-1]} and lacks {listed}, so it is a part of "
            "an encoder; name the complete file, or the index of its parts."
        )


def _bare(content: Content) -> dict[str, str]:
    bare: dict[str, str] = {}
    for key in content.tensors:
        short = _INSIDE.sub("", _WRAPPED.sub("", key))
        if short in bare:
            raise UserError(f"{content.file}: {bare[short]} and {key} are both {short}; keep one of them.")
        bare[short] = key
    return bare
