"""m2pt: research on cross-modal transfer between transformers, after *Multimodal Pathway* (CVPR 2024, arXiv 2401.14405).

The names of `__all__` are the public API: the pathway, studies, and what runs leave behind. Each is imported when it is first
used, so that `import m2pt` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from m2pt.torchvision_operators import declare_before_torchvision

if TYPE_CHECKING:
    from m2pt.config import Study as Study
    from m2pt.config import UserError as UserError
    from m2pt.config.study_file import load_study as load_study
    from m2pt.pathway import PathwayError as PathwayError
    from m2pt.pathway import attach as attach
    from m2pt.pathway import auxiliary_weights as auxiliary_weights
    from m2pt.pathway import effective_sizes as effective_sizes
    from m2pt.pathway import merge as merge
    from m2pt.pathway import scales as scales
    from m2pt.runs.folder import read_history as read_history
    from m2pt.runs.record import read_record as read_record
    from m2pt.runs.table import read_histories as read_histories
    from m2pt.runs.table import read_runs as read_runs

__version__ = "0.2.0"

# Must run before anything imports timm (which imports torchvision), hence here and nowhere else.
declare_before_torchvision()

_MODULES = {
    "m2pt.config": ("Study", "UserError"),
    "m2pt.config.study_file": ("load_study",),
    "m2pt.pathway": ("PathwayError", "attach", "auxiliary_weights", "effective_sizes", "merge", "scales"),
    "m2pt.runs.folder": ("read_history",),
    "m2pt.runs.record": ("read_record",),
    "m2pt.runs.table": ("read_histories", "read_runs"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_HOME]

if not TYPE_CHECKING:  # a type checker would take every name for known

    def __getattr__(name: str) -> object:
        """Import a name of the public API when it is first used (PEP 562)."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
