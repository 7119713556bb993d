"""`search`: propose, run and judge trials, then confirm what they chose."""

from argparse import Namespace

from m2pt.config import UserError
from pipelines.commands import execute
from pipelines.planning import study_file


def search(options: Namespace) -> int:
    """Do the search of a study and everything before and after it, as `m2pt study` does for such a file."""
    if study_file.load(options.study).search is None:
        raise UserError(f"{options.study}: search: is missing, so there is nothing to search; declare it, or run `m2pt study`.")
    return execute.study(options)
