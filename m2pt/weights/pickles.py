"""What `torch.save` wrote, read without running any code in it: tensors, plain data, and stand-ins for the rest."""

import os
import pickle
import types
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, _weights_only_unpickler

from m2pt.config import UserError, refuses_unknown
from m2pt.weights.containers import Container

CONVERSION = (
    "if you trust the file, open it with the program that wrote it and save only the tensors: "
    "`torch.save(model.state_dict(), NEW_FILE)`"
)

_HOSTILE = {"os", "posix", "nt", "sys", "io", "subprocess", "shutil", "socket", "runpy", "importlib", "webbrowser"} | {
    f"builtins.{name}" for name in ("open", "eval", "exec", "compile", "__import__")
}
_NAMED_AS_OTHER = ".safetensors"  # torch.load treats any file of this name as one
_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Inert:
    """Stands in for every object in a pickle that is not a tensor: takes arguments, state and items, and does nothing with them.

    `entries` are the items of a kind of dictionary (EasyDict, defaultdict, ...), `state` is what else the object was made of.
    """

    dump_patches = False
    state: Any = None
    entries: dict[Any, Any]

    def __new__(cls, *_: Any, **__: Any) -> "Inert":
        """Accept any arguments."""
        made = super().__new__(cls)
        made.entries = {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "Inert":
        """Whatever an unknown object makes is unknown too."""
        return Inert()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, _: Any) -> None:
        """An item of a kind of list."""

    def extend(self, _: Any) -> None:
        """Items of a kind of list."""

    def add(self, _: Any) -> None:
        """An item of a kind of set."""


class _Unpickler(pickle._Unpickler):
    """Makes only what PyTorch's own safe reader makes, and `Inert` for every other name in a pickle."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # what is done at each operation
    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # names of Python 2
        full = f"{module}.{name}"
        allowed = _weights_only_unpickler._get_allowed_globals()
        if full in allowed:
            return allowed[full]
        if module.split(".", 1)[0] in _HOSTILE or full in _HOSTILE:
            raise _HostileError(full)
        return Inert

    def load_reduce(self) -> None:
        """Call only what `find_class` can return."""
        called = self.stack[-2]
        known = _weights_only_unpickler._get_allowed_globals().values()
        if not (called is Inert or isinstance(called, Inert) or any(called is value for value in known)):
            raise pickle.UnpicklingError(f"asks to call {called!r}")
        arguments = self.stack.pop()
        if called is torch._tensor._rebuild_from_type_v2 and arguments[1] is Inert:
            raise _SubclassError
        self.stack[-1] = called(*arguments)

    def load_build(self) -> None:
        """Give state to objects, never to classes or functions, which belong to this process."""
        if callable(self.stack[-2]) and not isinstance(self.stack[-2], Inert):
            raise pickle.UnpicklingError(f"asks to change {self.stack[-2]!r}")
        super().load_build()  # type: ignore[misc]

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build


class _HostileError(Exception):
    """A name that no weights need."""


class _SubclassError(Exception):
    """A tensor of a class that PyTorch's own safe reader does not know."""


def _load(stream: Any, **options: Any) -> Any:
    return _Unpickler(stream, **options).load()


_PICKLE: Any = types.SimpleNamespace(Unpickler=_Unpickler, load=_load, __name__="m2pt.weights.pickles")


@refuses_unknown
def read_pickled(file: Path, container: Container) -> Any:
    """The content of a PyTorch file: tensors, plain data, `Inert` objects.

    Raises:
        UserError: it is damaged or malicious; none of its code is run.

    """
    if os.environ.get(_ONLY, "0").lower() in ("1", "y", "yes", "true"):
        raise UserError(f"{file}: {_ONLY} keeps PyTorch from reading it with m2pt's reader, which runs nothing; unset it.")
    # Tensors stay on the disk until they are used, where the format allows it.
    mapped = container == "zip" and file.suffix != _NAMED_AS_OTHER
    try:
        with warnings.catch_warnings(), file.open("rb") as stream:
            warnings.simplefilter("ignore")
            source: Any = file if mapped else stream
            return torch.load(source, map_location="cpu", pickle_module=_PICKLE, weights_only=False, mmap=mapped)
    except _HostileError as error:
        raise UserError(
            f"{file}: asks to call {error}, which no weights need; none of its code was run: do not use this file."
        ) from error
    except _SubclassError as error:
        raise UserError(
            f"{file}: holds tensors of a class of their own; if you trust the file, save plain ones in a new file: "
            "`tensor.full_tensor()` of each DTensor (as FSDP leaves them), `tensor.as_subclass(torch.Tensor)` of others."
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(
            f"{file}: cannot be read as weights of PyTorch ({reason}); it is damaged, so fetch it again, or it holds more than "
            f"tensors: {CONVERSION}."
        ) from error


def as_mapping(value: Any) -> Mapping[str, Any] | None:
    """A kind of dictionary with strings as keys; None if a value is not one."""
    entries = value.entries if isinstance(value, Inert) else value
    return entries if isinstance(entries, Mapping) and entries and all(isinstance(key, str) for key in entries) else None


def is_module(value: Any) -> bool:
    """Whether an object is a pickled `torch.nn.Module`."""
    state = value.state if isinstance(value, Inert) else None
    return isinstance(state, dict) and all(isinstance(state.get(name), dict) for name in ("_parameters", "_buffers", "_modules"))


def module_tensors(module: Inert, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a pickled `torch.nn.Module`, from its recorded state; none of its code is imported."""
    state = module.state
    passing = state.get("_non_persistent_buffers_set", ())
    own = (state["_parameters"] | state["_buffers"]).items()
    tensors = {f"{prefix}{name}": value for name, value in own if isinstance(value, Tensor) and name not in passing}
    for name, part in state["_modules"].items():
        if is_module(part):
            tensors |= module_tensors(part, f"{prefix}{name}.")
    return tensors
