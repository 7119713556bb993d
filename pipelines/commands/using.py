"""The options of the commands that use the final models of runs."""

import argparse
from collections.abc import Mapping
from pathlib import Path

FORMATS = ("timm", "safetensors", "onnx", "torch-export", "mlflow", "hf")
"""What a run can be exported to."""


def add_using(each: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add them to the parsers of the commands, by name."""
    run = "a run: its folder, its id, or the hash at the end of its id"
    each["export"].add_argument("run", metavar="RUN", help=run)
    each["export"].add_argument("--to", choices=FORMATS, required=True, help="the format")
    each["export"].add_argument(
        "--out", type=Path, metavar="FOLDER", help="the folder to make (default: build/exports/RUN-FORMAT)"
    )
    each["export"].add_argument(
        "--study",
        type=Path,
        metavar="FILE",
        help="the study file of the run, for the evidence on its card (default: params.yaml or one in studies/, by its name)",
    )
    each["publish"].add_argument(
        "--register",
        action="store_true",
        help="register the best model of each target, by validation score, in MLflow's model registry with the alias `best`",
    )
    each["predict"].add_argument("run", metavar="RUN", help=f"{run}; or a model exported to safetensors")
    each["predict"].add_argument("files", type=Path, nargs="+", metavar="FILE", help="raw files of the run's modality")
    each["predict"].add_argument(
        "--top", type=int, default=3, metavar="K", help="how many classes are shown, those of highest score (default: 3)"
    )
    form = each["predict"].add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", type=Path, metavar="FILE", help="write CSV to this file: a row for each file and class")
