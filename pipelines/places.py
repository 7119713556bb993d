"""Where runs lie that a study's folder does not hold now."""

from pathlib import Path

from m2pt.records import status


def aside_of(folder: Path) -> Path:
    """Where the runs of a folder go that the study does not declare."""
    return folder.parent / ".aside" / folder.name


def replaced_of(folder: Path) -> Path:
    """Where the runs of a folder go that are done anew in another environment; they come back by hand alone."""
    return folder.parent / ".replaced" / folder.name


def place_of(run_dir: Path) -> Path:
    """Where a run lies: in its folder, or aside, from where it comes back before anything is run."""
    kept = aside_of(run_dir.parent) / run_dir.name
    return kept if status(run_dir) != "complete" and status(kept) == "complete" else run_dir
