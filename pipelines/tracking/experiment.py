"""What a command knows of the experiment of DVC's in which it runs, if it runs in one."""

import os
from pathlib import Path

_COPIES = (".dvc", "tmp", "exps")
"""Where DVC keeps the copies of a project in which it does queued experiments and those with `--temp`."""

_NAME = "DVC_EXP_NAME"
"""DVC tells it to the stages of an experiment."""


def experiment_name() -> str:
    """The name of the experiment; empty outside of one."""
    return os.environ.get(_NAME, "")


def project_folder() -> Path:
    """The folder of the project: the current one, or that of which DVC made the current one to do an experiment in a copy.

    What is tracked there would be lost with the copy.
    """
    here = Path.cwd()
    copies = next((folder for folder in here.parents if folder.parts[-len(_COPIES) :] == _COPIES), None)
    return here if copies is None else copies.parents[len(_COPIES) - 1]
