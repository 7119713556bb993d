"""What training several small runs as one stacked model could save: their weights side by side, one call for each operation.

The step of a stack is `torch.func.vmap` over the gradient of the loss, then one fused optimizer over the stacked weights. *One
batch* is the bound of any such step: one model on as many rows, so that the matrix products are those of a stack with the weights
read once, and nothing else is done for a second model.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.measuring.clock import in_turn, median, quartiles, ratio
from benchmarks.measuring.fixtures import Setup, model_of, samples_of
from benchmarks.measuring.parts import Row, measured
from m2pt.runs.spec import RunSpec
from m2pt.training.precision import autocast


def stacking(name: str, spec: RunSpec, count: int, setup: Setup) -> list[Row]:
    """A step of `count` runs one by one, beside the step of their stack and that of one model on all their rows."""
    runs = Runs(spec, count, setup)
    warnings.filterwarnings("ignore", message="There is a performance drop")  # an operation that vmap repeats; it is in the time
    taken = in_turn({"single": runs.one_by_one, "stack": runs.stacked, "wide": runs.as_one_batch}, setup)
    faster, apart = ratio(taken["single"], taken["stack"])
    bound, bound_apart = ratio(taken["single"], taken["wide"])
    return [
        measured(f"{name}: {count} steps, one by one", median(taken["single"]), "ms", quartiles(taken["single"])),
        measured(f"{name}: {count} steps, one by one / as one stack", faster, "", apart),
        measured(f"{name}: {count} steps, one by one / one model on all their rows", bound, "", bound_apart),
    ]


class Runs:
    """`count` models of one shape, each with its own weights, rows and optimizer, and the same models as a stack."""

    def __init__(self, spec: RunSpec, count: int, setup: Setup) -> None:
        self._recipe, self._device = spec.finetune, setup.device
        self.models = [model_of(spec, "plain").to(setup.device).train() for _ in range(count)]
        for number, model in enumerate(self.models):
            generator = torch.Generator().manual_seed(number)
            with torch.no_grad():
                for weight in model.parameters():
                    weight.add_(torch.randn(weight.shape, generator=generator).to(setup.device), alpha=0.01)
        samples = samples_of(spec.input, self._recipe.batch_size * count, seed=0)
        self.x, self.y = samples.x.to(setup.device), samples.y.to(setup.device)
        weights, self._buffers = stack_module_state(list(self.models))
        self.stack = {name: weight.detach().clone() for name, weight in weights.items()}
        self._gradient = vmap(grad(self._loss))
        self._optimizers = [self._optimizer(list(model.parameters())) for model in self.models]
        self._stacks_optimizer = self._optimizer(list(self.stack.values()))

    def one_by_one(self) -> None:
        """A step of each model on its own rows."""
        for model, optimizer, x, y in zip(self.models, self._optimizers, *self._rows(), strict=True):
            self._learn(model, optimizer, x, y)

    def stacked(self) -> None:
        """A step of all models at once."""
        gradients = self._gradient(self.stack, self._buffers, *self._rows())
        for name, weight in self.stack.items():
            weight.grad = gradients[name]
        self._stacks_optimizer.step()

    def as_one_batch(self) -> None:
        """A step of the first model on all rows."""
        self._learn(self.models[0], self._optimizers[0], self.x, self.y)

    def _learn(self, model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(self._recipe.precision, self._device):
            logits = model(x)
        self._loss_of(logits, y).backward()
        optimizer.step()

    def _loss(self, weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        with autocast(self._recipe.precision, self._device):
            logits = functional_call(self.models[0], (weights, buffers), (x,))
        return self._loss_of(logits, y)

    def _loss_of(self, logits: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.float(), y, label_smoothing=self._recipe.label_smoothing)

    def _rows(self) -> tuple[Tensor, Tensor]:
        count = len(self.models)
        return self.x.unflatten(0, (count, -1)), self.y.unflatten(0, (count, -1))

    def _optimizer(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(weights, self._recipe.learning_rate, fused=True)
