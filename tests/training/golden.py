"""Golden loss curves: the history of one tiny run per modality, kept in `tests/golden/`.

`python -m tests.training.golden` writes the files anew. Do so only in a commit that changes numbers on purpose, which also raises
`RECIPE_VERSION`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, get_args

import torch

from m2pt.config import FinetuneConfig, InputsConfig, MaePretrain, Modality
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.folder import create_run, read_history
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.training.finetune import finetune, memory_feed
from m2pt.training.places import Places
from m2pt.training.pretrain import pretrain
from m2pt.training.pretraining_steps import Course
from m2pt.training.share import Share
from m2pt.training.stopwatch import Stopwatch
from tests.specs import pretrain_spec, run_spec

FOLDER = Path(__file__).parents[1] / "golden"
MODALITIES: tuple[Modality, ...] = get_args(Modality)
SHAPES = {"image": (1, 16, 16), "audio": (1, 32, 32), "point": (192, 3), "video": (1, 8, 16, 16)}
RECIPE = FinetuneConfig(samples=64, epochs=4, batch_size=16, warmup_steps=2, learning_rate=3e-3)


def samples(modality: Modality, count: int, seed: int) -> Samples:
    """Four classes, each a pattern of its own under noise; they follow from the seed alone, on every machine."""
    shape = SHAPES[modality]
    patterns = torch.randn(4, *shape, generator=torch.Generator().manual_seed(7))
    noise = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(count) % 4
    return Samples((patterns[labels] + noise).clamp(-1, 1), labels, ("a", "b", "c", "d"))


def fine_tuning(modality: Modality, recipe: FinetuneConfig = RECIPE) -> RunSpec:
    """A pathway from random weights into a target from scratch: every part of a training, and no file of weights."""
    return run_spec(
        target=modality, modality=modality, input=getattr(InputsConfig(), modality), method="random_auxiliary",
        auxiliary="random", setting="scratch", finetune=recipe, target_weights=None, auxiliary_weights=None,
    )  # fmt: skip


def history(spec: RunSpec | PretrainSpec, folder: Path) -> list[dict[str, Any]]:
    """The lines that a run leaves."""
    run_dir = create_run(folder, spec)
    splits = {
        name: samples(spec.modality, count, seed) for name, count, seed in (("train", 80, 1), ("val", 40, 2), ("test", 40, 3))
    }
    if isinstance(spec, PretrainSpec):
        pretrain(spec, splits | {"pretrain": splits["train"]}, None, Course(run_dir))
    else:
        finetune(spec, memory_feed(spec, splits, Share()), Places(), run_dir, Stopwatch())
    return read_history(run_dir)


def curves(modality: Modality, folder: Path) -> list[dict[str, Any]]:
    """The histories of a pretraining and of a fine-tuning, each line with the kind of its run."""
    recipe = MaePretrain(steps=50, batch_size=16, warmup_steps=2)
    encoder = pretrain_spec(modality=modality, input=getattr(InputsConfig(), modality), pretrain=recipe)
    return [{"kind": spec.kind, **line} for spec in (encoder, fine_tuning(modality)) for line in history(spec, folder)]


def main() -> None:
    """Write the files."""
    torch.set_num_threads(1)
    made = {"made_by": "python -m tests.training.golden", "torch": torch.__version__}
    for modality in MODALITIES:
        with tempfile.TemporaryDirectory() as folder:
            lines = [made, *curves(modality, Path(folder))]
        (FOLDER / f"{modality}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
