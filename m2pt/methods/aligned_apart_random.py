"""Control of `aligned_apart`: random blocks behind the tokenizer of the very encoder that it takes, aligned in the same way.

All alignments but `weights` compare the blocks of the target and of the auxiliary on the run's samples, and those of
`aligned_apart` read them through the auxiliary's own tokenizer, which was trained. `aligned_random` has no tokenizer and reads
the target's tokens. Here the tokens are those of `aligned_apart` and the blocks those of `aligned_random`. A gain over this does
not come from the tokenizer, nor from the alignment alone.
"""

from collections.abc import Callable, Sequence

from m2pt.alignment import Probe
from m2pt.methods._declaration import Method
from m2pt.methods._own import join_own
from m2pt.methods.aligned_pathway import align
from m2pt.methods.pathway import merge
from m2pt.methods.random_auxiliary import drawn
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def align_drawn(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], probe: Callable[[], Probe]) -> list[Encoder]:
    """A freshly initialised encoder in place of the auxiliary, in the coordinates of the model's blocks."""
    return align(model, spec, [drawn(spec, ()) for _ in auxiliaries], probe)


METHOD = Method(
    kind="control",
    takes="own",
    description="fresh blocks behind the tokenizer of the auxiliary of `aligned_apart`, in the target's coordinates",
    rank=86,
    apply=join_own,
    merge=merge,
    pathway={"order": "normal"},
    lineage="apart",
    align=align_drawn,
    control="aligned_random",
)
