"""Control of `attention_start`: start from the auxiliary's attention, with random singular vectors in each of its matrices.

Singular values, biases and the norms before the attention are the trained ones; the MLPs stay the target's. A gain of
`attention_start` over this control needs structure of the attention beyond its spectrum. `spectrum_matched_start` takes all of
the blocks, with the same vectors.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.attention_start import start_from_attention
from m2pt.methods.spectrum_matched import turn
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def start_from_turned_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the attention of the target's blocks with the auxiliary's, its singular vectors drawn with the run's seed."""
    turn(auxiliaries, drawn_seed(spec, "spectrum matched"))
    start_from_attention(model, spec, auxiliaries)


METHOD = Method(
    kind="control",
    takes="each",
    description="start from the auxiliary's attention alone, with random singular vectors in each matrix",
    rank=223,
    apply=start_from_turned_attention,
)
