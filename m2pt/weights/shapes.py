"""Names and shapes of the tensors of an encoder of given sizes: its blocks, and the published tokenizers."""

import functools
from collections.abc import Mapping

from m2pt.config import InputConfig, ModelConfig
from m2pt.modalities.registry import SPECS
from m2pt.models.families import build_blocks
from m2pt.models.shapes import shapes_only


@functools.cache
def block_shapes(config: ModelConfig) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the tensors of all blocks."""
    with shapes_only():
        blocks = build_blocks(config)
    return {f"blocks.{name}": tuple(tensor.shape) for name, tensor in blocks.state_dict().items()}


@functools.cache
def tokenizer_shapes(config: InputConfig, width: int) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a published tokenizer."""
    published = next(spec.parts().published for spec in SPECS.values() if isinstance(config, spec.section))
    if published is None:
        return {}
    with shapes_only():
        tokenizer = published(config, width)
    return {f"tokenizer.{name}": tuple(tensor.shape) for name, tensor in tokenizer.state_dict().items()}
