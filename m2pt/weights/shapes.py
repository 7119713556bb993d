"""The tensors that an encoder of given sizes has, by name: those of its blocks, and those of the published tokenizers."""

import functools
import math
from collections.abc import Mapping, Sequence

from m2pt.config import InputConfig, ModelConfig
from m2pt.models.families import build_blocks
from m2pt.models.shapes import shapes_only


@functools.cache
def block_shapes(config: ModelConfig) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the tensors of all blocks."""
    with shapes_only():
        blocks = build_blocks(config)
    return {f"blocks.{name}": tuple(tensor.shape) for name, tensor in blocks.state_dict().items()}


def tokenizer_shapes(config: InputConfig, width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a published tokenizer."""
    shapes: dict[str, tuple[int, ...]] = {}
    if not config.axes:
        layers: dict[str, Sequence[int]] = {"local.0": (128, 3, 1), "local.3": (256, 128, 1), "joint.0": (512, 512, 1)}
        layers |= {"joint.3": (width, 512, 1), "place.0": (128, 3), "place.2": (width, 128)}
        for name, shape in layers.items():
            shapes |= {f"{name}.weight": tuple(shape), f"{name}.bias": (shape[0],)}
        for name, channels in (("local.1", 128), ("joint.1", 512)):
            shapes |= {f"{name}.{kind}": (channels,) for kind in ("weight", "bias", "running_mean", "running_var")}
            shapes[f"{name}.num_batches_tracked"] = ()
        shapes |= {"class_token": (width,), "class_position": (width,)}
    else:
        shapes |= {"projection.weight": (width, math.prod(config.patch_shape)), "projection.bias": (width,)}
        shapes["positions"] = (config.class_token + math.prod(config.counts), width)
        shapes |= {"class_token": (width,)} if config.class_token else {}
    return {f"tokenizer.{name}": shape for name, shape in shapes.items()}
