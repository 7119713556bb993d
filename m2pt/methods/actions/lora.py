"""What `m2pt.methods.lora` does to a model; the declaration says where it is from."""

import re
from collections.abc import Sequence

import torch
from torch import nn

from m2pt.models.encoder import Encoder
from m2pt.models.families import family_of
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


def add_low_rank(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Add low-rank matrices to the linear layers of every block, drawn from the run's seed."""
    if auxiliaries or spec.rivals is None:
        raise ValueError("lora takes no auxiliary and needs the section rivals")
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=spec.rivals.lora_rank,
        lora_alpha=spec.rivals.lora_alpha,
        target_modules=rf"blocks\.\d+\.({'|'.join(map(re.escape, family_of(spec.model).linear))})",
    )
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad and not name.startswith("blocks.")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(spec.seed, "lora"))
        inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained or ".lora_" in name)


def merge(model: Model) -> None:
    """Fold the low-rank matrices into the weights; the result is a plain model."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            base = module.get_base_layer()
            if not isinstance(base, nn.Linear):
                raise TypeError(f"{name}: is not a linear layer")
            model.set_submodule(name, base.requires_grad_(True))
