"""What the history of a study means for its claims: earlier looks, runs that have not ended, and its registration."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Paragraph, codes, prose
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.tables.phrases import counted
from m2pt.runs.registration import Registered

_MOST_NAMED = 6
_SEQUENTIAL = (
    "**Sequential seeds.** Seeds may be added to this study at any time (planned: {}). The intervals and p-values of the primary "
    "claims hold at every number of seeds at once, and are wider for that. Everything exploratory has the t intervals of a "
    "number of seeds that is chosen once, and no error rate if seeds were added because of what was seen."
)
_NOT_REGISTERED = (
    "The claims are **exploratory**: the study was not registered before its runs. `m2pt register` writes down the question, the "
    "claims and the seeds of a study beforehand."
)


def notice(facts: Facts) -> tuple[Block, ...]:
    """Why no claim is made, where that is so; what a sequential design guarantees."""
    words, design = facts.source.validity.refusal, facts.study.design
    if words:
        return (Paragraph(prose(words), "notice"),)
    return (Paragraph(prose(_SEQUENTIAL.format(design.planned))),) if design.seeds == "sequential" else ()


def registration(facts: Facts) -> tuple[Block, ...]:
    """Whether the claims at the top are confirmatory, and why not; nothing for a study that makes no such claims."""
    if facts.source.validity.refusal or not any(item.is_primary for item in facts.claims.values()):
        return ()
    known = facts.source.validity.registered
    return (Paragraph(prose(_NOT_REGISTERED if known is None else _registered(known)), "caption"),)


def _registered(known: Registered) -> str:
    registered = f"registered on {known.registration.day} (hash {known.registration.short})"
    if known.is_confirmatory:
        return f"The claims of the primary family are **confirmatory**: {registered}, before any of their runs began."
    reasons = []
    if not known.registration.is_intact:
        reasons.append("its registration was changed after it was written")
    if known.changed:
        reasons.append(f"{'these keys have' if len(known.changed) > 1 else 'this key has'} changed since: {_some(known.changed)}")
    if known.older:
        verb = "is" if len(known.older) == 1 else "are"
        reasons.append(f"{counted(len(known.older), 'run')} {verb} older than the registration: {_some(known.older)}")
    return f"The claims are **exploratory**: the study was {registered}, but {'; '.join(reasons)}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return codes(names[:_MOST_NAMED]) + more
