"""The attention layers of a student (`attention_maps`): with the teacher's maps, or with a loss against them."""

from timm.layers.attention import Attention
from torch import Tensor

from m2pt.methods.actions.attention_maps import Teacher, attended, cross_entropy_B, logits_BHNM


class TaughtAttention(Attention):
    """An attention layer of the student. A plain layer becomes one, and plain again, by a change of its class."""

    lesson: tuple[Teacher, int]

    @property
    def map_BHNM(self) -> Tensor:
        """The teacher's map for the current tokens."""
        teacher, index = self.lesson
        return teacher.maps[index]


class CopiedAttention(TaughtAttention):
    """Attention by the teacher's map; queries and keys of its own are not used."""

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        del attn_mask, is_causal
        return attended(self, x, self.map_BHNM)


class DistilledAttention(TaughtAttention):
    """Plain attention; in training it keeps the loss (B,) of its map against the teacher's."""

    loss_B: Tensor | None = None

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        if self.training:
            self.loss_B = cross_entropy_B(self.map_BHNM, logits_BHNM(self, x))
        return super().forward(x, attn_mask, is_causal)
