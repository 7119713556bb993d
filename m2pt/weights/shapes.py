"""The tensors that an encoder of given sizes has, by name: those of its blocks, and those of the published tokenizers."""

import math
from collections.abc import Sequence

from m2pt.config import AudioInput, ImageInput, InputConfig, ModelConfig, PointInput, VideoInput
from m2pt.weights.layouts import BIAS, LEAVES
from m2pt.weights.positions import Grid


def hidden_width(config: ModelConfig) -> int:
    """The width of the MLPs, as timm computes it."""
    return int(config.width * config.mlp_ratio)


def block_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of all blocks."""
    width, hidden = config.width, hidden_width(config)
    outputs = {"attn.qkv": 3 * width, "attn.proj": width, "mlp.fc1": hidden, "mlp.fc2": width}
    inputs = {"attn.qkv": width, "attn.proj": width, "mlp.fc1": width, "mlp.fc2": hidden}
    shapes: dict[str, tuple[int, ...]] = {}
    for index in range(config.depth):
        for leaf in LEAVES:
            layer, kind = leaf.rsplit(".", 1)
            if leaf != BIAS or config.qkv_bias:
                size = outputs.get(layer, width)
                shapes[f"blocks.{index}.{leaf}"] = (size, inputs[layer]) if kind == "weight" and layer in inputs else (size,)
    return shapes


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
