"""Control: a pathway from the auxiliary with a random sign for each of its weights: their sizes stay, what they compute goes."""

from collections.abc import Sequence

from m2pt.methods import Actions, Method
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def _actions() -> Actions:
    import torch

    from m2pt.methods.actions.pathway import join, merge
    from m2pt.runs.identity import drawn_seed

    @torch.no_grad()
    def join_with_signs(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
        generator = torch.Generator().manual_seed(drawn_seed(spec, "random signs"))
        for auxiliary in auxiliaries:
            for parameter in auxiliary.parameters():
                if parameter.ndim > 1:
                    signs = 2 * torch.randint(0, 2, parameter.shape, generator=generator) - 1
                    parameter.mul_(signs.to(parameter))
        join(model, spec, auxiliaries)

    return Actions(join_with_signs, merge=merge)


METHOD = Method(
    kind="control",
    takes="each",
    description="the auxiliary with a random sign for each weight",
    rank=51,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
)
"""The entry point."""
