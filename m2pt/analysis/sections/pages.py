"""The pages of a report: which sections they have, in which order."""

from m2pt.analysis.content import Page, Section, Text, plain, prose
from m2pt.analysis.sections import (
    ablations,
    accuracy,
    checklist,
    classes,
    curves,
    encoders,
    evidence,
    executions,
    findings,
    gains,
    gaps,
    labels,
    ledger,
    machines,
    methods,
    opening,
    own_data,
    profiles,
    provenance,
    published,
    ranking,
    reading,
    recipes,
    scales,
    search,
    tradeoffs,
    tuning,
)
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import CELLS_INDEX
from m2pt.analysis.tables import as_run
from m2pt.analysis.tables.phrases import counted, listed

_STATES = ("failed", "interrupted", "missing")


def report(facts: Facts) -> Page:
    """The page that a reader sees first: the same bytes for the same results."""
    sections = (
        opening.section(facts),
        findings.section(facts),
        search.section(facts.study, facts.search),
        tuning.section(facts),
        gains.section(facts),
        evidence.section(facts),
        accuracy.section(facts),
        ablations.section(facts),
        labels.section(facts),
        published.section(facts),
        methods.section(facts),
        ranking.section(facts),
        profiles.section(facts),
        scales.section(facts),
        curves.section(facts),
        classes.section(facts),
        gaps.section(facts),
        own_data.section(facts),
        encoders.section(facts),
        provenance.costs(facts),
        reading.section(),
        recipes.section(facts),
        checklist.section(facts),
        provenance.section(facts),
    )
    return Page(
        title=facts.study.study,
        document_title=f"{facts.study.study}: does an auxiliary of another modality help?",
        lead=plain(_lead(facts)),
        sections=_present(sections),
        kicker="Multimodal Pathway study",
        notice=_notice(facts),
        contents=True,
        is_opened=True,
        further=(("All cells", CELLS_INDEX),),
    )


def costs(facts: Facts) -> Page:
    """The page of all that differs between identical executions."""
    sections = (
        checklist.compute(facts),
        ledger.section(facts),
        tradeoffs.section(facts),
        machines.section(facts),
        executions.section(facts),
    )
    name = facts.study.study
    words = (
        "What the runs of this study cost here, and on which devices and with which versions they ran. All of it differs "
        "from one execution to the next; the results do not."
    )
    return Page(
        title="Costs, devices and versions",
        document_title=f"{name}: costs, devices and versions",
        lead=plain(words),
        sections=_present(sections),
        trail=((f"Study {name}", "../index.html"),),
        contents=True,
    )


def _present(sections: tuple[Section | None, ...]) -> tuple[Section, ...]:
    return tuple(section for section in sections if section is not None)


def _notice(facts: Facts) -> Text:
    if gaps.is_empty(facts):
        return ()
    words = "This report is incomplete: see [what failed, is missing or was left out](#gaps)."
    samples = gaps.partial_splits(facts) or gaps.mixtures(facts)
    return prose(words + (" Not all samples of the data were used." if samples else ""))


def _lead(facts: Facts) -> str:
    table, specs = facts.analysis.table, facts.source.specs
    counts = {state: int((table["status"] == state).sum()) for state in ("complete", *_STATES)}
    states = [f"{counts['complete']} complete", *(f"{counts[state]} {state}" for state in _STATES if counts[state])]
    if not specs and facts.source.arms:
        return "No run of this study is compared yet: the rates of its arms are still being chosen."
    scores = "accuracy" if facts.measure == "accuracy" else "scores"
    kinds = f" ({'; '.join(f'{name} of {listed(targets)}' for name, targets in facts.measures.items())})"
    apart = f"; points of {' and of '.join(facts.measures)} are never averaged with each other"
    several = len(facts.measures) > 1
    return (
        f"{counted(len(table), 'planned run')} over {facts.source.seeds}: {', '.join(states)}. "
        f"Scores are test {scores}{kinds if facts.measure == 'score' else ''} in percent, higher is better, of "
        f"{as_run.scored_weights(specs)}; differences are in percentage points{apart if several else ''}."
    )
