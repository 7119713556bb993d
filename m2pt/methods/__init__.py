"""Ways to use (or not to use) an auxiliary under the same budget: one file for each method, which declares it completely."""

from collections.abc import Mapping
from importlib import import_module

from m2pt.config import METHOD_NAMES, RivalsConfig
from m2pt.config.methods import FURTHER_METHODS
from m2pt.config.plugins import Late, load
from m2pt.methods._declaration import Actions, Method, Takes
from m2pt.runs.spec import RunSpec, Spec
from m2pt.runs.unread import Reasons, unread_whatever_the_method

__all__ = ["METHODS", "Actions", "Method", "Takes", "unread"]


def _declared() -> dict[str, Method]:
    """The methods by name, in the order of tables: a file of this package each, or of a plugin.

    Raises:
        TypeError: a file of this package declares none.
        UserError: a plugin's cannot be imported.

    """
    methods: dict[str, Method] = {}
    for name in METHOD_NAMES:
        if (plugin := FURTHER_METHODS.plugins.get(name)) is not None:
            methods[name] = load(plugin, Method)
            continue
        method = getattr(import_module(f"{__name__}.{name}"), "METHOD", None)
        if not isinstance(method, Method):
            raise TypeError(f"m2pt/methods/{name}.py: declares no METHOD; add it, or begin the file's name with an underscore")
        methods[name] = method
    return dict(sorted(methods.items(), key=lambda item: item[1].rank))


METHODS: Mapping[str, Method] = Late(_declared)
"""Every method by its name, in the order of tables."""


def unread(spec: Spec) -> Reasons:
    """The keys of a spec that its run does not read, with the reason for each."""
    reasons = unread_whatever_the_method(spec)
    if isinstance(spec, RunSpec):
        method = METHODS[spec.method]
        reasons |= method.unread
        if not method.aligns:
            reasons |= {"pathway.alignment": f"{spec.method} takes its auxiliary as it is"}
        if not method.maps:
            reasons |= {"pathway.mapping": f"{spec.method} takes encoders of the target's size"}
        if spec.rivals is not None:
            keys = RivalsConfig.model_fields.keys() - set(method.rivals)
            reasons |= {f"rivals.{key}": f"{spec.method} does not read it" for key in sorted(keys)}
    return reasons
