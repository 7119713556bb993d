"""Weights in one file, in several with an index, or in a folder: which files they are, and one SHA-256 for all of them."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.access import unreadable
from m2pt.files.state import file_sha256

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")
INDEX = ".index.json"
USUAL_NAMES = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
"""The names of weights in folders of the Hugging Face hub, in the order in which its own library looks for them."""

_SHARD = re.compile(r"(?P<name>.+)-(?P<part>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.[a-z]+)")


def weights_file(path: Path) -> Path:
    """The file of weights that a path names: itself, or the one in a folder; the index of weights in several files.

    Raises:
        UserError: there is none, a folder holds several but none of a usual name, or a file is one of several without an index.

    """
    if path.is_file():
        return _index_of(path)
    if not path.is_dir():
        raise UserError(f"{path}: the weights file is missing; fetch it or correct the path.")
    for name in USUAL_NAMES:
        if (path / name).is_file():
            return path / name
    if any(path.glob("*.distcp")):
        raise UserError(
            f"{path}: is a distributed checkpoint; make one file of it and name that: "
            "`python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE`."
        )
    files = sorted(item for item in path.iterdir() if item.suffix in SUFFIXES and item.is_file())
    if files and (len(files) == 1 or all(_SHARD.fullmatch(item.name) for item in files)):
        return _index_of(files[0])
    if files:
        names = ", ".join(item.name for item in files)
        raise UserError(f"{path}: the folder holds several files of weights ({names}); name the file itself.")
    raise UserError(f"{path}: the folder holds no file of weights; name the file itself.")


def _index_of(file: Path) -> Path:
    """The file itself, or, if it is one of several, their index."""
    shard = _SHARD.fullmatch(file.name)
    if shard is None or int(shard["count"]) == 1:
        return file
    index = file.with_name(f"{shard['name']}{shard['suffix']}{INDEX}")
    if not index.is_file():
        raise UserError(
            f"{file}: is part {int(shard['part'])} of {int(shard['count'])} of an encoder, and {index.name}, which says what "
            "is in which part, is not next to it; fetch that and all parts into one folder."
        )
    return index


def parts(file: Path) -> dict[Path, tuple[str, ...]]:
    """The files of weights that an index names, in order, with the keys that should be in each.

    Raises:
        UserError: it is not an index, or a file that it names is missing.

    """
    document = _json(file)
    places = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise UserError(f"{file}: is not an index of weights in several files (it has no weight_map); fetch it again.")
    keys_in: dict[Path, tuple[str, ...]] = {}
    for name in sorted(set(places.values())):
        part = file.parent / name
        if Path(name).name != name:
            raise UserError(f"{file}: names {name}, which is not next to it; fetch index and parts into one folder.")
        if not part.is_file():
            raise UserError(f"{part}: is missing, and {file.name} names it as a part of the weights; fetch it.")
        keys_in[part] = tuple(key for key, place in places.items() if place == name)
    return keys_in


def configuration(file: Path) -> Path | None:
    """The config.json that Hugging Face's transformers write next to a weights file; None if there is none for an encoder.

    Raises:
        UserError: it cannot be read.

    """
    path = file.parent / "config.json"
    document = _described(path)
    return path if "model_type" in document and "num_attention_heads" in document else None


def model_type(file: Path) -> str | None:
    """The kind of model that transformers' config.json next to a weights file names; None if there is none."""
    path = file.parent / "config.json"
    kind = _described(path).get("model_type")
    return kind if isinstance(kind, str) else None


def _described(path: Path) -> dict[str, Any]:
    """What a config.json says; nothing where there is none."""
    document = _json(path) if path.is_file() else {}
    if not isinstance(document, dict):
        raise UserError(f"{path}: is no JSON object, so it describes no weights; fetch it again.")
    return document


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not valid JSON ({error}); fetch it again.") from error


def weights_files(path: Path) -> tuple[Path, ...]:
    """All files of the weights at a path, an index first, and the configuration that says how to read them.

    Raises:
        UserError: as `weights_file` and `parts`.

    """
    file = weights_file(path)
    config = configuration(file)
    files = (file, *parts(file)) if file.name.endswith(INDEX) else (file,)
    return files if config is None else (*files, config)


def weights_sha256(path: Path, sha256_of: Callable[[Path], str] = file_sha256) -> str:
    """The SHA-256 of a file of weights; for weights in several files, one over the names and contents of all of them.

    `sha256_of` tells that of each file: by reading it, or from what is remembered of it (`m2pt.files.memory.known_sha256`).

    Raises:
        UserError: a file is missing, or cannot be read.

    """
    files = weights_files(path)
    try:
        each = {file: sha256_of(file) for file in files}
    except OSError as error:
        raise unreadable(error.filename or path, error) from error
    if len(files) == 1:
        return each[files[0]]
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + b"\0" + bytes.fromhex(each[file]))
    return total.hexdigest()


def check_content(path: Path, sha256: str | None) -> None:
    """Check that weights are still those that a run was planned with (None: it was planned without a check).

    Raises:
        UserError: they are missing or have changed.

    """
    if sha256 is not None and weights_sha256(path) != sha256:
        raise UserError(
            f"{path}: its content has changed since the run was planned; `m2pt study` makes it again, or plans anew with it."
        )
