"""The weights that this project writes: safetensors with timm's keys, and the tokenizer's below `tokenizer.`."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from m2pt.config import UserError
from m2pt.files.documents import write_atomic
from m2pt.files.state import file_sha256
from m2pt.weights.shards import check_content


def save_weights(path: Path, module: nn.Module) -> str:
    """Write a module's tensors as safetensors, atomically; returns the SHA-256 of the file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_atomic(path, save(tensors))
    return file_sha256(path)


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file; its content is checked against `sha256` if that is given.

    Raises:
        UserError: the file is missing, cut off, of another format, or not the one that the run was planned with.

    """
    if not path.is_file():
        raise UserError(f"{path}: the weights file is missing; pretrain the encoders first or correct the path.")
    if sha256 is not None:
        check_content(path, sha256)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: is not a complete safetensors file ({error}); make or fetch it again.") from error


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str, source: str) -> None:
    """Copy the tensors below `prefix` into a module, all of them and nothing else.

    Raises:
        UserError: keys are missing or left over, or shapes differ; the sentence lists them and names `source`.

    """
    given = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    wanted = module.state_dict()
    faults = [f"missing {prefix}{name}" for name in wanted.keys() - given.keys()]
    faults += [f"not expected {prefix}{name}" for name in given.keys() - wanted.keys()]
    faults += [
        f"{prefix}{name} is {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted.keys() & given.keys()
        if given[name].shape != wanted[name].shape
    ]
    if faults:
        raise UserError(f"{source}: does not fit the model: {'; '.join(sorted(faults))}.")
    with torch.no_grad():
        module.load_state_dict(given)
