"""The final model of a complete run, as the plain model that its test score is of."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from m2pt.config import Frozen, UserError
from m2pt.files.documents import read_model, write_json
from m2pt.files.state import file_sha256
from m2pt.models.model import Model, plain
from m2pt.runs.folder import MERGED, SPEC, anew, is_complete, read_spec
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.plugins import require_code
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec
from m2pt.weights.saved import load_into, read_weights

DESCRIPTION, WEIGHTS = "m2pt.json", "model.safetensors"
"""The files of a model outside of its run."""

LABELLED = ("classification", "tagging")
"""The goals with scores for a whole sample; the others have one for each point or pixel."""


class Description(Frozen):
    """What a model is: all that is needed to build it, apart from its weights."""

    run_id: str
    recipe_version: int
    spec: RunSpec
    classes: tuple[str, ...]
    weights_sha256: str | None
    """Of the file of the run's final weights, whose bytes an export to `safetensors` has."""

    norm_epsilon: float | None = None
    """Of the norms of tokens, where the file that the target came from has an unusual one."""


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, what it was trained as, and the names of its outputs in their order."""

    spec: RunSpec
    classes: tuple[str, ...]
    model: Model


def finished(run_dir: Path) -> tuple[RunSpec, FinetuneRecord]:
    """What a complete fine-tuning run was, and its record.

    Raises:
        UserError: it is another kind of run, is not complete, or is damaged.

    """
    if not (run_dir / SPEC).is_file():
        raise UserError(f"{run_dir}: is not the folder of a run; name one such as runs/STUDY/RUN_ID.")
    spec = read_spec(run_dir)
    if not isinstance(spec, RunSpec):
        raise UserError(f"{run_dir}: is an encoder, which has no head and predicts nothing; name a fine-tuning run.")
    if not is_complete(run_dir):
        raise UserError(f"{run_dir}: is not complete; name a run that is, or finish its study.")
    return spec, read_record(run_dir, FinetuneRecord)


def description(spec: RunSpec, record: FinetuneRecord) -> Description:
    """What the final model of a run is."""
    epsilon = next((file.norm_epsilon for file in record.loaded if file.role == "target"), None)
    return Description(
        run_id=run_id(spec),
        recipe_version=RECIPE_VERSION,
        spec=spec,
        classes=record.classes,
        weights_sha256=record.merged_sha256,
        norm_epsilon=epsilon,
    )


def trained(folder: Path) -> Trained:
    """The final model of a complete run that labels whole samples, from its folder or from its export to `safetensors`.

    Raises:
        UserError: as `finished`; or the run labels points or pixels, its method left no plain model, its weights are not those
            of its record, or another recipe version of m2pt made it.

    """
    if not (folder / SPEC).is_file() and (folder / WEIGHTS).is_file():
        return _built(read_model(folder / DESCRIPTION, Description), folder / WEIGHTS, "export the run again")
    return _built(description(*finished(folder)), folder / MERGED, anew(folder))


def describe(folder: Path, what: Description) -> None:
    """Write what a model is beside its weights."""
    write_json(folder / DESCRIPTION, what.model_dump(mode="json"))


def require_weights(weights: Path, sha256: str | None, remedy: str) -> None:
    """Refuse final weights that are not those of their record. Raises `UserError`; `remedy` is what to do."""
    if not weights.is_file():
        raise UserError(f"{weights}: is missing; {remedy}.")
    if sha256 is not None and file_sha256(weights) != sha256:
        raise UserError(f"{weights}: is not the file that its record speaks of (damaged, or of another run); {remedy}.")


def _built(what: Description, weights: Path, remedy: str) -> Trained:
    spec = what.spec
    if what.recipe_version != RECIPE_VERSION:
        raise UserError(
            f"{weights}: is of recipe version {what.recipe_version}, and this m2pt has {RECIPE_VERSION}; use its own."
        )
    require_code(spec.plugins, str(weights))
    if spec.goal not in LABELLED:
        raise UserError(f"{weights}: is for {spec.goal}; only models that label whole samples can be used outside of a run.")
    with torch.random.fork_rng(devices=[]):
        model = plain(spec, len(what.classes))
    require_weights(weights, what.weights_sha256, remedy)
    tensors = read_weights(weights)
    if tensors.keys() != model.state_dict().keys():
        raise UserError(f"{weights}: the method {spec.method} leaves no plain model; it can be used inside of its run alone.")
    load_into(model, tensors, "", str(weights))
    if what.norm_epsilon is not None:  # as when the file was loaded (`m2pt.weights.reading.load_encoder`)
        for part in (*model.blocks.modules(), *model.norm.modules()):
            if isinstance(part, nn.LayerNorm):
                part.eps = what.norm_epsilon
    return Trained(spec, what.classes, model.eval())
