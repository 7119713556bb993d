"""The first lines of a report: the question, its answer beside the gains, how sure that is, and what it cost."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Definitions, Gallery, Paragraph, Section, SideBySide, Span, Text, plain, prose
from m2pt.analysis.numbers.cells import CONTROLS, Role
from m2pt.analysis.numbers.claims import Claim, Claims
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.questions import asked
from m2pt.analysis.sections import findings, folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import ABOUT_COSTS
from m2pt.analysis.tables.headline import Statement, short
from m2pt.analysis.tables.phrases import counted, listed
from m2pt.analysis.tables.resolution import resolution

COST_WORDS = "time, machine and energy"
"""What the link to the costs says where they are not known: they differ between executions, and this page does not."""

_QUESTION = (
    "Does a **pathway**, which adds the weights of an **auxiliary** (a {kind} encoder that was pretrained on another "
    "modality) to those of the target's own encoder, score higher than one that adds random weights, {pairs} of a target and an "
    "auxiliary?"
)
_NAMES: dict[Role, str] = {
    "lineage": "own lineage (goes on from the target's own encoder)",
    "apart": "own apart (pretrained from another start)",
}


def section(facts: Facts) -> Section:
    """What a reader sees first; what it claims are the words of the claims below it."""
    summary = headed(facts)
    if summary is None:
        words = "Nothing is compared yet." if facts.source.arms else "The study plans no runs."
        return Section("In short", "short", (Paragraph(plain(words), "answer"),))
    pictures = tuple(map(folding.figure, facts.pictures_of("answer", summary.condition.slug)))
    caption = (
        "Mean difference, below it half the width of its 95 % interval; dashed: positive controls; \\*: shown to differ from 0. "
        "[All gains](#gains)."
    )
    beside = (Gallery(pictures, prose(caption), "beside"),) if pictures else ()
    sure = Definitions(tuple((plain(term), words) for term, words in _sure(facts, summary)), "facts")
    blocks = (Paragraph(prose(question(facts, summary)), "question"), *_answer(facts, summary), *beside, sure)
    return Section("In short", "short", (SideBySide(blocks, "opening"),))


def headed(facts: Facts) -> Summary | None:
    """The condition that the first lines are about: that of the primary claims, or else the first."""
    known = [item for item in facts.ordered if item.condition in facts.claims]
    primary = [item for item in known if facts.claims[item.condition].is_primary]
    return next(iter([*primary, *known, *facts.ordered]), None)


def question(facts: Facts, summary: Summary) -> str:
    """What the study asks, in one sentence: its declared questions, or the built-in one."""
    declared = asked(facts.study)
    if declared:
        words = " and ".join(f"does `{item.method}` score otherwise than `{item.over}`" for item in declared)
        return f"{words[:1].upper()}{words[1:]}, on average over targets and auxiliaries?"
    pairs = {(cell.target, cell.auxiliary) for cell in summary.cells if cell.role == "pair"}
    if not pairs:
        return f"What do the methods of this study gain on {listed(summary.targets) if summary.targets else 'its targets'}?"
    kind = "transformer" if facts.study.model.family == "vit" else "ConvNet"
    return _QUESTION.format(kind=kind, pairs="for one **pair**" if len(pairs) == 1 else f"on average over {len(pairs)} **pairs**")


def _answer(facts: Facts, summary: Summary) -> tuple[Block, ...]:
    """Claims in the words of the findings, each with its number, its interval and what is said of its size."""
    if facts.source.validity.refusal:
        return (Paragraph(prose(f"**{facts.source.validity.refusal.partition('. ')[0].partition(':')[0]}.**"), "answer"),)
    if summary.condition not in facts.claims:
        return (Paragraph(plain("This study compares random weights alone, and says nothing about other modalities."), "answer"),)
    known = findings.said_of(facts, summary)
    kind = "question" if any(said.answers == "question" for said in known) else "others"
    blocks = [Paragraph(text, "answer") for text in _sentences(known, kind)]
    if not blocks:
        return (Paragraph(_bold(known[0].claim), "answer"),)
    return (*blocks, *(_single_pairs(facts.claims[summary.condition], summary) if kind == "others" else ()))


def _sentences(known: Sequence[Statement], kind: str) -> list[Text]:
    """One sentence for each average: what is claimed of it, and of its size."""
    sentences: list[list[Span]] = []
    is_mine = False
    for said in known:
        is_mine = said.answers == kind or (is_mine and said.is_size)
        claim = said.claim.removesuffix(".")
        if is_mine and said.is_size:
            sentences[-1] += [*plain("; "), *_bold(f"{claim[:1].lower()}{claim[1:]}")]
        elif is_mine:
            sentences.append([*_bold(claim), *(plain(f" ({said.short})") if said.short else ())])
    return [(*spans, *plain(".")) for spans in sentences]


def _bold(claim: str) -> Text:
    """A claim in bold; names in it stay in the letters of code, and the spaces around them are outside, as Markdown wants it."""
    spans: list[Span] = []
    for span in prose(claim):
        words = span.text.strip()
        before, _, after = span.text.partition(words) if words else (span.text, "", "")
        bold = Span(words, "strong") if span.kind == "plain" else span
        spans += [*(plain(before) if before else ()), *([bold] if words else []), *(plain(after) if after else ())]
    return tuple(spans)


def _single_pairs(tested: Claims, summary: Summary) -> tuple[Block, ...]:
    """That the average and a single pair are not the same, where there are several pairs."""
    pairs = summary.select("random", "pair")
    said = resolution(pairs, tested.family) if len(pairs) > 1 else []
    words = "This is about the mean over all pairs, and single pairs can differ by more. "
    return (Paragraph(prose(words + " ".join(claim for claim, _ in said)), "caption"),) if said else ()


def _sure(facts: Facts, summary: Summary) -> list[tuple[str, Text]]:
    """How sure the answer is, in half a sentence each, and what it cost."""
    tested = facts.claims.get(summary.condition)
    table = facts.analysis.table
    complete = int((table["status"] == "complete").sum())
    runs = (
        f"{counted(len(table), 'run')}, {'all' if complete == len(table) else complete} complete; [{COST_WORDS}]({ABOUT_COSTS})"
    )
    return [
        *([("Error rate", prose(_error_rate(facts, tested)))] if facts.compares else []),
        ("Seeds", plain(_seeds(facts))),
        *([("Positive controls", plain(_controls(tested)))] if tested is not None else []),
        ("Cost", prose(runs)),
    ]


def _error_rate(facts: Facts, tested: Claims | None) -> str:
    validity = facts.source.validity
    if validity.seen is not None:
        return "none, because seeds were added after results were seen"
    if validity.refusal or tested is None or not tested.is_primary:
        return "no primary claim is made"
    words = "the study was registered before its runs"
    if validity.registered is None:
        words = "exploratory, as the study was not registered before its runs"
    elif not validity.registered.is_confirmatory:
        words = "exploratory, as the study's registration does not cover these runs"
    return f"with at least 95 % probability [all primary claims](#findings) are true together; {words}"


def _seeds(facts: Facts) -> str:
    """The seeds on both levels, and what claims are about for that."""
    seeds = f"{facts.source.seeds}, the same for every method"
    if not facts.source.pretrained_often:
        return f"{seeds}; each encoder was pretrained once, so claims are about these encoders"
    if len(facts.source.pretrained_often) < len(facts.source.loaded):
        return f"{seeds}; each claim says which encoders it is about"
    return f"{seeds}; so claims are about encoders trained like these"


def _controls(tested: Claims) -> str:
    known = [(role, claim) for role in CONTROLS for claim in tested.control(role)]
    if not known:
        return "none, so it is not known what the study can detect"
    words = "; ".join(f"{_NAMES[role]}: {_detected(claim)}" for role, claim in known)
    return f"auxiliaries of the target's own modality, which should help; {words}"


def _detected(claim: Claim) -> str:
    if claim.estimate.half_width is None:
        return "no interval yet"
    unshown = "no gain is shown" if claim.estimate.sign == 0 else "no gain is shown after the correction"
    words = {1: "a gain is shown", -1: "scored lower than random weights", 0: unshown}[claim.sign]
    return f"{words} ({short(claim).partition(' on average')[0]})"
