"""`weights`: describe files of pretrained weights."""

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Any, get_args

from m2pt.config import LayoutName, Reading, UserError, Weights
from m2pt.weights.inspection import Inspection, inspect

_LISTED = 6  # how many names are listed before the rest are only counted


def weights(options: Namespace) -> int:
    """`inspect`: print what a file of weights is, what an encoder would take from it, and what would be ignored."""
    grid = _axes(options.grid, "--grid")
    reading = Reading(
        layout=_one(options.layout, LayoutName, "--layout"), weights=_one(options.weights, Weights, "--weights"), grid=grid
    )
    inspection = inspect(options.file, reading, _axes(options.places, "--places"))
    print(json.dumps(asdict(inspection), indent=1) if options.json else _text(inspection))
    return 0


def _one(value: str | None, known: Any, name: str) -> Any:
    if value is not None and value not in get_args(known):
        raise UserError(f"{name}: {value} is unknown; use one of {', '.join(get_args(known))}.")
    return value


def _axes(value: str | None, name: str) -> tuple[int, ...] | None:
    """The numbers of `32x8` or `8x14x14`."""
    if value is None:
        return None
    numbers = value.split("x")
    if len(numbers) not in (2, 3) or not all(number.isdecimal() and int(number) for number in numbers):
        raise UserError(f"{name}: {value} is not a grid; write it as 14x14 or 8x14x14.")
    return tuple(map(int, numbers))


def _text(file: Inspection) -> str:
    axes = " × ".join(map(str, file.grid or ()))
    grid = "" if file.grid is None else f" ({axes}{' and the class token' if file.class_token else ''})"
    wrapper = "" if file.wrapper is None else f", under `{file.wrapper}`"
    rows = {
        "file": file.file,
        "parts": _listed(file.files),
        "format": f"{file.format}{wrapper}, {file.bytes / 1e6:.1f} MB, {', '.join(file.precisions)}",
        "sha256": file.sha256,
        "layout": f"{' or '.join(file.fits)}: {file.description}",
        "weights": _weights(file),
        "modality": " or ".join(file.modalities),
        "width": str(file.width),
        "depth": str(file.depth),
        "heads": "unknown (no file says it)" if file.heads is None else f"{file.heads}, by {file.heads_by}",
        "mlp ratio": "unknown" if file.mlp_ratio is None else f"{file.mlp_ratio:g}",
        "patch": "unknown" if file.patch is None else f"{' × '.join(map(str, file.patch))} (channels first)",
        "positions": "not stored" if file.positions is None else f"{file.positions}{grid}",
        "resized": "for an input of another size, see --places" if file.placed is None else file.placed,
        "class token": "yes" if file.class_token else "no",
        "final norm": "yes" if file.final_norm else "no",
        "parameters": f"{file.parameters:,} in the encoder",
        "no bias": _listed(file.missing_biases),
        "ignored": _listed(file.ignored),
        "unknown": _listed(file.unknown),
    }
    return "\n".join(f"{name:<12}{value}" for name, value in rows.items())


def _weights(file: Inspection) -> str:
    kind = {"raw": "as trained", "ema": "a moving average"}[file.weights]
    return f"{kind}; those under {', '.join(file.beside)} are not read" if file.beside else kind


def _listed(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{rest}" if names else "none"
