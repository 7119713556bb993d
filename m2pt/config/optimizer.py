"""The optimizer settings that pretraining and fine-tuning share."""

from m2pt.config.base import Frozen, NonNegative, NonNegativeFloat, Positive, PositiveFloat


class OptimizerConfig(Frozen):
    """AdamW with a linear warm-up and a cosine decay to zero over a fixed number of steps."""

    batch_size: Positive
    """Samples per optimizer step, over all devices."""
    learning_rate: PositiveFloat = 1e-3
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 0.05
    """Weight decay of the matrices; biases and norms have none."""
    warmup_steps: NonNegative = 20
    """Steps of the linear warm-up; of a training with fewer steps in all, the default is all of them but one."""
    clip_norm: PositiveFloat | None = None
    """Largest norm of the gradient; without the key it is not clipped."""
