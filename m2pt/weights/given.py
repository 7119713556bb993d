"""Where the weights of encoders are that exist already: in files, in the cache of timm's pretrained models, in runs' folders."""

from pathlib import Path

from m2pt.config import GivenSource, Modality, RunSource, TimmSource, UserError, refuses_unknown
from m2pt.files.access import unreadable
from m2pt.files.documents import read_json
from m2pt.files.memory import CACHE, known_sha256
from m2pt.runs.folder import ENCODER, MERGED, RECORD, SPEC, is_complete
from m2pt.runs.record import read_record
from m2pt.runs.seal import read_kept


@refuses_unknown
def path_of(source: GivenSource, modality: Modality) -> Path:
    """The file or folder with the weights of a modality; it need not exist.

    Raises:
        UserError: a run is damaged or of another modality, or timm has no such model.

    """
    if isinstance(source, RunSource):
        return weights_of_run(Path(source.runs[modality]), modality)
    if isinstance(source, TimmSource) and source.file is None:
        return _cached(source.name)
    return Path(source.places[modality])


@refuses_unknown
def weights_of_run(folder: Path, modality: Modality) -> Path:
    """The file of a finished run's model, which is the one that its record speaks of; of an unfinished run, its record's place.

    Raises:
        UserError: it is damaged, or a run of another modality.

    """
    if not is_complete(folder):
        return folder / RECORD
    record = read_record(folder)
    name = next((name for name in (MERGED, ENCODER) if name in record.files), None)
    if name is None:
        raise UserError(f"{folder}: keeps no model; name another run.")
    if SPEC in record.files:
        read_kept(folder, SPEC, record.files)
    spec = read_json(folder / SPEC, "name another run").get("spec")
    held = spec.get("modality") if isinstance(spec, dict) else None
    if held != modality:
        raise UserError(f"{folder}: is a run of the modality {held}, and an encoder for {modality} is needed; name another run.")
    try:
        sha256 = known_sha256(folder / name, CACHE)
    except OSError as error:
        raise unreadable(folder / name, error) from error
    if sha256 != record.files[name]:
        raise UserError(f"{folder / name}: is not the file that {RECORD} speaks of; restore it, or name another run.")
    return folder / name


def fetch(source: GivenSource) -> None:
    """Download the weights of timm's model into the cache of Hugging Face, if they are not there.

    Raises:
        UserError: they cannot be downloaded.

    """
    if not isinstance(source, TimmSource) or source.file is not None or _cached(source.name).is_file():
        return
    from huggingface_hub import hf_hub_download

    repository = _repository(source.name)
    try:
        for name in _NAMES:
            try:
                hf_hub_download(repository, name)
                return
            except FileNotFoundError:
                if name == _NAMES[-1]:
                    raise
    except Exception as error:  # a network has many ways to fail, and the library an exception for each
        why = type(error).__name__
        raise UserError(
            f"{source.name}: its weights ({repository}) are not in the cache of Hugging Face and cannot be downloaded ({why}); "
            "fetch them where there is a network, or name a file."
        ) from error


_NAMES = ("model.safetensors", "pytorch_model.bin")


def _cached(name: str) -> Path:
    """The file of timm's pretrained weights in the cache of Hugging Face, or where it would be."""
    from huggingface_hub import constants, try_to_load_from_cache

    repository = _repository(name)
    for file in _NAMES:
        if isinstance(known := try_to_load_from_cache(repository, file), str):
            return Path(known)
    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / _NAMES[0]


def _repository(name: str) -> str:
    """The repository of timm's pretrained weights on the hub of Hugging Face."""
    import timm  # seconds that a study without such weights does without

    if not timm.is_model(name.partition(".")[0]):
        raise UserError(f"{name}: timm has no such model; `timm.list_pretrained()` lists those with weights.")
    known = (
        timm.get_pretrained_cfg(name) if "." not in name or name in timm.list_pretrained(name.partition(".")[0] + ".*") else None
    )
    if known is None or not known.hf_hub_id:
        raise UserError(f"{name}: timm has no pretrained weights of that name; `timm.list_pretrained()` lists those that it has.")
    return str(known.hf_hub_id)
