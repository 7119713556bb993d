"""The tensors that an encoder of given sizes has, by name: those of its blocks, and those of the published tokenizers."""

import functools
import math
from collections.abc import Mapping, Sequence

from m2pt.config import AudioInput, ImageInput, InputConfig, ModelConfig, PointInput, VideoInput
from m2pt.models.families import build_blocks
from m2pt.models.shapes import shapes_only
from m2pt.weights.positions import Grid


@functools.cache
def block_shapes(config: ModelConfig) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the tensors of all blocks."""
    with shapes_only():
        blocks = build_blocks(config)
    return {f"blocks.{name}": tuple(tensor.shape) for name, tensor in blocks.state_dict().items()}


def patch_shape(config: ImageInput | AudioInput | VideoInput) -> tuple[int, ...]:
    """The shape of a patch: channels first."""
    match config:
        case AudioInput():
            return 1, config.patch, config.patch
        case ImageInput():
            return config.channels, config.patch, config.patch
        case VideoInput():
            return config.channels, config.tubelet, config.patch, config.patch


def patch_counts(config: ImageInput | AudioInput) -> Grid:
    """Rows and columns of patches; of a sound, time and frequency."""
    rows, columns = (config.frames, config.mels) if isinstance(config, AudioInput) else (config.size, config.size)
    return rows // config.patch, columns // config.patch


def clip_counts(config: VideoInput) -> Grid:
    """Tubelets along time, height and width."""
    side = config.size // config.patch
    return config.frames // config.tubelet, side, side


def tokenizer_shapes(config: InputConfig, width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a published tokenizer."""
    shapes: dict[str, tuple[int, ...]] = {}
    if isinstance(config, PointInput):
        layers: dict[str, Sequence[int]] = {"local.0": (128, 3, 1), "local.3": (256, 128, 1), "joint.0": (512, 512, 1)}
        layers |= {"joint.3": (width, 512, 1), "place.0": (128, 3), "place.2": (width, 128)}
        for name, shape in layers.items():
            shapes |= {f"{name}.weight": tuple(shape), f"{name}.bias": (shape[0],)}
        for name, channels in (("local.1", 128), ("joint.1", 512)):
            shapes |= {f"{name}.{kind}": (channels,) for kind in ("weight", "bias", "running_mean", "running_var")}
            shapes[f"{name}.num_batches_tracked"] = ()
        shapes |= {"class_token": (width,), "class_position": (width,)}
    else:
        shapes |= {"projection.weight": (width, math.prod(patch_shape(config))), "projection.bias": (width,)}
        if isinstance(config, VideoInput):
            shapes["positions"] = (math.prod(clip_counts(config)), width)
        else:
            rows, columns = patch_counts(config)
            shapes |= {"class_token": (width,), "positions": (1 + rows * columns, width)}
    return {f"tokenizer.{name}": shape for name, shape in shapes.items()}
