"""What a run of a ConvNet cannot have: methods and settings of transformers."""

from collections.abc import Iterator

from m2pt.config import LAYERS_OF, BlocksConfig
from m2pt.methods import METHODS
from m2pt.runs.spec import RunSpec


def of_convnet(spec: RunSpec, *, recomputes: bool) -> Iterator[str]:
    """What the blocks of a ConvNet do not have, and what their batch norm forbids."""
    family, method = spec.model.family, METHODS[spec.method]
    if method.needs:
        yield f"sweep.methods: {spec.method} needs {method.needs}, which model.family {family} does not have; leave it out."
    if spec.input.form != "shared":
        yield f"inputs.{spec.modality}.form: {spec.input.form} samples become tokens, and {family} sees maps; set it to shared."
    if spec.finetune.head != "mean":
        yield f"finetune.head: {spec.finetune.head} reads tokens, which model.family {family} does not have; choose mean."
    if spec.finetune.blocks != BlocksConfig():
        yield f"finetune.blocks: adds to the blocks of transformers, and model.family is {family}; leave it out."
    if recomputes:
        yield f"execution.gradient_checkpointing: the batch norm of {family} would see each batch twice; set it to false."
    if spec.pathway is None or method.needs:
        return
    known = LAYERS_OF[family]
    if unknown := [layer for layer in spec.pathway.layers if layer not in known]:
        yield f"pathway.layers: {unknown[0]} is no layer of model.family {family}; choose among {', '.join(known)}."
    if spec.pathway.order != "normal":
        yield f"pathway.order: {spec.pathway.order} is for blocks of equal shapes, and {family} has none; set it to normal."
    if spec.pathway.granularity == "head":
        yield f"pathway.granularity: model.family {family} has no attention heads; choose layer, block or channel."
