"""What the report says of a study, read as a reader reads it: its sentences, its stars and the runs that it calls missing.

Everything is made by the code of the report; nothing is computed here. A sentence that is not known is an error, so that no new
claim goes unnoticed.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2pt.analysis.content import Block, Details, Entry, Item, Items, Paragraph, SideBySide, Table, string
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.contrasts import Ablations
from m2pt.analysis.sections import evidence, findings, gains, opening
from m2pt.analysis.sections.facts import Facts, Source
from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.validity import UNSEEN, Validity

from .facts import made_facts
from .studies import BY_MAP, PLACES, Place, Simulated

STUDY = parse_study(
    "study: simulated\ndata: {embedded: {}}\nencoders: {mae: {kind: mae}}\nsweep: {seeds: [0], auxiliary_encoder: mae}\n",
    "simulated.yaml",
)

_WHERE = r"(?: on the targets measured by (accuracy|mAP))?"
_AVERAGE = rf"auxiliaries of other modalities scored (higher|lower) than random weights on average{_WHERE}"
_PAIRS = r"other modalities scored (higher|lower) than random weights on (.+ from .+)"
_CONTROLS = {
    "own_lineage": "auxiliaries that go on from the target's own encoder",
    "own_apart": "auxiliaries of the target's own modality that were pretrained apart",
}
_CONTROL = rf"({'|'.join(_CONTROLS.values())}) scored (higher|lower) than random weights on average{_WHERE}: the study .+"
_RANDOM = r"random weights scored (higher|lower) than no auxiliary on average: a gain over no auxiliary is no evidence of .+"
_SIZE = r"(smaller|larger) than ([\d.]+) points?(?: of mAP)?(?:, the smallest difference of interest)?"
_SMALLER = rf"the difference from random weights on average{_WHERE} is shown to be {_SIZE}"
_QUESTION = rf"(pathway|own_apart) scored (higher|lower) than (random_auxiliary|baseline) on average{_WHERE}"
_ANSWER = rf"the difference of (pathway|own_apart) from (random_auxiliary|baseline) on average{_WHERE} is shown to be {_SIZE}"
_RESOLUTION = r".*In the median pair a true difference of ([\d.]+) points is shown in the table of gains with .*"
_TOO_FEW = r".+ are too few to rely on seeing a difference in a single pair.*"
_SCOPE = re.compile(r"For (these encoders|encoders trained like these)( and on these test samples)?, (.+)\.")
_NUMBERS_ALONE = re.compile(r"(no claim is made( yet)?)?( \([^()]*(\([^()]*\))?[^()]*\)|; |\.)*")
"""What the first lines of a report have beside its sentences."""

_NO_CLAIM = (
    "This study does not show that ",
    "The study has not been shown to detect useful weights",
    "In a single pair",
    "A gain over no auxiliary has to be compared with what random weights gain",
    "It cannot be said yet whether ",
    "It is not known yet whether the study can detect useful weights",
    "No pair can be compared with its baseline yet",
    "No run is complete yet",
    "It is undecided whether the difference ",
)


@dataclass(frozen=True)
class Difference:
    """A claim that a mean of differences is above or below 0; with `limit`, that its size is below so many points, or `beyond`.

    `these_encoders` and `these_samples`: it is about these alone; without such words it is about others too.
    """

    compared: tuple[tuple[Place, Place], ...]
    sign: int
    limit: float | None = None
    beyond: bool = False
    these_encoders: bool = False
    these_samples: bool = False

    def is_false(self, study: Simulated) -> bool:
        """Whether it is false in this study."""
        of_pairs = [study.truth.difference(*pair, self.these_encoders, self.these_samples) for pair in self.compared]
        true = sum(of_pairs) / len(of_pairs)
        if self.limit is None:
            return self.sign * true <= 0
        return abs(true) <= self.limit if self.beyond else abs(true) >= self.limit


@dataclass(frozen=True)
class Report:
    """What a report says.

    `primary` and `others` are the claims of its sentences. `stars` has the differences that a table of gains marks as shown, by
    the title of the table; `touched` and `announced` count the numbers whose two sides lack different shares of runs, and those
    of them beside which that is said. `resolution` is what a single pair can be relied on to show, `for_point` the seeds for a
    difference of one point, of each pair. `refused`: no claim may be made.
    """

    primary: tuple[Difference, ...]
    others: tuple[Difference, ...]
    stars: dict[str, tuple[Difference, ...]]
    touched: int = 0
    announced: int = 0
    resolution: float | None = None
    for_point: tuple[float | None, ...] = ()
    refused: bool = False


def report(study: Simulated, declared: Study = STUDY, validity: Validity = UNSEEN, *, sure: bool = False) -> Report:
    """The report of a study.

    Args:
        study: its table of runs.
        declared: its study file, as far as claims depend on it.
        validity: what its history allows it to claim.
        sure: whether to read how sure it is, which takes as long as all the rest.

    """
    facts = _facts(study, declared, validity, sure)
    (summary,) = facts.analysis.summaries
    blocks = list(_flat(findings.section(facts).blocks))
    primary, others = _sentences(blocks)
    _check_opening(_flat(opening.section(facts).blocks), [*primary, *others])
    tables = [block for block in _flat(gains.section(facts).blocks) if isinstance(block, Table)]
    lacking = _lacking(summary)
    entries = {(table.label, place): entry for table in tables for place, entry in _entries(table)}
    touched = [entry for key, entry in entries.items() if key in lacking]
    stars = {table.label: tuple(_starred(table)) for table in tables}
    said = [item for items in (primary, others) for item in items]
    return Report(
        primary=_claims(primary),
        others=_claims(others),
        stars=stars,
        touched=len(touched),
        announced=sum(any("missing runs" in string(line) for line in (*entry.lines, *entry.under)) for entry in touched),
        resolution=next((float(match[1]) for item in said if (match := re.fullmatch(_RESOLUTION, string(item.detail)))), None),
        for_point=_for_point(facts) if sure else (),
        refused=bool(validity.refusal),
    )


def _facts(study: Simulated, declared: Study, validity: Validity, sure: bool) -> Facts:
    source = Source(declared, (), Path(), (), Path(), validity=validity)
    return made_facts(source, study.table, dict(study.sample_scores), Ablations(), sure=sure)


def _flat(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Details | SideBySide):
            yield from _flat(block.blocks)


def _sentences(blocks: Sequence[Block]) -> tuple[list[Item], list[Item]]:
    """The sentences below "Primary claims", and all others."""
    primary: list[Item] = []
    others: list[Item] = []
    is_primary = False
    for block in blocks:
        if isinstance(block, Paragraph):
            is_primary = string(block.text) == "Primary claims"
        if isinstance(block, Items):
            (primary if is_primary else others).extend(block.items)
    return primary, others


def _check_opening(blocks: Iterable[Block], known: Sequence[Item]) -> None:
    """The first lines of a report claim what its sentences claim, word for word: they have no error rate of their own."""
    sentences = sorted((string(item.text).removesuffix(".").lower() for item in known), key=len, reverse=True)
    answers = [string(block.text).lower() for block in blocks if isinstance(block, Paragraph) and block.look == "answer"]
    for answer in answers:
        rest = functools.reduce(lambda words, sentence: words.replace(sentence, ""), sentences, answer)
        if not _NUMBERS_ALONE.fullmatch(rest):
            raise ValueError(f"the first lines of the report claim what its sentences do not: {rest}")
    if not answers:
        raise ValueError("the first lines of the report have no answer")


def _claims(items: Sequence[Item]) -> tuple[Difference, ...]:
    return tuple(claim for item in items for claim in _read(string(item.text)))


def _read(sentence: str) -> list[Difference]:
    """What a sentence claims; nothing where it makes no claim."""
    if sentence.startswith(_NO_CLAIM) or re.fullmatch(_TOO_FEW, sentence):
        return []
    scope = _SCOPE.fullmatch(sentence)
    encoders, samples, words = scope.groups() if scope else ("", None, sentence.rstrip("."))
    about = {"these_encoders": encoders == "these encoders", "these_samples": samples is not None}
    if match := re.fullmatch(_AVERAGE, words):
        return [Difference(_against("pathway", "random_auxiliary", match[2]), _sign(match[1]), **about)]
    if match := re.fullmatch(_PAIRS, words):
        names = [name.split(" from ") for name in re.split(", | and ", match[2])]
        return [Difference((_over(Place(target, "pathway", name)),), _sign(match[1]), **about) for target, name in names]
    if match := re.fullmatch(_CONTROL, words):
        (method,) = [name for name, words in _CONTROLS.items() if words == match[1]]
        return [Difference(_against(method, "random_auxiliary", match[3]), _sign(match[2]), **about)]
    if match := re.fullmatch(_RANDOM, words):
        return [Difference(_against("random_auxiliary", "baseline", None), _sign(match[1]), **about)]
    if match := re.fullmatch(_SMALLER, words):
        mine = _against("pathway", "random_auxiliary", match[1])
        return [Difference(mine, 0, float(match[3]), match[2] == "larger", **about)]
    if match := re.fullmatch(_QUESTION, words):
        return [Difference(_against(match[1], match[3], match[4]), _sign(match[2]), **about)]
    if match := re.fullmatch(_ANSWER, words):
        return [Difference(_against(match[1], match[2], match[3]), 0, float(match[5]), match[4] == "larger", **about)]
    raise ValueError(f"the simulation does not know this sentence of the report: {sentence}")


def _entries(table: Table) -> Iterator[tuple[Place, Entry]]:
    """The numbers of a table of gains with their cells."""
    methods = {"own lineage": "own_lineage", "own apart": "own_apart", "random": "random_auxiliary"}
    for row in table.rows:
        target = str(row[0].value)
        for column, entry in zip(table.columns[1:], row[1:], strict=True):
            name = string(column.title)
            auxiliary = target if name.startswith("own ") else name
            yield Place(target, methods.get(name, "pathway"), auxiliary), entry


def _starred(table: Table) -> Iterator[Difference]:
    """The stars are for the draws of the study: for these encoders and on these test samples, as the page says."""
    for place, entry in _entries(table):
        if entry.holds and isinstance(entry.value, float):
            reference = _over(place)[1] if table.label == "Gain over random weights" else _none(place.target)
            several = entry.estimate is not None and entry.estimate.covers_encoders
            yield Difference(((place, reference),), 1 if entry.value > 0 else -1, None, False, not several, True)


def _lacking(summary: Summary) -> set[tuple[str, Place]]:
    """The numbers whose two sides lack different shares of their planned runs; with no pair of runs left there is no number."""
    titles = {"random": "Gain over random weights", "baseline": "Gain over no auxiliary"}
    lacking = set()
    for item in summary.comparisons:
        shares = [len(cell.complete) / len(cell.runs) for cell in (item.cell, item.reference)]
        if shares[0] != shares[1] and item.estimate.mean is not None:
            lacking.add((titles[item.against], Place(item.target, item.cell.method, item.auxiliary)))
    return lacking


def _for_point(facts: Facts) -> tuple[float | None, ...]:
    """The seeds for one point of each pair; infinite where they are more than the report counts."""
    section = evidence.section(facts)
    tables = [block for block in _flat(section.blocks if section else ()) if isinstance(block, Table)]
    table = tables[0]
    (place,) = [number for number, column in enumerate(table.columns) if column.under == "1 point"]
    values = [row[place] for row in table.rows if "control" not in string(row[0].text)]
    return tuple(float("inf") if string(entry.text).startswith("over") else _number(entry) for entry in values)


def _number(entry: Entry) -> float | None:
    return float(entry.value) if isinstance(entry.value, int | float) else None


def _against(method: str, other: str, metric: str | None) -> tuple[tuple[Place, Place], ...]:
    """The cells of a method, on the targets that are measured by this metric, against random weights or no auxiliary."""
    mine = [place for place in PLACES if place.method == method]
    measured = [place for place in mine if metric is None or (place.target in BY_MAP) == (metric == "mAP")]
    return tuple(_over(place) if other == "random_auxiliary" else (place, _none(place.target)) for place in measured)


def _over(place: Place) -> tuple[Place, Place]:
    return place, Place(place.target, "random_auxiliary", "random")


def _none(target: str) -> Place:
    return Place(target, "baseline", "")


def _sign(word: str) -> int:
    return {"higher": 1, "lower": -1}[word]
