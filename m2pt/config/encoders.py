"""Where the weights of encoders come from: pretrained here, or given: read from files, from timm, or from finished runs."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from m2pt.config.base import RANDOM, Frozen, Modality, Name, Positive, Seed, repeated

Seeds = tuple[Seed, ...]


class TrainedSource(Frozen):
    """An encoder that is trained here: once, from one `seed`, or several times, once from each of its `seeds` (replicates)."""

    seed: Seed = 0
    """Seed of all random draws of the training."""
    seeds: Annotated[Seeds | None, Field(exclude_if=lambda seeds: seeds is None)] = None
    """Several seeds instead of one: each makes an encoder of its own, a replicate, and `sweep.encoder_seeds` says which runs use
    which. Replicate r of a study takes the r-th seed of every such list."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.seeds is None:
            return
        if "seed" in self.model_fields_set:
            yield "seeds: seed is set too; keep one of them"
        if len(self.seeds) < 2:
            one = f"write seed: {self.seeds[0]}" if self.seeds else "write seed"
            yield f"seeds: names fewer than two seeds; {one} for an encoder that is trained once"
        yield from repeated(self, "seeds")

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = serialize(self)
        if self.seeds is not None:
            del document["seed"]
        return document

    def of_replicate(self, replicate: int | None) -> int | None:
        """The seed of a replicate; None for a source with one seed, which is the same in all replicates."""
        return None if self.seeds is None or replicate is None else self.seeds[replicate]

    def replicate_of(self, seed: int | None) -> int | None:
        """The replicate that has one of the `seeds`; None for a source with one seed."""
        return None if self.seeds is None or seed is None else self.seeds.index(seed)


class MaeSource(TrainedSource):
    """An encoder pretrained here by masked autoencoding, without labels."""

    kind: Literal["mae"]
    """Pretrained here by masked autoencoding."""
    steps: Positive | None = None
    """Optimizer steps, if not `pretrain.mae.steps`."""
    data: Annotated[Literal["real", "noise"], Field(exclude_if=lambda data: data == "real")] = "real"
    """Train on the modality's samples, or on Gaussian noise with the mean and the spread of each of their values."""


class LabelsSource(TrainedSource):
    """An encoder trained further with the labels of its own modality's pretraining split."""

    kind: Literal["labels"]
    """Trained further with labels."""
    start: Name
    """The encoder of kind `mae` that the training starts from, by its name (each replicate starts from the same one of it), or
    `random` for weights that are initialised with the seed."""
    steps: Positive | None = None
    """Optimizer steps, if not `pretrain.labels.steps`."""
    data: Annotated[Literal["real", "noise"], Field(exclude_if=lambda data: data == "real")] = "real"
    """Train on the modality's samples, or on Gaussian noise with the mean and the spread of each of their values."""
    labels: Annotated[Literal["real", "random"], Field(exclude_if=lambda labels: labels == "real")] = "real"
    """Train with the labels of the samples, or with the same labels in a random order."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from super().contradictions(context)
        if self.data == "noise" and self.labels == "random":
            yield "labels: noise has no true labels that could be replaced at random; leave labels out"


class ProceduralSource(TrainedSource):
    """An encoder that is trained here to close nested brackets, without samples of any modality (arXiv 2511.13945).

    It has blocks but no tokenizer, so no target can start from it. Each modality gets one of its own, with other draws.
    """

    kind: Literal["procedural"]
    """Trained here on sequences of brackets."""
    steps: Positive | None = None
    """Optimizer steps, if not `pretrain.procedural.steps`."""


LayoutName = Literal[
    "mae",
    "audiomae",
    "point-mae",
    "videomae",
    "m2pt-zoo",
    "timm",
    "hf-vit",
    "hf-videomae",
    "hf-distilled",
    "m2pt",
    "m2pt-unireplknet",
]
"""The layouts in which weights are read: `m2pt.weights.layouts` describes each."""

Weights = Literal["raw", "ema"]
"""The trained weights, or their moving average."""


class Reading(Frozen):
    """What a file of weights is, where the file itself leaves it open; a key that contradicts the file is refused."""

    layout: LayoutName | None = None
    """The layout, where two layouts fit the file."""
    weights: Weights | None = None
    """The trained weights (`raw`) or their moving average (`ema`), where the file has both; without the key, `raw`."""
    grid: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=3)] | None = None
    """The grid of the stored positions in patches, where they must be resized and the layout defines no grid: rows and columns of
    a picture; time and frequency of a sound (AudioMAE: frequency and time); frames, rows and columns of a clip."""
    architecture: Annotated[str | None, Field(exclude_if=lambda name: name is None)] = None
    """The name of timm's model that the file holds the weights of, which says what tensors do not show: its heads."""


class GivenSource(Frozen):
    """Encoders whose weights exist already: they are read, not trained here. What they are is the content of their files."""

    @property
    def places(self) -> Mapping[Modality, str]:
        """Where the weights of each modality are, as the study writes it."""
        raise NotImplementedError

    def key(self, modality: Modality) -> str:
        """The key of that place within the source."""
        raise NotImplementedError

    def how(self, modality: Modality) -> Reading | None:
        """How the weights of a modality are to be read, where the study says more than their place."""
        raise NotImplementedError


class FileSource(GivenSource):
    """Encoders from files, in any published layout (`m2pt.weights`)."""

    kind: Literal["file"]
    """Read from files."""
    paths: dict[Modality, str]
    """One file or folder for each modality."""
    reading: Annotated[dict[Modality, Reading], Field(exclude_if=lambda reading: not reading)] = Field(default_factory=dict)
    """How the file of a modality is to be read, where the file leaves that open."""
    epochs: Positive | None = None
    """How many epochs the encoders were pretrained for, if not the usual number; the report names it and compares by it."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        for modality in self.reading:
            if modality not in self.paths:
                yield f"reading.{modality}: it has no path; add paths.{modality} or remove the key"

    @property
    def places(self) -> Mapping[Modality, str]:
        """As `GivenSource.places`."""
        return self.paths

    def key(self, modality: Modality) -> str:
        """As `GivenSource.key`."""
        return f"paths.{modality}"

    def how(self, modality: Modality) -> Reading | None:
        """As `GivenSource.how`."""
        reading = self.reading.get(modality)
        return None if reading == Reading() else reading


class TimmSource(GivenSource):
    """An encoder of timm by the name of its model, which says what a file does not show: the number of heads."""

    kind: Literal["timm"]
    """A model of timm."""
    name: str
    """Its name, such as `vit_base_patch16_224.mae`; what follows the dot says which of its pretrained weights."""
    pretrained: bool = False
    """Take timm's pretrained weights: those in the cache of Hugging Face, where a study downloads them if they are not there."""
    file: str | None = None
    """Or the file that holds its weights."""
    modality: Modality = "image"
    """The modality that it was trained for."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.pretrained == (self.file is not None):
            yield "pretrained: an encoder of timm needs either pretrained: true or a file"

    @property
    def places(self) -> Mapping[Modality, str]:
        """As `GivenSource.places`."""
        return {self.modality: self.file or self.name}

    def key(self, modality: Modality) -> str:
        """As `GivenSource.key`."""
        return "modality" if modality != self.modality else "name" if self.file is None else "file"

    def how(self, modality: Modality) -> Reading | None:
        """As `GivenSource.how`."""
        return Reading(architecture=self.name)


class RunSource(GivenSource):
    """The models of finished runs of this project, in this study's folder or in another's."""

    kind: Literal["run"]
    """A run's model."""
    runs: dict[Modality, str]
    """The folder of a run for each modality, such as `../other/runs/photos/<id>`; of a fine-tuning the merged model is taken."""

    @property
    def places(self) -> Mapping[Modality, str]:
        """As `GivenSource.places`."""
        return self.runs

    def key(self, modality: Modality) -> str:
        """As `GivenSource.key`."""
        return f"runs.{modality}"

    def how(self, modality: Modality) -> Reading | None:
        """As `GivenSource.how`."""
        return Reading(layout="m2pt")


EncoderSource = Annotated[
    MaeSource | LabelsSource | ProceduralSource | FileSource | TimmSource | RunSource, Field(discriminator="kind")
]
"""Where the weights of a named encoder come from."""


def has_seen_no_modality(encoders: Mapping[str, EncoderSource], name: str) -> bool:
    """Whether an encoder was trained without a modality: on noise, on brackets, or further from there with random labels.

    For an encoder that exists already nobody knows, so the answer is no; and so it is for a name that is not declared.
    """
    match encoders.get(name):
        case ProceduralSource():
            return True
        case MaeSource(data=data):
            return data == "noise"
        case LabelsSource(start=start, data=data, labels=labels):
            apart = start == RANDOM or has_seen_no_modality(encoders, start)
            return (data == "noise" or labels == "random") and apart
        case _:
            return False


def unfit_for_family(encoders: Mapping[str, EncoderSource], family: str) -> Iterator[str]:
    """A sentence for each source from which no encoder of a family of ConvNets comes."""
    for name, source in encoders.items() if family != "vit" else ():
        where = f"encoders.{name}.kind"
        if isinstance(source, MaeSource | ProceduralSource):
            what = "hides tokens" if isinstance(source, MaeSource) else "reads tokens"
            lacks = f"{source.kind} {what}, which model.family {family} does not have"
            yield f"{where}: {lacks}; set kind: labels and start: {RANDOM}"
        if isinstance(source, RunSource):
            yield f"{where}: a run of model.family {family} ends with folded layers; name files of encoders"
