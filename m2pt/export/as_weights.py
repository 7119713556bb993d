"""The weights of a run's final model as they are, for any program that reads safetensors, and for `m2pt predict`."""

import shutil
from pathlib import Path

from m2pt.config import UserError
from m2pt.export.written import Written
from m2pt.files.state import file_sha256
from m2pt.inference.trained import WEIGHTS, finished
from m2pt.runs.folder import MERGED, anew

_USAGE = """import json
from pathlib import Path

from safetensors.torch import load_file

tensors = load_file("FOLDER/model.safetensors")
facts = json.loads(Path("FOLDER/m2pt.json").read_text())  # sizes and form of the model, classes

from m2pt.inference.trained import trained  # or with m2pt: the model itself

model = trained(Path("FOLDER")).model"""


def write(run_dir: Path, folder: Path) -> Written:
    """Copy the weights of a run. Raises `UserError` if they are not those of its record."""
    _, record = finished(run_dir)
    shutil.copyfile(run_dir / MERGED, folder / WEIGHTS)
    if file_sha256(folder / WEIGHTS) != record.merged_sha256:
        raise UserError(f"{run_dir / MERGED}: is not the file that record.json speaks of; {anew(run_dir)}.")
    return Written("What the model of m2pt takes; these are tensors alone.", _USAGE, ("safetensors",), None)
