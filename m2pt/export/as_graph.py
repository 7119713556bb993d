"""The operations of a model without its code: a program of `torch.export`, and the same as ONNX. Batches of any size."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from m2pt.export.examples import difference, examples, own_logits
from m2pt.export.written import Written
from m2pt.inference.trained import Trained
from m2pt.modalities.registry import SPECS

PROGRAM, ONNX = "model.pt2", "model.onnx"

_PROGRAM_USAGE = """import torch

model = torch.export.load("FOLDER/model.pt2").module()
logits = model(samples)"""

_ONNX_USAGE = """import onnxruntime

session = onnxruntime.InferenceSession("FOLDER/model.onnx")
(logits,) = session.run(None, {"samples": samples})  # NumPy arrays"""

_LARGEST = 1_900_000_000
"""Bytes of weights up to which an ONNX file holds them itself: its format allows 2 GiB."""


def takes(model: Trained) -> str:
    """What the model itself takes; it normalises its samples."""
    shape = " x ".join(map(str, model.spec.input.sample_shape))
    return f"{SPECS[model.spec.modality].samples}, batch x {shape}, float32; the model normalises them."


def write_program(model: Trained, folder: Path) -> Written:
    """Write a program that `torch.export.load` loads."""
    x = examples(model)
    with _quiet():
        torch.export.save(_program(model, x), folder / PROGRAM, extra_files={"classes.json": json.dumps(model.classes)})
        loaded = torch.export.load(folder / PROGRAM).module()
    return Written(takes(model), _PROGRAM_USAGE, ("torch",), _difference(model, x, loaded))


def write_onnx(model: Trained, folder: Path) -> Written:
    """Write a file that `onnxruntime` runs."""
    import onnxruntime

    x = examples(model)
    with _quiet():
        written = torch.onnx.export(
            _program(model, x), dynamo=True, input_names=["samples"], output_names=["logits"], verbose=False
        )
    if written is None:
        raise RuntimeError("torch wrote no ONNX program")
    written.model.metadata_props["classes"] = json.dumps(model.classes)
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.model.state_dict().values())
    written.save(folder / ONNX, external_data=size > _LARGEST)
    session = onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])

    def logits(some: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"samples": some.numpy()})[0])

    packages = ("onnx", "onnxscript", "onnxruntime", "torch")
    return Written(takes(model), _ONNX_USAGE, packages, _difference(model, x, logits))


@torch.no_grad()
def _difference(model: Trained, x: Tensor, logits: Callable[[Tensor], Tensor]) -> float:
    """The largest difference of logits, for a batch of one and for one of several samples."""
    own = own_logits(model, x)
    return max(difference(own[:count], logits(x[:count])) for count in (1, len(x)))


def _program(model: Trained, x: Tensor) -> ExportedProgram:
    # Strictly, because otherwise the length of a batch would be taken for a constant wherever the code asks for it.
    return torch.export.export(model.model, (x,), dynamic_shapes={"x": {0: Dim("batch", min=1)}}, strict=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says while it translates, which is about its own inside; errors are raised."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
