"""What is said of an encoder beside its tensors: its heads, its modality, the epsilon of its norms.

Tensors show none of these. They are said by transformers' or timm's `config.json` next to the file, by the spec of the run of
this project that wrote it, or by the study (`Reading.architecture`, `Reading.run`).
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from m2pt.config import Modality, ModelConfig, Reading, UserError, refuses_unknown
from m2pt.files.documents import read_json
from m2pt.runs.folder import RECORD, SPEC
from m2pt.weights.layouts import HUGGING_FACE, OWN, Layout, possible_modalities
from m2pt.weights.shards import configuration
from m2pt.weights.timm_models import architecture_of

_FETCH = "fetch it again"
_TIMM = ("timm", "m2pt-zoo")


@dataclass(frozen=True)
class Said:
    """What is said of an encoder, `by` which file or model, in the file at `place`.

    `heads` and `norm_epsilon` are None where it is not said, `modalities` empty. `key` is what the number of heads is called.
    """

    place: Path
    by: str
    key: str
    heads: int | None = None
    modalities: tuple[Modality, ...] = ()
    norm_epsilon: float | None = None


def said_of(file: Path, layout: Layout, reading: Reading) -> Said | None:
    """What is said of the encoder in a file; None if nothing is.

    Raises:
        UserError: what is said cannot be read, is of another encoder, or is of one that differs from those of this project.

    """
    if layout.name in HUGGING_FACE:
        return _of_transformers(configuration(file), file, layout)
    if layout.name in _TIMM:
        return _of_timm(file, layout, reading)
    said = _of_run(file, reading) if layout.name in OWN else None
    return said if said is None or layout.name == "m2pt" else replace(said, heads=None)  # a ConvNet has none


@refuses_unknown
def check_said(file: Path, said: Said, config: ModelConfig, modality: Modality) -> None:
    """Refuse an encoder of another number of heads, or of another modality, than a study declares.

    Raises:
        UserError: the sentence names the file that says it.

    """
    if said.heads not in (None, config.heads):
        named = f" ({said.by})" if said.by != str(said.place) else ""
        raise UserError(
            f"{said.place}: has {said.key} {said.heads}{named}, model.heads is {config.heads}; set it or name another file."
        )
    if said.modalities and modality not in said.modalities:
        held = " or ".join(said.modalities)
        raise UserError(
            f"{file}: is of the modality {held} ({said.by} says so), and an encoder for {modality} is needed; name the file of "
            "that modality."
        )


def _of_transformers(path: Path | None, file: Path, layout: Layout) -> Said | None:
    if path is None:
        return None
    document = read_json(path, _FETCH)
    activation = document.get("hidden_act")
    if activation not in (None, "gelu"):
        raise UserError(f"{path}: has hidden_act {activation}, and m2pt's encoders have gelu; name another file.")
    for key, stored in (("num_hidden_layers", layout.depth), ("hidden_size", layout.width)):
        if document.get(key) not in (None, stored):
            raise UserError(
                f"{path}: has {key} {document[key]}, and {file.name} has {stored}: it is of another model; fetch both again."
            )
    heads = document.get("num_attention_heads")
    if heads is not None and (not isinstance(heads, int) or heads < 1):
        raise UserError(f"{path}: has num_attention_heads {heads!r}, which is no number of heads; fetch it again.")
    return Said(path, str(path), "num_attention_heads", heads)


def _of_timm(file: Path, layout: Layout, reading: Reading) -> Said | None:
    """What timm says of the architecture that the study names, or that timm's own config.json next to the file names."""
    place, path = file, file.parent / "config.json"
    name, options = reading.architecture, dict[str, Any]()
    if name is None:
        try:
            document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (OSError, ValueError, RecursionError):
            return None  # a file of something else
        if not isinstance(document, dict) or not isinstance(document.get("architecture"), str):
            return None
        place, name, options = path, document["architecture"], document.get("model_args") or {}
    known = architecture_of(name, json.dumps(options, sort_keys=True, default=str))
    if known is None:
        if reading.architecture is None:
            return None  # of a library that is not timm, or is newer
        raise UserError(f"{file}: timm has no model {name}; correct the name.")
    if known.departs:
        raise UserError(f"{file}: is timm's {name}, which has {known.departs}; m2pt's blocks have not, so name another model.")
    for key, stored, wanted in (("depth", layout.depth, known.depth), ("width", layout.width, known.width)):
        if stored != wanted:
            raise UserError(f"{file}: has {key} {stored}, and timm's {name} has {wanted}; name its own file.")
    return Said(place, f"timm's {name}", "heads", known.heads, possible_modalities(layout), known.norm_epsilon)


def _of_run(file: Path, reading: Reading) -> Said | None:
    """What the spec says of the run whose folder holds the file."""
    path = file.parent / SPEC
    if not path.is_file():
        return None
    spec = read_json(path, _FETCH).get("spec")
    heads = spec.get("model", {}).get("heads", ModelConfig().heads) if isinstance(spec, dict) else None
    modality = spec.get("modality") if isinstance(spec, dict) else None
    # What a study declares as the model of a run (`RunSource`) has the norms that the run's target was loaded with.
    epsilon = _epsilon_of_run(file) if reading.layout == "m2pt" else None
    return Said(path, str(path), "model.heads", heads, () if modality is None else (modality,), epsilon)


def _epsilon_of_run(file: Path) -> float | None:
    path = file.parent / RECORD
    loaded = read_json(path, _FETCH).get("loaded") if path.is_file() else None
    known = [each.get("norm_epsilon") for each in loaded or () if isinstance(each, dict) and each.get("role") == "target"]
    return next((float(epsilon) for epsilon in known if isinstance(epsilon, float)), None)
