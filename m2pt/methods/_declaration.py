"""What a method declares about itself; each file here whose name has no leading underscore declares one, as `METHOD`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from m2pt.config import METHOD_NAMES, MethodName, PathwayConfig, RivalsConfig, Tuning
from m2pt.runs.spec import RunSpec

if TYPE_CHECKING:  # what an action needs at run time, a declaration does without: a plan reads declarations alone
    from torch import Tensor

    from m2pt.alignment import Probe
    from m2pt.models.encoder import Encoder
    from m2pt.models.model import Model

Kind = Literal["reference", "claim", "control", "rival"]

Takes = Literal["nothing", "each", "random", "own", "no_modality", "all"]
"""Which auxiliaries a method is run with: none; each other modality in turn; fresh random weights; the target's own modality; an
encoder that has seen no modality (`sweep.no_modality_encoder`); all other modalities at once."""


@dataclass(frozen=True)
class Actions:
    """What a method does to a model.

    Attributes:
        apply: changes a freshly built target model in place, given the run's spec and the encoders that the method takes (none if
            `nothing` or `random`).
        merge: turns the trained model into a plain one, in place; None where that is impossible or nothing was added.
        align: makes the encoders that it applies from those that it takes, in the coordinates of the target; called before
            `apply`, which then gets the result. The last argument gives tokens of the run's training samples to compare on. None
            if it takes its auxiliaries as they are.
        added_loss: a further loss of each row (B,) of the model's last forward pass in training, which is minimised beside that
            of the task; None for nothing.
        auxiliary_outputs: the logits of a batch of the auxiliary's samples, whose loss is minimised beside that of the task; None
            if it does not train on their labels.
        alignment: the distance between samples of both modalities (`x` and `y` of the target, then of the auxiliary), which the
            first `rivals.alignment_steps` of a run minimise instead of the loss of the task.
        alignment_rows: the number of samples of each modality that are compared in a step.

    """

    apply: "Callable[[Model, RunSpec, Sequence[Encoder]], None]"
    merge: "Callable[[Model], None] | None" = None
    align: "Callable[[Model, RunSpec, Sequence[Encoder], Callable[[], Probe]], list[Encoder]] | None" = None
    added_loss: "Callable[[Model, RunSpec], Tensor] | None" = None
    auxiliary_outputs: "Callable[[Model, Tensor], Tensor] | None" = None
    alignment: "Callable[[Model, Tensor, Tensor, Tensor, Tensor], Tensor] | None" = None
    alignment_rows: int = 0


@dataclass(frozen=True)
class Method:
    """One way to use (or not to use) an auxiliary. Its name, in studies and in reports, is the name of its file.

    Attributes:
        kind: what it is for.
        takes: which auxiliaries it is run with.
        description: what it is, in one line of Markdown.
        rank: its place in tables; the smallest comes first.
        actions: imports what it does to a model.
        pathway: the values of the section `pathway` that it fixes; None if it joins no weights and has no such section.
        rivals: the keys of the section `rivals` that it reads.
        unread: keys of the spec that its runs do not read, with the reason for each, beyond `m2pt.runs.unread`.
        tunings: the tunings in which it has something to train.
        adds_what_was_learned: whether it also takes the encoder that the auxiliary was trained from.
        lineage: how the auxiliary must be related to the target's encoder: trained further from it (`same`), or pretrained apart
            from it (`apart`); None takes the auxiliary of the same replicate, whatever it is.
        random_auxiliary_is_control: whether it uses one auxiliary just as `control` uses random weights.
        needs: what blocks must have that only those of transformers have, such as attention; empty for methods of any family.
        refusal: returns the sentence that says why a run cannot use it, or None if it can. If there is no such function, every
            run can.
        aligns: whether it brings its auxiliaries into the target's coordinates before it applies them.
        control: the method with random weights that gains over random weights are measured against.
        maps: whether it can take auxiliaries of another size (`pathway.mapping`).
        reads_auxiliary_samples: whether it trains with labelled samples of the auxiliary's modality; its auxiliary then has a
            tokenizer (`m2pt.models.encoder.SampleEncoder`).
        auxiliary_samples_are_noise: whether noise takes the place of those samples (`m2pt.training.without_signal`).

    """

    kind: Kind
    takes: Takes
    description: str
    rank: int
    actions: Callable[[], Actions]
    pathway: Mapping[str, object] | None = None
    rivals: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    tunings: tuple[Tuning, ...] = ("full", "fix")
    adds_what_was_learned: bool = False
    lineage: Literal["same", "apart"] | None = None
    random_auxiliary_is_control: bool = False
    aligns: bool = False
    needs: str = ""
    refusal: Callable[[RunSpec], str | None] | None = None
    control: MethodName = "random_auxiliary"
    maps: bool = False
    reads_auxiliary_samples: bool = False
    auxiliary_samples_are_noise: bool = False

    def __post_init__(self) -> None:
        """Refuse what nothing would notice later, such as a misspelt key. Raises `ValueError`."""
        listed: dict[str, tuple[object, tuple[object, ...]]] = {
            "kind": (self.kind, get_args(Kind)),
            "takes": (self.takes, get_args(Takes)),
            "control": (self.control, METHOD_NAMES),
            "lineage": (self.lineage, ("same", "apart", None)),
        }
        for key, (value, known) in listed.items():
            if value not in known:
                raise ValueError(f"{key}: {value!r} is none of {', '.join(map(str, known))}")
        for key, names, keys in (
            ("pathway", self.pathway or (), tuple(PathwayConfig.model_fields)),
            ("rivals", self.rivals, tuple(RivalsConfig.model_fields)),
            ("tunings", self.tunings or ("none",), get_args(Tuning)),
        ):
            if unknown := [name for name in names if name not in keys]:
                raise ValueError(f"{key}: {unknown[0]!r} is none of {', '.join(keys)}")
        PathwayConfig(**dict(self.pathway or {}))  # type: ignore[arg-type]
        if not (isinstance(self.rank, int) and isinstance(self.description, str) and callable(self.actions)):
            raise ValueError("rank must be a whole number, description a text, and actions a function")

    @property
    def loads_auxiliaries(self) -> bool:
        """Whether its auxiliaries come from `sweep.auxiliary_encoder` (or are drawn in its place), not from the method itself."""
        return self.takes in ("each", "own", "all")

    @property
    def fixed(self) -> dict[str, object]:
        """The values of the section `pathway` that its runs have whatever a study says; few align or map."""
        alignment = {} if self.aligns else {"alignment": PathwayConfig().alignment}
        return alignment | ({} if self.maps else {"mapping": None}) | dict(self.pathway or {})
