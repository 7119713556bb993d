"""The size of a model as the weights of an encoder have it, in the place of one that is typed."""

import json
from dataclasses import asdict, dataclass

from m2pt.config import (
    Frozen,
    GivenSource,
    Modality,
    ModelConfig,
    Reading,
    RunSource,
    Study,
    TimmSource,
    UserError,
    refuses_unknown,
)
from m2pt.files.memory import CACHE, place, remembered
from m2pt.files.state import state_of
from m2pt.weights.given import path_of
from m2pt.weights.inspection import Inspection, inspect
from m2pt.weights.shards import weights_files
from m2pt.weights.timm_models import architecture_of

USUAL_HEAD = 64
"""The width of a head in ViT of any size (arXiv 2010.11929, table 1)."""

_WITHOUT_BIASES = "point-mae"  # whose missing biases of queries, keys and values are zeros here, as M2PT reads its files


@dataclass(frozen=True)
class FileSize:
    """The size of an encoder in a file; `heads` is what `heads_by` says of their number, None where nothing does."""

    width: int
    depth: int
    mlp_ratio: float
    qkv_bias: bool
    heads: int | None
    heads_by: str | None

    def model(self, like: ModelConfig, heads: int | None, where: str) -> ModelConfig:
        """The model of this size, with what else another one has; `heads` is what the user says.

        Raises:
            UserError: it is not clear how many heads there are; the sentence begins with `where`, which the user can set.

        """
        if heads is not None and self.heads is not None and heads != self.heads:
            raise UserError(
                f"{where}: {heads} is set, and there are {self.heads} ({self.heads_by}); correct it, or leave it out."
            )
        known = heads or self.heads or (self.width // USUAL_HEAD if self.width % USUAL_HEAD == 0 else None)
        if known is None:
            raise UserError(f"{where}: the width is {self.width}, and nothing says how many heads there are; set it.")
        if self.width % known:
            raise UserError(
                f"{where}: {known} does not divide the width ({self.width}); give the number that it was trained with."
            )
        size = {"width": self.width, "depth": self.depth, "mlp_ratio": self.mlp_ratio, "qkv_bias": self.qkv_bias, "heads": known}
        return ModelConfig.model_validate({"family": like.family, **size})


def size_of(facts: Inspection) -> FileSize:
    """The size of the encoder in a file that was looked at."""
    bias = facts.qkv_bias or facts.layout == _WITHOUT_BIASES
    ratio = 4.0 if facts.mlp_ratio is None else facts.mlp_ratio
    return FileSize(facts.width, facts.depth, ratio, bias, facts.heads, facts.heads_by)


def sized(study: Study) -> Study:
    """The study with the sizes that models have from encoders (`from`); itself if all sizes are typed.

    Raises:
        UserError: there is no such encoder, its weights are missing, or it is not clear how many heads it has.

    """
    changes: dict[str, Frozen] = {}
    if study.model.from_ is not None:
        changes["model"] = resolved(study, study.model, "model")
    mapping = study.pathway.mapping
    if mapping is not None and mapping.model.from_ is not None:
        model = resolved(study, mapping.model, "pathway.mapping.model")
        changes["pathway"] = study.pathway.model_copy(update={"mapping": mapping.model_copy(update={"model": model})})
    return study.model_copy(update=changes) if changes else study


def resolved(study: Study, model: ModelConfig, where: str) -> ModelConfig:
    """A model with the size of the encoder that it names, `where` in the study. Raises as `sized`."""
    if model.from_ is None:
        return model
    source = study.encoders.get(model.from_)
    if not isinstance(source, GivenSource):
        known = ", ".join(name for name, each in study.encoders.items() if isinstance(each, GivenSource)) or "none"
        raise UserError(
            f"{where}.from: {model.from_!r} must name an encoder whose weights exist already, of kind file, timm or run (known: "
            f"{known})."
        )
    heads = model.heads if "heads" in model.model_fields_set else None
    return _size(model.from_, source).model(model, heads, f"{where}.heads")


def _size(name: str, source: GivenSource) -> FileSize:
    """The size of a source's first encoder; all of its encoders are checked against it when they are read."""
    modality = next(iter(source.places), None)
    if modality is None:
        raise UserError(f"encoders.{name}: names no weights; add some.")
    where = f"encoders.{name}.{source.key(modality)}"
    try:
        known = _known(source, modality)
    except UserError as error:
        raise UserError(str(error) if str(error).startswith("encoders.") else f"{where}: {error}") from error
    if known is not None:
        return known
    path = path_of(source, modality)
    if isinstance(source, RunSource):
        raise UserError(f"{where}: {path.parent} is no finished run; correct the folder, or finish the run.")
    raise UserError(f"{where}: {path} does not exist; fetch the weights, or correct the path.")


@refuses_unknown
def _known(source: GivenSource, modality: Modality) -> FileSize | None:
    """The size of an encoder in its file, or of timm's model that is downloaded later; None if neither is there."""
    path, reading = path_of(source, modality), source.how(modality) or Reading()
    if path.exists():
        files = {str(file): state_of(file.stat()) for file in weights_files(path)}
        known = remembered(
            CACHE / "sizes" / place(path),
            files,
            lambda: json.dumps(asdict(size_of(inspect(path, reading)))),
            beside=reading.model_dump_json(),
        )
        return FileSize(**json.loads(known))
    kind = architecture_of(source.name) if isinstance(source, TimmSource) and source.file is None else None
    if kind is not None:  # its weights are downloaded later
        return FileSize(kind.width, kind.depth, kind.mlp_ratio, kind.qkv_bias, kind.heads, f"timm's {source.places[modality]}")
    return None
