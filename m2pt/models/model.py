"""The model that is trained: tokenizer + encoder + head.

The pathway joins its `blocks`, which have timm's form and names.
"""

from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from m2pt.config import (
    BlocksConfig,
    FinetuneConfig,
    Head,
    InputConfig,
    Modality,
    ModelConfig,
    UserError,
    refuses_unknown,
)
from m2pt.layers import LayerNorm, RowNoise
from m2pt.modalities.shared.dense import Outputs
from m2pt.modalities.shared.features import Features, as_tokens
from m2pt.models.families import NOTHING_ADDED, build_blocks, family_of, tokenizer_for
from m2pt.models.heads import DenseHead, build_head
from m2pt.runs.spec import RunSpec

AFTER_POOLING: tuple[Head, ...] = ("mean",)
"""Heads that take the average of the tokens through a fresh norm (`fc_norm`) instead of the encoder's final one (`norm`)."""

WITHOUT_NORM: tuple[Head, ...] = ("upernet", "mask_rcnn")
"""Heads that take the outputs of blocks as they are."""


class Model(nn.Module):
    """Samples (B, ...) to outputs: logits (B, classes), or (B, classes, ...) with one per point or pixel.

    `mean`: average pooling, norm (`fc_norm`), linear: MAE's, AudioMAE's and VideoMAE's fine-tuning. `class_token`: final norm,
    class token, batch norm without parameters, linear: MAE's linear probing. `class_and_max`: final norm, class token joined with
    the maximum over the tokens, a small MLP: Point-MAE. Dense heads take the outputs of several blocks, a detector's those of the
    last: its outputs are its own docstring's.
    """

    def __init__(
        self,
        modality: Modality,
        input_config: InputConfig,
        config: ModelConfig,
        num_classes: int,
        *,
        head: Head = "mean",
        head_init_std: float = 0.02,
        drop_path: float = 0.0,
        num_categories: int = 0,
        norm_rows: int | None = None,
        side_head: bool = False,
        added: BlocksConfig = NOTHING_ADDED,
    ) -> None:
        super().__init__()
        self.pooling = head
        self.gradient_checkpointing = False
        self.tokenizer = tokenizer_for(modality, input_config, config)
        self.tokenizer.adapt(head)
        grid = self.tokenizer.attention_grid
        if added.relative_positions and grid is None:
            raise UserError("finetune.blocks.relative_positions: is only for images in the published form; leave it out.")
        if (added.windows is not None or added.split_positions) and (head != "mask_rcnn" or grid is None):
            key = "windows" if added.windows is not None else "split_positions"
            raise UserError(
                f"finetune.blocks.{key}: is only for the head mask_rcnn on images in the published form; leave it out."
            )
        self.blocks = build_blocks(config, drop_path, added=added, grid=grid or (1, 1))
        after = head in AFTER_POOLING
        self.norm: nn.Module = nn.Identity() if after or head in WITHOUT_NORM else LayerNorm(config.width)
        self.fc_norm: nn.Module = LayerNorm(config.width) if after else nn.Identity()
        for part in self.modules():
            if isinstance(part, LayerNorm):
                part.eps = self.tokenizer.norm_epsilon
        self.head = build_head(head, config, input_config, num_classes, head_init_std, num_categories, norm_rows, side_head)

    def train(self, mode: bool = True) -> Self:
        """As in torch, but the statistics of batch norms in the blocks stay as they are where their weights are frozen."""
        super().train(mode)
        for part in self.blocks.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and not part.weight.requires_grad:
                part.eval()
        return self

    def features(self, x: Tensor) -> Features:
        """The features that the head reads."""
        tokens = self.tokenizer.tokens(x)
        wanted = self.head.taps if isinstance(self.head, DenseHead) else (len(self.blocks) - 1,)
        taps, state = [], tokens.values
        for index, block in enumerate(self.blocks):
            before = state if tokens.every_block is None else state + tokens.every_block
            again = self.gradient_checkpointing and self.training
            state = cast(Tensor, checkpoint(block, before, use_reentrant=False)) if again else block(before)
            if index in wanted:
                taps.append(self.norm(as_tokens(state)))
        return Features(tuple(taps), tokens.coordinates_BN3, tokens.num_prefix, x)

    def draw(self, noise: RowNoise, device: torch.device) -> None:
        """Make the random choices of tokenizer and head for the next batch in training; those of the blocks are `draw_paths`."""
        if self.tokenizer.draws:
            self.tokenizer.draw(noise, device)
        if isinstance(self.head, DenseHead):
            self.head.draw(noise)

    def forward(self, x: Tensor, given: Tensor | None = None) -> Outputs:
        """Classify a batch of samples, or their parts; `given` (B,) are the object categories of a part segmentation; for
        a detector see its head.

        In training, the outputs of a side head follow those of the head.
        """
        features = self.features(x)
        if isinstance(self.head, DenseHead):
            return cast(Outputs, self.head(features, given))
        return cast(Tensor, self.head(self._pooled(features)))

    def _pooled(self, features: Features) -> Tensor:
        last = features.taps[-1]
        match self.pooling:
            case "class_token":
                return last[:, 0]
            case "class_and_max":
                return torch.cat([last[:, 0], features.last_BND.amax(dim=1)], dim=-1)
            case _:
                return cast(Tensor, self.fc_norm(features.last_BND.mean(dim=1)))


def fresh(spec: RunSpec, num_classes: int, num_categories: int = 0) -> Model:
    """The model of a run, initialised from torch's global generator, before any weights or method."""
    return of_recipe(spec.modality, spec.input, spec.model, spec.finetune, num_classes, num_categories)


def plain(spec: RunSpec, num_classes: int, num_categories: int = 0) -> Model:
    """The model that a run ends with if its method leaves a plain one, with fresh weights."""
    model = fresh(spec, num_classes, num_categories)
    fold(model, spec.model)
    return model


def fold(model: Model, config: ModelConfig) -> None:
    """Make a trained model the plainer one that it equals in evaluation, in place, where its family has such a one."""
    if (folded := family_of(config).fold) is not None:
        folded(model.blocks)


@refuses_unknown
def of_recipe(
    modality: Modality,
    input_config: InputConfig,
    config: ModelConfig,
    recipe: FinetuneConfig,
    num_classes: int,
    num_categories: int = 0,
) -> Model:
    """The model that a recipe trains, initialised from torch's global generator."""
    return Model(
        modality,
        input_config,
        config,
        num_classes,
        head=recipe.head,
        head_init_std=recipe.head_init_std,
        drop_path=recipe.drop_path,
        num_categories=num_categories,
        norm_rows=recipe.norm_rows,
        side_head=recipe.side_loss > 0,
        added=recipe.blocks,
    )
