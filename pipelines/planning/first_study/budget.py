"""How many epochs and seeds a budget of minutes allows, measured by training steps of the very model on this machine."""

import time
from dataclasses import dataclass

import torch

from m2pt.config import FinetuneConfig, InputConfig, MaePretrain, Modality, ModelConfig, refuses_unknown
from m2pt.models.model import of_recipe

MOST_EPOCHS, LEAST_SEEDS, MOST_SEEDS = 30, 3, 8
METHODS = ("baseline", "pathway", "random_auxiliary")

_STEPS, _BATCH = 2, 4
_OVERHEAD_S = 3.0
"""What a run takes beside its steps: opening files, merging, writing."""

_READING = 1.3
"""Steps with reading, augmenting and testing, compared with steps alone."""

_FOR_PRETRAINING = 0.2


@dataclass(frozen=True)
class Budget:
    """What fits: `minutes` is the estimate for all of it, whether or not that is within the budget."""

    epochs: int
    seeds: int
    pretraining_steps: int
    minutes: float

    @property
    def about(self) -> str:
        """The minutes in words."""
        rounded = f"{self.minutes:.0f}" if self.minutes >= 1 else f"{self.minutes:.1g}"
        return f"about {rounded} minute{'' if rounded == '1' else 's'}"


@refuses_unknown
def seconds_per_sample(
    modality: Modality, samples: InputConfig, model: ModelConfig, recipe: FinetuneConfig, device: str
) -> float:
    """How long training takes for one sample on a device, with one thread as in jobs on a CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net = of_recipe(modality, samples, model, recipe, 10).to(device).train()
        x = torch.zeros(_BATCH, *samples.sample_shape, device=device)
        x += torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-6)
        taken = [_step(net, x, optimizer) for _ in range(1 + _STEPS)]
        return min(taken[1:]) / _BATCH
    finally:
        torch.set_num_threads(threads)


def _step(net: torch.nn.Module, x: torch.Tensor, optimizer: torch.optim.Optimizer) -> float:
    clock = time.perf_counter if x.is_cuda else time.thread_time  # on a CPU, without what other processes take
    began = clock()
    outputs = net(x, None)
    outputs.square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    if x.is_cuda:
        torch.cuda.synchronize()
    return clock() - began


def fitting(minutes: float, sample_s: float, trained: int, tested: int, slots: int, pretrain_s: float) -> Budget:
    """The most epochs (up to `MOST_EPOCHS`), then the most seeds (up to `MOST_SEEDS`), that fit into `minutes`.

    Args:
        minutes: the budget.
        sample_s: seconds of training for one sample.
        trained: training samples.
        tested: samples that are tested after each epoch.
        slots: how many runs go on at a time.
        pretrain_s: seconds of pretraining the auxiliary for one sample; 0 where that is not done.

    """
    budget_s = 60 * minutes
    step_s = pretrain_s * MaePretrain().batch_size
    steps = int(max(50, min(MaePretrain().steps, _FOR_PRETRAINING * budget_s / step_s))) if step_s else 0
    before_s = steps * step_s + (_OVERHEAD_S if steps else 0.0)
    epoch_s = sample_s * _READING * (trained + tested / 3)

    def all_s(epochs: int, seeds: int) -> float:
        rounds = -(-seeds * len(METHODS) // slots)
        return before_s + rounds * (epochs * epoch_s + _OVERHEAD_S)

    epochs = next((number for number in range(MOST_EPOCHS, 1, -1) if all_s(number, LEAST_SEEDS) <= budget_s), 1)
    seeds = next((number for number in range(MOST_SEEDS, LEAST_SEEDS, -1) if all_s(epochs, number) <= budget_s), LEAST_SEEDS)
    return Budget(epochs, seeds, steps, all_s(epochs, seeds) / 60)
