"""Whether what other installed packages add to m2pt can be used, and whether those that a study needs are there."""

import re
from collections.abc import Iterator

from m2pt.config.base import FURTHER_MODALITIES, UserError
from m2pt.config.datasets import FURTHER_DATASETS
from m2pt.config.methods import FURTHER_METHODS
from m2pt.config.modalities import SECTION_FAULTS
from m2pt.config.spelling import suggestion


def require_plugins() -> None:
    """Refuse to go on with a plugin that cannot be used: a study could mean something else with it.

    Raises:
        UserError: a name is taken or added twice, or the sections of a modality cannot be imported.

    """
    faults = [*FURTHER_MODALITIES.faults, *FURTHER_DATASETS.faults, *FURTHER_METHODS.faults]
    if faults or SECTION_FAULTS:
        raise UserError([*(f"{fault}." for fault in faults), *SECTION_FAULTS][0])


def missing_plugins(declared: object) -> Iterator[str]:
    """A sentence (without its full stop) for each plugin that a study declares (its key `plugins`) and that is not installed."""
    further = (FURTHER_MODALITIES, FURTHER_DATASETS, FURTHER_METHODS)
    here = sorted({plugin.distribution for each in further for plugin in each.plugins.values()})
    for place, name in enumerate(declared if isinstance(declared, list) else []):
        if isinstance(name, str) and _plain(name) not in map(_plain, here):
            known = f"; installed: {', '.join(here)}{suggestion(name, here)}" if here else ""
            yield f"plugins[{place}]: {name} is not installed here, so what it adds is unknown; install it{known}"


def _plain(name: str) -> str:
    """The name of a distribution, however it is spelt (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
