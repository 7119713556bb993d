"""What training and inference cost in the paper (Table 7: ImageNet-1K, ViT-B)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedCost:
    """Wall-clock hours of a training run, milliseconds of an inference, and parameters of both. Its devices are not named."""

    training_hours: float
    trainable_parameters: float
    inference_ms: float
    inference_parameters: float


BASELINE_COST = PublishedCost(training_hours=16.95, trainable_parameters=86.3e6, inference_ms=11.64, inference_parameters=86.3e6)
PATHWAY_COST = PublishedCost(training_hours=22.84, trainable_parameters=172.6e6, inference_ms=11.64, inference_parameters=86.3e6)
