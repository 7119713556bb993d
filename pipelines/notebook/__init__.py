"""A study as objects of pandas, matplotlib and torch, for notebooks and scripts: `from pipelines.notebook import load_study`."""

from pipelines.notebook.run import LoadedRun
from pipelines.notebook.study import LoadedStudy, load_study

__all__ = ["LoadedRun", "LoadedStudy", "load_study"]
