"""Where the encoders of a study that are models of other runs come from."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from m2pt.analysis.tables.phrases import counted
from m2pt.config import Modality, RunSource, Study
from m2pt.files.documents import read_json
from m2pt.runs.ancestry import ancestry
from m2pt.runs.folder import SPEC
from m2pt.runs.spec import RunSpec


def origins(study: Study, specs: Sequence[RunSpec]) -> list[str]:
    """Which runs the encoders of a study are the models of, and how much is known of what those go on from; in sentences."""
    loaded = {(ref.source, ref.modality) for spec in specs for ref in (spec.target_weights, *spec.auxiliary_refs) if ref}
    return [_sentence(name, modality, folder) for name, modality, folder in _runs(study) if (name, modality) in loaded]


def _runs(study: Study) -> Iterator[tuple[str, Modality, Path]]:
    for name, source in study.encoders.items():
        if isinstance(source, RunSource):
            yield from ((name, modality, Path(folder)) for modality, folder in sorted(source.runs.items()))


def _sentence(name: str, modality: str, folder: Path) -> str:
    made: dict[str, Any] = read_json(folder / SPEC, "name another run").get("spec", {})
    known = ancestry(folder)
    tuned = made.get("kind") == "finetune"
    what = f"fine-tuned on {made.get('target')} by `{made.get('method')}`" if tuned else f"pretrained ({made.get('source')})"
    others = len(known.weights) - 1
    from_what = f"it goes on from {counted(others, 'other file')} of weights" if others else "it goes on from no other weights"
    more = "" if known.is_whole else ", of which not all are known" if others else ", as far as is known"
    return f"`{name}` ({modality}) is the model of the run `{folder.resolve().name}`, {what}; {from_what}{more}."
