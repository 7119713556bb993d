"""The data of a run, read from the folders that its job was given."""

from functools import lru_cache
from pathlib import Path

from m2pt.config import Modality, UserError, refuses_unknown
from m2pt.data import decoded
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.inputs import JobInputs
from m2pt.runs.spec import RunSpec, Spec
from m2pt.training.feeds import Feed
from m2pt.training.files import file_feed
from m2pt.training.finetune import memory_feed
from m2pt.training.share import Share


def read_feed(spec: RunSpec, inputs: JobInputs, share: Share) -> Feed:
    """The data of a fine-tuning run.

    Raises:
        UserError: data are missing, damaged or not those that the run was planned with.

    """
    if spec.task is None:
        splits = {split: read_split(spec.modality, spec, split, inputs) for split in ("train", "val", "test")}
        return memory_feed(spec, splits | _auxiliary_samples(spec, inputs), share)
    folder, cache = Path(inputs.data), Path(inputs.cache)
    decoded.require(folder, spec.data_sha256, cache)
    return file_feed(spec, folder, cache, share, inputs.loader_workers)


@refuses_unknown
def read_split(modality: Modality, spec: Spec, split: str, inputs: JobInputs) -> Samples:
    """One split of small data. Raises as `m2pt.data.decoded.load`."""
    return _decoded(modality, Path(inputs.data), split, spec.input, spec.data_sha256, Path(inputs.cache))


def _auxiliary_samples(spec: RunSpec, inputs: JobInputs) -> dict[str, Samples]:
    """The samples of the auxiliary's modality, as the split `auxiliary`, if the method trains with them."""
    given = spec.auxiliary_data
    if given is None:
        return {}
    if inputs.auxiliary_data is None:
        raise UserError(f"{spec.name}: the folder of the auxiliary's samples is not given in local/inputs.json.")
    return {
        "auxiliary": _decoded(spec.auxiliary, Path(inputs.auxiliary_data), "train", given.input, given.sha256, Path(inputs.cache))
    }


_decoded = lru_cache(maxsize=16)(decoded.load)
"""A worker keeps samples between its runs; the fingerprint is part of the key, so it never returns those of other data."""
