"""Encoders that m2pt does not read, recognised by telltale keys, so that a refusal can name them."""

import re
from collections.abc import Iterable

from torch import Tensor

_TELLTALE: tuple[tuple[str, str], ...] = (
    (r"lora_[AB]\b", "a model with low-rank adapters (merge them first: `merge_and_unload()` of peft)"),
    (
        r"(weight_scale|scale_weight|weight_scale_inv|SCB|absmax|qweight|qzeros|_packed_params|zero_point)$",
        "a quantised model (dequantise it first)",
    ),
    (r"\.join\.(scales|auxiliaries)\.", "a model with a pathway (merge it first: `merge` of m2pt.pathway)"),
    (
        r"\.parametrizations\.|\.weight_[gv]$",
        "a model with parametrized weights (make them plain first: `torch.nn.utils.parametrize.remove_parametrizations`)",
    ),
    (r"_?flat_param", "a part of a model that FSDP has sharded (gather its full state_dict first)"),
    (r"relative_position_(bias_table|index)|rel_pos_bias", "BEiT or a kin of it (relative position biases)"),
    (r"\.(gamma_1|gamma_2|lambda_1|lambda_2|ls[12]\.gamma|layer_scale[12]\.lambda1)$", "one with layer scale (BEiT, DINOv2)"),
    (r"(dist_token|distillation_token)$", "a distilled encoder with two class tokens (DeiT, AST)"),
    (r"(reg_token|register_tokens)$", "an encoder with registers (DINOv2)"),
    (r"^(visual\.conv1|(vision_model\.)?embeddings\.class_embedding|.*text_model\.)", "CLIP or a kin of it"),
    (r"^layers\.\d+\.blocks\.", "Swin"),
    (r"(temporal_attn|temporal_norm1|time_embed)", "TimeSformer"),
    (r"pos_embed_(spatial|temporal)$", "MAE for clips (facebookresearch/mae_st)"),
)
_SPLIT = re.compile(r"\.(q_bias|v_bias)$")
_KEYLESS = re.compile(r"(query|q_proj)\.bias$"), re.compile(r"(key|k_proj)\.bias$")


def foreign(keys: Iterable[str], kernel: Tensor | None) -> str | None:
    """What kind of file this is, if its keys and patch projection show one that m2pt does not read; else None."""
    keys = list(keys)
    for pattern, name in _TELLTALE:
        if any(re.search(pattern, key) for key in keys):
            return name
    split = any(_SPLIT.search(key) for key in keys)
    keyless = any(_KEYLESS[0].search(key) for key in keys) and not any(_KEYLESS[1].search(key) for key in keys)
    if (split or keyless) and kernel is not None and kernel.ndim == 4:
        return "an image model without biases of keys (BEiT or a kin of it)"
    return None
