"""`weights`: look at files of pretrained weights."""

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Any, get_args

from m2pt.config import LayoutName, Reading, UserError, Weights
from m2pt.weights import Inspection, inspect

_LISTED = 6  # names of one kind, before the rest are counted


def weights(options: Namespace) -> int:
    """`inspect`: say what a file of weights is, what of it an encoder would take, and what would be ignored."""
    grid = _axes(options.grid, "--grid")
    reading = Reading(
        layout=_one(options.layout, LayoutName, "--layout"), weights=_one(options.weights, Weights, "--weights"), grid=grid
    )
    found = inspect(options.file, reading, _axes(options.places, "--places"))
    print(json.dumps(asdict(found), indent=1) if options.json else _text(found))
    return 0


def _one(value: str | None, known: Any, name: str) -> Any:
    if value is not None and value not in get_args(known):
        raise UserError(f"{name}: {value} is not known; it is one of {', '.join(get_args(known))}.")
    return value


def _axes(value: str | None, name: str) -> tuple[int, ...] | None:
    """The numbers of `32x8` or `8x14x14`."""
    if value is None:
        return None
    numbers = value.split("x")
    if len(numbers) not in (2, 3) or not all(number.isdecimal() and int(number) for number in numbers):
        raise UserError(f"{name}: {value} is no grid; write it as 14x14 or 8x14x14.")
    return tuple(map(int, numbers))


def _text(found: Inspection) -> str:
    axes = " × ".join(map(str, found.grid or ()))
    grid = "" if found.grid is None else f" ({axes}{' and the class token' if found.class_token else ''})"
    wrapper = "" if found.wrapper is None else f", under `{found.wrapper}`"
    rows = {
        "file": found.file,
        "parts": _listed(found.files),
        "format": f"{found.format}{wrapper}, {found.bytes / 1e6:.1f} MB, {', '.join(found.precisions)}",
        "sha256": found.sha256,
        "layout": f"{' or '.join(found.fits)}: {found.description}",
        "weights": _weights(found),
        "modality": " or ".join(found.modalities),
        "width": str(found.width),
        "depth": str(found.depth),
        "heads": "not told by a file",
        "mlp ratio": "unknown" if found.mlp_ratio is None else f"{found.mlp_ratio:g}",
        "patch": "not told" if found.patch is None else f"{' × '.join(map(str, found.patch))} (channels first)",
        "positions": "not stored" if found.positions is None else f"{found.positions}{grid}",
        "there": "say --places, such as 14x14" if found.placed is None else found.placed,
        "class token": "yes" if found.class_token else "no",
        "final norm": "yes" if found.final_norm else "no",
        "parameters": f"{found.parameters:,} in the encoder",
        "no bias": _listed(found.missing_biases),
        "ignored": _listed(found.ignored),
        "unknown": _listed(found.unknown),
    }
    return "\n".join(f"{name:<12}{value}" for name, value in rows.items())


def _weights(found: Inspection) -> str:
    told = {"raw": "as trained", "ema": "a moving average"}[found.weights]
    return f"{told}; others under {', '.join(found.beside)} are not taken" if found.beside else told


def _listed(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{rest}" if names else "none"
