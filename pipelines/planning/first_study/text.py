"""The text of a first study file, with a comment for each choice."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.config import FilesConfig, Modality, refuses_unknown
from m2pt.runs.folder import is_complete
from pipelines.planning.first_study.budget import METHODS, Budget
from pipelines.planning.first_study.encoder import Size
from pipelines.planning.first_study.target import Target

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*")
_AMBIGUOUS = re.compile(r"(true|false|null|yes|no|on|off|y|n)", re.IGNORECASE)

_MAPPED = (
    "# The auxiliary has another size than the target's encoder: projections to it are learned, and blocks are interpolated.",
    "pathway: {mapping: {model: {from: auxiliary}}}",
)

PRETRAINED = 1000
"""Embedded samples that an auxiliary is pretrained with."""


@dataclass(frozen=True)
class Choices:
    """What a first study is made of; an auxiliary without a file is pretrained here, a target without one starts from scratch."""

    target: Target
    size: Size
    start: Path | None
    auxiliary: Modality
    auxiliary_file: Path | None
    budget: Budget
    schema: Path
    plugins: tuple[str, ...] = ()
    """The packages that add the modalities."""
    batch: int | None = None
    """The size of a batch, where it is not the recipe's."""


def text_of(choices: Choices, file: Path) -> str:
    """The study file; `file` is what it will be called."""
    target, budget = choices.target, choices.budget
    embedded = choices.auxiliary_file is None
    root = f"build/{target.name}-data" if embedded else "."
    said = ", ".join(f"{count} {split}" for split, count in sorted(target.counts.items()))
    known = choices.schema.absolute()
    schema = os.path.relpath(known, file.absolute().parent) if known.is_relative_to(Path.cwd()) else known
    lines = [
        f"# yaml-language-server: $schema={schema}",
        f"# Does a transformer of another modality help with {target.name}? A first study, by `m2pt init`; change what you",
        f"# like. It takes {budget.about} on the machine that wrote it:",
        f"#   m2pt check {file}",
        f"#   m2pt study --study {file}",
        f"study: {flow(target.name)}",
        *([f"plugins: {flow(choices.plugins)} # what must be installed beside m2pt"] if choices.plugins else []),
        "",
        "data:",
        f"  root: {flow(root)} # {'of embedded data, for pretraining the auxiliary' if embedded else 'paths are below it'}",
        *([f"  embedded: {{pretrain: {PRETRAINED}, train: 100, val: 100, test: 100}}"] if embedded else []),
        "",
        f"# {_of_size(choices)}",
        f"model: {flow(_size(choices.size))}",
        "",
        "tasks:",
        f"  {flow(target.name)}: # {len(target.classes)} classes; {said}",
        f"    modality: {target.modality}",
        f"    dataset: {'folder' if target.files.table is None else 'table'}",
        f"    path: {flow(_below(target.folder, root))}",
        *([f"    goal: {target.goal}"] if target.goal != "classification" else []),
        f"    recipes: {{full: {'own' if target.goal == 'classification' else 'own-tags'}}} # for small data",
        *_files(target.files),
        *([f"    input: {flow(choices.size.input)}"] if choices.size.input else []),
        f"    finetune: {flow(_training(choices))} # what the minutes and the files allow",
        "",
        "encoders:",
        *([f"  start: {_given(target.modality, choices.start)}"] if choices.start else []),
        f"  auxiliary: {_auxiliary(choices)}",
        *(["", *_MAPPED] if choices.size.mapped else []),
        *_sweep(choices),
    ]
    return "\n".join(lines) + "\n"


def _sweep(choices: Choices) -> list[str]:
    return [
        "",
        "sweep:",
        f"  seeds: {flow(list(range(choices.budget.seeds)))} # each method runs with each; an interval needs two, better eight",
        f"  targets: [{flow(choices.target.name)}]",
        f"  auxiliaries: [{choices.auxiliary}]",
        f"  methods: [{', '.join(METHODS)}] # no auxiliary, the claim, and its control with random weights",
        *([] if choices.start else ["  settings: [scratch] # the target starts from random weights"]),
        f"  target_encoder: {'start' if choices.start else 'random'}",
        "  auxiliary_encoder: auxiliary",
    ]


def _training(choices: Choices) -> dict[str, Any]:
    epochs = choices.budget.epochs
    values = {"epochs": epochs, "warmup_epochs": min(3.0, epochs / 10)}
    return values if choices.batch is None else values | {"batch_size": choices.batch}


def _of_size(choices: Choices) -> str:
    source = choices.start or choices.auxiliary_file
    if source is None:
        return "A small encoder, for a laptop."
    return f"The size of {source}" + ("." if choices.size.heads_known else "; nothing says how many heads it has: check that.")


def _size(size: Size) -> dict[str, Any]:
    """Where the size of the model comes from; without weights, the values that say it, and others that are not the usual ones."""
    if size.encoder is not None:
        return {"from": size.encoder} | ({} if size.heads_known else {"heads": size.model.heads})
    usual, values = type(size.model)().model_dump(), size.model.model_dump()
    return {key: value for key, value in values.items() if key in ("width", "depth", "heads") or value != usual.get(key, value)}


def _below(folder: Path, root: str) -> str:
    """The folder as `tasks.NAME.path`: relative where it is in this project."""
    whole = folder.resolve()
    return os.path.relpath(whole, Path(root).absolute()) if whole.is_relative_to(Path.cwd()) else str(whole)


def _files(files: FilesConfig) -> list[str]:
    kept = {"file", "label"} if files.table is not None else set()
    usual = FilesConfig()
    values = {
        key: value for key, value in files.model_dump().items() if key in {*kept, "val", "test"} or value != getattr(usual, key)
    }
    return [f"    files: {flow(values)} # splits that are not given are drawn by these shares"]


def _auxiliary(choices: Choices) -> str:
    if choices.auxiliary_file is not None:
        return _given(choices.auxiliary, choices.auxiliary_file)
    return f"{{kind: mae, steps: {choices.budget.pretraining_steps}}} # pretrained here, on embedded data of its modality"


@refuses_unknown
def _given(modality: Modality, place: Path) -> str:
    """Weights that exist already: a file, or the folder of a finished run."""
    kind, key = ("run", "runs") if is_complete(place) else ("file", "paths")
    return flow({"kind": kind, key: {modality: str(place)}})


def flow(value: Any) -> str:
    """A value as YAML writes it within a line."""
    match value:
        case str():
            return value if _PLAIN.fullmatch(value) and not _AMBIGUOUS.fullmatch(value) else json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case _:
            return json.dumps(value)
