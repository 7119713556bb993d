"""What a file of weights holds: its tensors by name, read without running anything that is in it.

Files are told apart by their first bytes, not by their name. Tensors stay on the disk until they are used, where the format
allows it.
"""

import pickletools
import struct
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from m2pt.config import UserError
from m2pt.identity import file_sha256

Kind = Literal["safetensors", "pytorch"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")
USUAL_NAMES = ("model.safetensors", "pytorch_model.bin")
"""What the one file of weights is called in folders of the Hugging Face hub; the first that is there is taken."""

WRAPPERS = ("base_model", "model", "module", "state_dict", "model_state_dict")
"""Under which names training programs keep a model's tensors beside other things; the first that is there is taken."""

PICKLED_MODULE = "pickled module"
CONVERSION = "where you trust the file, convert it: `torch.save(torch.load(FILE, weights_only=False).state_dict(), NEW_FILE)`"

_HOSTILE = {"os", "posix", "nt", "sys", "io", "subprocess", "shutil", "socket", "runpy", "importlib", "webbrowser"} | {
    f"builtins.{name}" for name in ("open", "eval", "exec", "compile", "__import__")
}
_DEEPEST = 4  # wrappers within wrappers
_NAMED_AS_OTHER = ".safetensors"  # by which torch.load would take a file for one, whatever is in it
_LEGACY_PICKLES = 4  # of a file before PyTorch 1.6: magic number, version, machine, content


@dataclass(frozen=True)
class Content:
    """The tensors of a file as it names them; `wrapper` is what they stood under, `others` the entries beside them."""

    file: Path
    kind: Kind
    tensors: Mapping[str, Tensor]
    wrapper: str | None = None
    others: tuple[str, ...] = ()


class Inert:
    """Stands in for whatever a pickle asks for that is no tensor: takes arguments and state, and does nothing with them."""

    def __new__(cls, *_: Any, **__: Any) -> "Inert":
        """Whatever the arguments."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state


def weights_file(path: Path) -> Path:
    """The file of weights that a path names: itself, or the one in a folder.

    Raises:
        UserError: there is none, or a folder holds several and none of the usual name.

    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: the weights file is missing; fetch it or correct the path.")
    for name in USUAL_NAMES:
        if (path / name).is_file():
            return path / name
    found = sorted(item for item in path.iterdir() if item.suffix in SUFFIXES and item.is_file())
    if len(found) == 1:
        return found[0]
    fault = f"holds several files of weights ({', '.join(item.name for item in found)})" if found else "holds no file of weights"
    raise UserError(f"{path}: the folder {fault}; name the file itself.")


def check_content(path: Path, sha256: str | None) -> None:
    """Check that a file (or the one in a folder) is still the one that a run was planned with; None: nothing was planned.

    Raises:
        UserError: it is missing or has changed.

    """
    if sha256 is not None and file_sha256(weights_file(path)) != sha256:
        raise UserError(f"{path}: its content has changed since the run was planned; plan the study again.")


def read_content(path: Path) -> Content:
    """The tensors in a file, or in the one file of a folder.

    Raises:
        UserError: it is missing, truncated, of another format, or holds code that would have to run.

    """
    file = weights_file(path)
    try:
        with file.open("rb") as stream:
            start = stream.read(64)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); mend its permissions.") from error
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{file}: is a pointer of Git LFS instead of the weights; fetch them with `git lfs pull`.")
    if start.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(file):
        raise UserError(f"{file}: is cut off (the end of PyTorch's format is not there); fetch it again.")
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return _read_pytorch(file)
    if len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < 2**40:
        return _read_safetensors(file)
    raise UserError(f"{file}: is no file of weights (neither safetensors nor PyTorch's format); fetch it again.")


def _read_safetensors(file: Path) -> Content:
    try:
        with safe_open(file, framework="pt") as opened:
            return Content(file, "safetensors", {name: opened.get_tensor(name) for name in opened.keys()})
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: is no whole safetensors file ({error}); fetch it again.") from error


def _read_pytorch(file: Path) -> Content:
    """Read what `torch.save` wrote. PyTorch's own reader makes nothing but tensors; whatever else is in it becomes `Inert`."""
    zipped = zipfile.is_zipfile(file)
    try:
        with warnings.catch_warnings(), file.open("rb") as stream:
            warnings.simplefilter("ignore")
            names = torch.serialization.get_unsafe_globals_in_checkpoint(file) if zipped else _legacy_names(file)
            _refuse_hostile(file, names)
            with torch.serialization.safe_globals([(Inert, name) for name in names]):
                if zipped and file.suffix != _NAMED_AS_OTHER:
                    content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
                else:
                    content = torch.load(stream, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        reason = " ".join(str(error).rpartition("WeightsUnpickler error: ")[2].split())[:120] or type(error).__name__
        raise UserError(
            f"{file}: cannot be read as weights of PyTorch ({reason}); it is damaged, which fetching it again mends, or it holds "
            f"more than tensors: {CONVERSION}."
        ) from error
    tensors, wrapper, others = _unwrap(file, content, None, ())
    return Content(file, "pytorch", tensors, wrapper, others)


def _refuse_hostile(file: Path, names: list[str]) -> None:
    """Name a file that was made to do harm for what it is. Reading does not rely on it: nothing that a pickle asks for is run."""
    hostile = sorted(name for name in names if name.split(".", 1)[0] in _HOSTILE or name in _HOSTILE)
    if hostile:
        raise UserError(
            f"{file}: asks to call {', '.join(hostile)}, as no weights do; nothing of it was run: do not use this file."
        )


def _legacy_names(file: Path) -> list[str]:
    """The names that the pickles of a file before PyTorch 1.6 ask for, found without running them, as Python 3 calls them."""
    names = set()
    with file.open("rb") as stream:
        for _ in range(_LEGACY_PICKLES):
            for operation, argument, _position in pickletools.genops(stream):
                if operation.name == "GLOBAL":
                    module, name = str(argument).split(" ", 1)
                    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
                    names.add(f"{module}.{name}")
    return sorted(names)


def _unwrap(file: Path, content: Any, wrapper: str | None, others: tuple[str, ...]) -> tuple[dict[str, Tensor], str | None, Any]:
    for _ in range(_DEEPEST):
        if isinstance(content, Inert):
            return _module_tensors(file, content), PICKLED_MODULE, others
        if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
            break
        inner = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping | Inert)), None)
        if inner is None:
            tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
            if not tensors:
                break
            return tensors, wrapper, (*others, *(key for key in content if key not in tensors))
        others = (*others, *(key for key in content if key != inner))
        content, wrapper = content[inner], inner
    raise UserError(f"{file}: holds no model's tensors by name, at the top or under {', '.join(WRAPPERS)}.")


def _module_tensors(file: Path, module: Any, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a pickled `torch.nn.Module`, from its recorded state; none of its code is looked for."""
    state = getattr(module, "state", None)
    state = state if isinstance(state, dict) else {}
    parts: list[Any] = [state.get(name) for name in ("_parameters", "_buffers", "_modules")]
    if not all(isinstance(part, dict) for part in parts):
        raise UserError(f"{file}: holds an object that is no module of PyTorch; {CONVERSION}.")
    passing = state.get("_non_persistent_buffers_set", ())
    own = (parts[0] | parts[1]).items()
    tensors = {f"{prefix}{name}": value for name, value in own if isinstance(value, Tensor) and name not in passing}
    for name, part in parts[2].items():
        if part is not None:
            tensors |= _module_tensors(file, part, f"{prefix}{name}.")
    return tensors
