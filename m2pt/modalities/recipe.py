"""What a published recipe is: the form of the input and the training of one task, as data, named after its source."""

from dataclasses import dataclass

from m2pt.config import FinetuneConfig, Goal, InputConfig, ModelConfig

VIT_B = ModelConfig(width=768, depth=12, heads=12)
"""ViT-B (arXiv 2010.11929, table 1), the shared encoder of every published run."""


@dataclass(frozen=True)
class Recipe:
    """`source` names the paper or repository, with the table or section where there is one."""

    source: str
    goal: Goal
    input: InputConfig
    finetune: FinetuneConfig
