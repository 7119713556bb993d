"""Ways to use (or not to use) an auxiliary under the same budget.

Each file holds one function of the same form: it gets a freshly built target model, the spec of the run and the encoders that the
method takes (`m2pt.config.TAKES`; empty where it takes none), and changes the model in place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from m2pt import pathway as joining
from m2pt.config import MethodName
from m2pt.methods.adapters import adapters
from m2pt.methods.auxiliary_start import auxiliary_start
from m2pt.methods.baseline import baseline
from m2pt.methods.cross_attention import cross_attention
from m2pt.methods.frozen_encoder import frozen_encoder
from m2pt.methods.interpolation import interpolation
from m2pt.methods.lora import lora, merge_lora
from m2pt.methods.matched_parameters import matched_parameters
from m2pt.methods.own_modality import own_modality
from m2pt.methods.pathway import pathway
from m2pt.methods.random_auxiliary import random_auxiliary
from m2pt.methods.shuffled_auxiliary import shuffled_auxiliary
from m2pt.methods.shuffled_start import shuffled_start
from m2pt.methods.target_copy import target_copy
from m2pt.methods.task_arithmetic import task_arithmetic
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

Apply = Callable[[Model, RunSpec, Sequence[Encoder]], None]
Kind = Literal["reference", "claim", "control", "rival"]


@dataclass(frozen=True)
class Method:
    """`kind` says what a method is for, `says` in one line what it is; `merge` makes a plain model of it, where that can be."""

    apply: Apply
    kind: Kind
    says: str
    merge: Callable[[Model], None] | None = None


def _joined(apply: Apply, kind: Kind, says: str) -> Method:
    return Method(apply, kind, says, _merge)


def _merge(model: Model) -> None:
    joining.merge(model)


METHODS: dict[MethodName, Method] = {
    "baseline": Method(baseline, "reference", "no auxiliary"),
    "pathway": _joined(pathway, "claim", "`W + λ·W_aux` with an auxiliary of another modality (M2PT)"),
    "all_auxiliaries": _joined(pathway, "claim", "the pathway with all other modalities at once, a scale for each"),
    "random_auxiliary": _joined(random_auxiliary, "control", "a freshly initialised auxiliary"),
    "shuffled_auxiliary": _joined(shuffled_auxiliary, "control", "the auxiliary with the entries of each matrix shuffled"),
    "reversed_order": _joined(pathway, "control", "the auxiliary's blocks in reversed order"),
    "shuffled_order": _joined(pathway, "control", "the auxiliary's blocks in an order drawn from the seed"),
    "own_modality": _joined(own_modality, "control", "an auxiliary of the target's own modality: must win"),
    "target_copy": _joined(target_copy, "control", "a copy of the target as its own auxiliary"),
    "zero_scale": _joined(random_auxiliary, "control", "λ frozen at 0: equals the baseline bit for bit"),
    "fixed_scale": _joined(pathway, "control", "λ fixed at 0.01, auxiliary weights trained"),
    "frozen_auxiliary": _joined(pathway, "control", "λ trained, auxiliary weights frozen"),
    "matched_parameters": _joined(
        matched_parameters, "control", "`W + W'` with `W'` from 0: the pathway's number of trainable weights"
    ),
    "two_branch": _joined(pathway, "rival", "the pathway as two branches, without re-parameterization"),
    "frozen_encoder": Method(
        frozen_encoder, "rival", "the frozen auxiliary between the target's tokenizer and head (Meta-Transformer)"
    ),
    "adapters": Method(adapters, "rival", "the frozen auxiliary with bottleneck adapters (Any2Point)"),
    "cross_attention": Method(cross_attention, "rival", "gated cross-attention into the frozen auxiliary (Zipper)"),
    "lora": Method(lora, "rival", "low-rank adaptation of the target, no auxiliary (LoRA, by peft)", merge_lora),
    "interpolation": Method(interpolation, "rival", "start from a weighted mean of target and auxiliary"),
    "task_arithmetic": Method(task_arithmetic, "rival", "start from the target plus what the auxiliary learned last"),
    "auxiliary_start": Method(auxiliary_start, "rival", "start from the auxiliary's blocks"),
    "shuffled_start": Method(shuffled_start, "control", "start from the auxiliary's blocks, the entries of each matrix shuffled"),
}
