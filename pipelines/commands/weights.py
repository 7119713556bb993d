"""`weights`: look at files of pretrained weights."""

import json
from argparse import Namespace
from dataclasses import asdict

from m2pt.weights import Inspection, inspect

_LISTED = 6  # names of one kind, before the rest are counted


def weights(options: Namespace) -> int:
    """`inspect`: say what a file of weights is, what of it an encoder would take, and what would be ignored."""
    found = inspect(options.file)
    print(json.dumps(asdict(found), indent=1) if options.json else _text(found))
    return 0


def _text(found: Inspection) -> str:
    grid = (
        "" if found.grid is None else f" ({found.grid[0]} × {found.grid[1]}{' and the class token' if found.class_token else ''})"
    )
    wrapper = "" if found.wrapper is None else f", under `{found.wrapper}`"
    rows = {
        "file": found.file,
        "format": f"{found.format}{wrapper}, {found.bytes / 1e6:.1f} MB, {', '.join(found.precisions)}",
        "sha256": found.sha256,
        "layout": f"{found.layout}: {found.description}",
        "modality": " or ".join(found.modalities),
        "width": str(found.width),
        "depth": str(found.depth),
        "heads": "not told by a file",
        "mlp ratio": "unknown" if found.mlp_ratio is None else f"{found.mlp_ratio:g}",
        "patch": "not told" if found.patch is None else f"{' × '.join(map(str, found.patch))} (channels first)",
        "positions": "not stored" if found.positions is None else f"{found.positions}{grid}",
        "class token": "yes" if found.class_token else "no",
        "final norm": "yes" if found.final_norm else "no",
        "parameters": f"{found.parameters:,} in the encoder",
        "no bias": _listed(found.missing_biases),
        "ignored": _listed(found.ignored),
        "unknown": _listed(found.unknown),
    }
    return "\n".join(f"{name:<12}{value}" for name, value in rows.items())


def _listed(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{rest}" if names else "none"
