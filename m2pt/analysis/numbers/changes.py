"""What the parts of a study change: how their settings differ from the study's own, in words, and what each is compared with."""

from dataclasses import dataclass, replace

from pydantic import JsonValue

from m2pt.config import RANDOM, Study

CHOICES = tuple(f"sweep.{key}" for key in ("seeds", "targets", "auxiliaries", "methods", "settings", "tunings"))
"""The keys that choose which runs are done, not how each of them is done."""

ENCODER = "sweep.auxiliary_encoder"

_CONDITIONS = ("sweep.settings", "sweep.tunings")
_NAMES: dict[str, str] = {
    "pathway.granularity": "one scale per {}",
    "pathway.scale_init": "scales from {}",
    "pathway.scale_lr_multiple": "scales' learning rate × {}",
    "pathway.order": "auxiliary's blocks {}",
    "pathway.layers": "only {}",
    "sweep.target_encoder": "target encoder {}",
    ENCODER: "auxiliary encoder {}",
    "finetune.samples": "{} training samples",
    "finetune.epochs": "{} epochs",
}
_PHRASES: dict[tuple[str, str], str] = {
    ("pathway.scale_trainable", "false"): "scales fixed",
    ("pathway.scale_trainable", "true"): "scales trained",
    ("pathway.auxiliary_trainable", "false"): "auxiliary frozen",
    ("pathway.auxiliary_trainable", "true"): "auxiliary trained",
    ("sweep.settings", "scratch"): "target from scratch",
    ("sweep.settings", "pretrained"): "pretrained target",
    ("sweep.tunings", "fix"): "only scales and head tuned",
    ("sweep.tunings", "full"): "everything tuned",
    (ENCODER, RANDOM): "random weights in the auxiliary's place",
}


@dataclass(frozen=True)
class Change:
    """What one part changes: the new values by dotted key, without choices of runs, except another setting or tuning.

    `differing` are the keys whose values are not the reference's, and `words` describe them.
    """

    part: str
    settings: dict[str, JsonValue]
    differing: tuple[str, ...] = ()
    words: str = ""

    @property
    def keeps_baselines(self) -> bool:
        """Whether a baseline of the part would be the reference's: a baseline has neither pathways nor auxiliaries."""
        return all(key == ENCODER or key.startswith(("pathway.", "rivals.")) for key in self.differing)

    @property
    def with_random(self) -> dict[str, JsonValue]:
        """The settings of the part that would be this one's random control."""
        return {**self.settings, ENCODER: RANDOM}


def changes(study: Study) -> list[Change]:
    """The change of each part of a study, in their order; empty for a study without parts."""
    raw = [Change(part.name, _settings(study, part.changes)) for part in study.parts]
    if not raw:
        return []
    reference = next((change.settings for change in raw if not change.settings), raw[0].settings)
    return [_against(study, change, reference) for change in raw]


def references(known: list[Change]) -> tuple[str, ...]:
    """The parts that the others are compared with: those that only choose which runs are done, or else the first one."""
    return tuple(change.part for change in known if not change.settings) or tuple(change.part for change in known[:1])


def _settings(study: Study, declared: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What really changes: a value that the study already has is not a change."""
    return {key: value for key, value in declared.items() if _is_change(study, key, value)}


def _is_change(study: Study, key: str, value: JsonValue) -> bool:
    own = study.value_of(key)
    if key in _CONDITIONS:
        return isinstance(value, list) and isinstance(own, list) and not set(map(str, value)) & set(map(str, own))
    return key not in CHOICES and value != own


def _against(study: Study, change: Change, reference: dict[str, JsonValue]) -> Change:
    own = {key: study.value_of(key) for key in {**change.settings, **reference}}
    values = {key: (change.settings.get(key, value), reference.get(key, value)) for key, value in own.items()}
    differing = {key: pair for key, pair in values.items() if pair[0] != pair[1]}
    return replace(change, differing=tuple(differing), words="; ".join(_phrase(key, *pair) for key, pair in differing.items()))


def _phrase(key: str, value: JsonValue, instead: JsonValue) -> str:
    if phrase := _PHRASES.get((key, _plain(value))):
        return phrase
    name = _NAMES.get(key, f"{key} {{}}").format(_plain(value))
    return name if key == "pathway.layers" else f"{name} instead of {_plain(instead)}"


def _plain(value: JsonValue) -> str:
    """A value as a study file writes it."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
