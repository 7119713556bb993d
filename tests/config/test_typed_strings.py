"""Every public function refuses a text that its signature does not list: an unlisted one would silently mean something else."""

import importlib
import inspect
import pkgutil
import types
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from starlette.types import ASGIApp
from timm.layers.attention import Attention

import m2pt
import pipelines
from m2pt.analysis.sections.facts import Source
from m2pt.config import FinetuneConfig, UserError, refuses_unknown
from m2pt.modalities.own.described import Described
from m2pt.modalities.shared.samples import Samples
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.pathway import PathwayError
from m2pt.training.goals import loss_of
from m2pt.training.precision import gradient_scaler
from pipelines.planning.estimates import CellEstimate

PROGRAMS = ("pipelines.__main__", "pipelines.scheduling.server_process")
"""Modules that are started, not imported."""

IMPORTED_FOR_HINTS_ALONE = {
    "ASGIApp": ASGIApp,
    "Attention": Attention,
    "Axes": Axes,
    "CellEstimate": CellEstimate,
    "Described": Described,
    "Samples": Samples,
    "Source": Source,
    "Tokenizer": Tokenizer,
    "pd": pd,
    "torch": torch,
}
"""What modules import under `TYPE_CHECKING`, so that a plan does not wait for it."""


def literal(hint):
    """The values that a hint lists, also beside other types; nothing where it lists none."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()
    return tuple(value for member in members if get_origin(member) is Literal for value in get_args(member))


def public_functions():
    """Each with its parameters that list values."""
    for package in (m2pt, pipelines):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name in PROGRAMS:
                continue
            module = importlib.import_module(found.name)
            for name, function in vars(module).items():
                if name.startswith("_") or getattr(function, "__module__", "") != found.name or not inspect.isroutine(function):
                    continue
                if hasattr(function, "deploy"):  # a flow: its form takes any JSON, and it says what is wrong on its page
                    continue
                hints = get_type_hints(inspect.unwrap(function), localns=IMPORTED_FOR_HINTS_ALONE)
                listed = {key: values for key, hint in hints.items() if key != "return" and (values := literal(hint))}
                if listed:
                    yield f"{found.name}.{name}", function, listed


FUNCTIONS = list(public_functions())


def test_there_are_such_functions():
    assert len(FUNCTIONS) > 40


@pytest.mark.parametrize(("function", "listed"), [found[1:] for found in FUNCTIONS], ids=[found[0] for found in FUNCTIONS])
def test_it_refuses_a_text_that_is_not_listed(function, listed):
    parameters = inspect.signature(function).parameters
    for name, values in listed.items():
        given = {key: listed[key][0] if key in listed else None for key, part in parameters.items() if part.default is part.empty}
        if function.__name__ == "attach":
            given |= {"auxiliaries": []}
        with pytest.raises((UserError, PathwayError), match=f"{name}:? 'no such {values[0]}' is unknown"):
            function(**given | {name: f"no such {values[0]}"})


def test_what_it_would_have_meant():
    """Gradients of `FP16` would not be scaled, the loss of a `classify` would be that of a segmentation."""
    with pytest.raises(UserError, match="gradient_scaler: precision 'FP16' is unknown; use one of fp32, bf16, fp16"):
        gradient_scaler("FP16", torch.device("cpu"))
    with pytest.raises(UserError, match="loss_of: goal 'classify' is unknown"):
        loss_of(FinetuneConfig(), "classify", torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))


def test_other_types_beside_a_text_stay_allowed():
    @refuses_unknown
    def draw(count: int | Literal["all"], order: Literal["up", "down"] = "up") -> str:
        return f"{count} {order}"

    assert (draw(3), draw("all", order="down"), draw(count=0)) == ("3 up", "all down", "0 up")
    with pytest.raises(UserError, match="draw: count 'everything' is unknown; use one of all"):
        draw("everything")
    with pytest.raises(UserError, match="draw: order None is unknown"):
        draw(3, None)
    with pytest.raises(TypeError):
        draw()
