"""Decoded data: read once through the readers of the modalities, then from a cache that all runs share.

A data folder is `<root>/<modality>`. Dotfiles belong to no data set: neither the fingerprint nor a reader sees them.
"""

import hashlib
import json
from pathlib import Path

import safetensors
import safetensors.torch

from m2pt.config import InputConfig, Modality, UserError, refuses_unknown
from m2pt.data.cache_keys import reading_key
from m2pt.data.fingerprints import CACHE, fingerprint
from m2pt.files.documents import write_atomic, written_under
from m2pt.files.leases import leased
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.identity import canonical


@refuses_unknown
def load(modality: Modality, folder: Path, split: str, config: InputConfig, data_sha256: str, cache: Path = CACHE) -> Samples:
    """The decoded samples of one split, read from the cache, or decoded and then cached.

    Raises:
        UserError: the data are not those of `data_sha256`, or are missing or damaged, or the cache cannot be written.

    """
    home = cache / f"{modality}-{reading_key(modality, data_sha256, config.model_dump(mode='json'))}"
    path = home / f"{split}.safetensors"
    samples = _cached(path)
    if samples is not None:
        return samples
    lease = leased(home / f".{split}.lease")  # two would do the same work, and write the same bytes
    with lease as taken, written_under(taken, [path]):
        samples = _cached(path)
        if samples is not None:
            return samples
        require(folder, data_sha256, cache)
        samples = _read(modality, folder, split, config)
        _store(path, samples)
        return samples


def require(folder: Path, data_sha256: str, cache: Path = CACHE) -> None:
    """Raise `UserError` if the data in a folder are not those that a run was planned with."""
    if (now := fingerprint(folder, cache)) != data_sha256:
        raise UserError(
            f"{folder}: the data changed since the run was planned (fingerprint {now[:12]}, planned {data_sha256[:12]}); "
            "restore them or plan the study again."
        )


def _read(modality: Modality, folder: Path, split: str, config: InputConfig) -> Samples:
    return SPECS[modality].small(folder, split, config)


def _store(path: Path, samples: Samples) -> None:
    metadata = {"classes": json.dumps(samples.classes), "sha256": _checksum(samples, path)}
    write_atomic(path, safetensors.torch.save({"x": samples.x, "y": samples.y}, metadata))


def _cached(path: Path) -> Samples | None:
    """What `_store` wrote; None if it is missing, damaged, or was written for another split or data set."""
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            samples = Samples(file.get_tensor("x"), file.get_tensor("y"), tuple(json.loads(metadata["classes"])))
    except (safetensors.SafetensorError, OSError, KeyError, ValueError):
        return None
    return samples if metadata.get("sha256") == _checksum(samples, path) else None


def _checksum(samples: Samples, path: Path) -> str:
    """SHA-256 of samples and of what they are: the folder is named after the data and their reader, the file after the split."""
    what = [path.parent.name, path.name, list(samples.x.shape), list(samples.classes)]
    total = hashlib.sha256(canonical(what).encode())
    for tensor in (samples.x, samples.y):
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()
