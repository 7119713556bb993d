"""Claim: the pathway with an auxiliary that is first brought into the target's coordinates.

Encoders that were pretrained apart have their units in different places, so `W + λ·W_aux` adds what does not belong together. The
alignment (`pathway.alignment`) is that of `m2pt.alignment`, which states the source of each kind: permutations as in *Git
Re-Basin* (arXiv 2209.04836), with heads as units as in *Merging Text Transformer Models from Different Initializations* (arXiv
2403.00986), a rotation of the stream, or least-squares maps. Here an auxiliary of another modality is compared with the target on
the target's own tokens. A pathway takes the aligned weights, as always without biases and norms.
"""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe, aligned
from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def align(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """The auxiliaries in the coordinates of the model's blocks, by `pathway.alignment`."""
    if spec.pathway is None:
        raise ValueError(f"{spec.method} needs the section pathway")
    return [aligned(auxiliary, model, spec.pathway.alignment, probe) for auxiliary in auxiliaries]


METHOD = Method(
    kind="claim",
    takes="each",
    description="the pathway with the auxiliary in the target's coordinates",
    rank=25,
    apply=join,
    merge=merge,
    pathway={"order": "normal"},
    random_auxiliary_is_control=True,
    align=align,
    control="aligned_random",
)
