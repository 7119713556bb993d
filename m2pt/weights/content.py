"""The content of a weights file: its tensors by name, read without running any code in it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor

from m2pt.config import UserError, Weights, refuses_unknown
from m2pt.weights.containers import container_of
from m2pt.weights.pickles import CONVERSION, Inert, as_mapping, is_module, module_tensors, read_pickled
from m2pt.weights.shards import INDEX, parts, weights_file

Kind = Literal["safetensors", "pytorch"]

RAW = ("base_model", "model", "module", "state_dict", "model_state_dict", "student")
AVERAGED = ("model_ema", "state_dict_ema", "ema_state_dict", "model_state_dict_ema", "ema_model", "ema", "teacher")
"""The names under which training programs save a model's tensors among other things, and those of their moving average."""

PICKLED_MODULE = "pickled module"

_DEEPEST = 4  # wrappers within wrappers
_MOST_REPEATED_BYTES = 2**28
_COUNT = "n_averaged"  # in files of torch.optim.swa_utils.AveragedModel
_UNDECIDED = "student"  # whose name does not say whether others load it


@dataclass(frozen=True)
class Content:
    """The tensors of a file under the names in the file.

    `wrapper` is the entry that holds them, `others` are the entries next to it. `weights` says whether they are the trained ones
    or their moving average, `beside` names the entries with the other kind. `objects` are entries among the tensors that are not
    tensors.
    """

    file: Path
    kind: Kind
    tensors: Mapping[str, Tensor]
    wrapper: str | None = None
    others: tuple[str, ...] = ()
    weights: Weights = "raw"
    beside: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


@refuses_unknown
def read_content(path: Path, wanted: Weights | None = None, key: str = "weights") -> Content:
    """The tensors in a file, in the one file of a folder, or in all the files of an index.

    Args:
        path: the file, folder or index.
        wanted: the trained weights (`raw`) or their moving average (`ema`); None if the file decides.
        key: the key of the study that sets `wanted`, for messages.

    Raises:
        UserError: it is missing, cut off, of another format, holds code that would have to run, or lacks the wanted weights.

    """
    file = weights_file(path)
    if not file.name.endswith(INDEX):
        return _read(file, wanted, key)
    tensors: dict[str, Tensor] = {}
    contents = [(part, names, _read(part, wanted, key)) for part, names in parts(file).items()]
    for part, names, content in contents:
        if absent := [name for name in names if name not in content.tensors]:
            raise UserError(f"{part}: lacks {absent[0]}, which {file.name} says is in it; fetch both again.")
        if twice := sorted(content.tensors.keys() & tensors.keys()):
            raise UserError(f"{part}: holds {twice[0]}, as another part of {file.name} does; fetch them again.")
        tensors |= content.tensors
    first = contents[0][2]
    return Content(file, first.kind, tensors, first.wrapper, first.others, first.weights, first.beside, first.objects)


def _read(file: Path, wanted: Weights | None, key: str) -> Content:
    container = container_of(file)
    if container != "safetensors":
        return _unwrap(file, read_pickled(file, container), wanted, key)
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    except Exception as error:  # the library reports an unknown type of number in many ways
        kind = " ".join(str(error).split())
        raise UserError(f"{file}: cannot be read as safetensors ({kind}); fetch it again.") from error
    return _checked(Content(file, "safetensors", tensors), wanted, key)


def _unwrap(file: Path, content: Any, wanted: Weights | None, key: str) -> Content:
    wrapper: str | None = None
    others: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    weights: Weights = "raw"
    for _ in range(_DEEPEST):
        if is_module(content):
            module = Content(file, "pytorch", module_tensors(content), PICKLED_MODULE, others, weights, beside)
            return _checked(module, wanted, key)
        entries = as_mapping(content)
        if entries is None:
            break
        name = _entry(file, entries, wanted, key)
        if name is None:
            tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
            if not tensors:
                break
            left = tuple(name for name in entries if name not in tensors)
            objects = tuple(name for name in left if isinstance(entries[name], Inert))
            return _checked(Content(file, "pytorch", tensors, wrapper, (*others, *left), weights, beside, objects), wanted, key)
        if name in AVERAGED:
            weights = "ema"
        rivals = RAW if name in AVERAGED else AVERAGED
        beside += tuple(other for other in rivals if other in entries and _holds(entries[other]))
        others = (*others, *(other for other in entries if other != name))
        content, wrapper = entries[name], name
    if isinstance(content, Inert) and not content.entries:
        raise UserError(f"{file}: holds an object that is not a module of PyTorch; {CONVERSION}.")
    names = ", ".join((*RAW, *AVERAGED))
    elsewhere = [name for name, value in (as_mapping(content) or {}).items() if _holds(value)]
    advice = "name a file of a model's weights"
    if elsewhere:
        advice = f"if you mean those under {' or '.join(elsewhere)}, save them in a file of their own"
        advice += f": `torch.save(torch.load(FILE, weights_only=False)[{elsewhere[0]!r}], NEW_FILE)`"
    raise UserError(f"{file}: holds no model's tensors by name, at the top or under {names}; {advice}.")


def _entry(file: Path, entries: Mapping[str, Any], wanted: Weights | None, key: str) -> str | None:
    """The entry that holds the wanted tensors; None if they are at this level."""
    raw = [name for name in RAW if name in entries and _holds(entries[name])]
    averaged = [name for name in AVERAGED if name in entries and _holds(entries[name])]
    here = any("." in name and isinstance(value, Tensor) for name, value in entries.items())
    candidates = {"raw": raw + ["the top"] * here, "ema": averaged}
    if raw and averaged and raw[0] == _UNDECIDED and wanted is None:
        raise UserError(
            f"{file}: holds weights under {raw[0]} and their moving average under {averaged[0]}; set {key} to raw or ema."
        )
    if wanted is not None and (raw or averaged):
        kind: Weights = wanted if candidates[wanted] else ("ema" if wanted == "raw" else "raw")
    else:
        kind = "raw" if candidates["raw"] else "ema"
    chosen = candidates[kind]
    if len(chosen) > 1:
        raise UserError(
            f"{file}: holds weights under {' and '.join(chosen)}; save the ones you mean in a file of their own: "
            f"`torch.save(torch.load(FILE, weights_only=False)[{chosen[0]!r}], NEW_FILE)`."
        )
    return chosen[0] if chosen and chosen[0] != "the top" else None


def _holds(value: Any, depth: int = _DEEPEST) -> bool:
    """Whether an entry holds tensors, at its top or under the usual names."""
    if is_module(value):
        return True
    entries = as_mapping(value)
    if entries is None or depth == 0:
        return False
    inner = (entries[name] for name in (*RAW, *AVERAGED) if name in entries)
    return any(isinstance(item, Tensor) for item in entries.values()) or any(_holds(item, depth - 1) for item in inner)


def _checked(content: Content, wanted: Weights | None, key: str) -> Content:
    """Refuse weights of another kind than `wanted`, and empty ones."""
    if _COUNT in content.tensors and content.weights == "raw":
        tensors = {name: value for name, value in content.tensors.items() if name != _COUNT}
        content = Content(content.file, content.kind, tensors, content.wrapper, (*content.others, _COUNT), "ema", content.beside)
    if wanted is not None and content.weights != wanted:
        words: dict[Weights, str] = {"raw": "trained weights", "ema": "a moving average of weights"}
        raise UserError(f"{content.file}: holds only {words[content.weights]}, {key} is {wanted}; correct it.")
    empty = [name for name, tensor in content.tensors.items() if not tensor.is_nested and tuple(tensor.shape) == (0,)]
    if empty:
        raise UserError(
            f"{content.file}: {len(empty)} of its {len(content.tensors)} tensors are empty ({empty[0]}, ...), as DeepSpeed's "
            "ZeRO-3 leaves them; gather them with the zero_to_fp32.py next to its checkpoints, and name the result."
        )
    if name := next((name for name, tensor in content.tensors.items() if _repeats(tensor)), None):
        raise UserError(f"{content.file}: {name} repeats few numbers without end, which no weights do; fetch the file again.")
    return content


def _repeats(tensor: Tensor) -> bool:
    """Whether a tensor stands for much more than the file holds: a few bytes would take all memory once it is used."""
    if tensor.is_nested or tensor.layout != torch.strided:
        return False
    places = math.prod(max(1, size) for size in tensor.shape)  # also where one of them is none
    return places * tensor.element_size() > max(tensor.untyped_storage().nbytes(), _MOST_REPEATED_BYTES)
