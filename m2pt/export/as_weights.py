"""The weights of a run's final model as they are, for any program that reads safetensors, and for `m2pt predict`."""

import shutil
from pathlib import Path

from m2pt.export.written import Written
from m2pt.inference.trained import WEIGHTS, finished, require_weights
from m2pt.runs.folder import MERGED, anew

_USAGE = """import json
from pathlib import Path

from safetensors.torch import load_file

tensors = load_file("FOLDER/model.safetensors")
facts = json.loads(Path("FOLDER/m2pt.json").read_text())  # sizes and form of the model, classes

from m2pt.inference.trained import trained  # or with m2pt: the model itself

model = trained(Path("FOLDER")).model"""

_BUILT = """from pathlib import Path

from safetensors.torch import load_file

from m2pt.inference.trained import Description
from m2pt.models.model import fresh

facts = Description.model_validate_json(Path("FOLDER/m2pt.json").read_text())
model = fresh(facts.spec, len(facts.classes)).eval()
model.load_state_dict(load_file("FOLDER/model.safetensors"))"""
"""For pictures with a class for each pixel or with objects, which `m2pt predict` does not label."""


def write(run_dir: Path, folder: Path) -> Written:
    """Copy the weights of a run. Raises `UserError` if they are not those of its record."""
    spec, record = finished(run_dir)
    require_weights(run_dir / MERGED, record.merged_sha256, anew(run_dir))
    shutil.copyfile(run_dir / MERGED, folder / WEIGHTS)
    require_weights(folder / WEIGHTS, record.merged_sha256, "something wrote it while it was copied: export again")
    usage = _BUILT if spec.goal in ("semantic_segmentation", "instance_segmentation") else _USAGE
    return Written("What the model of m2pt takes; these are tensors alone.", usage, ("safetensors",), None)
