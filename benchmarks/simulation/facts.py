"""What a report is made from, of a table of runs alone: no folder is read, and what no claim needs is left empty."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import compared, summaries
from m2pt.analysis.numbers.contrasts import Ablations
from m2pt.analysis.numbers.evidence import evidence
from m2pt.analysis.numbers.questions import answers, asked
from m2pt.analysis.numbers.samples import Scores, sample_evidence
from m2pt.analysis.paper.comparison import Paper
from m2pt.analysis.sections.facts import Facts, Source
from m2pt.analysis.study import Analysis


def made_facts(
    source: Source, table: pd.DataFrame, scores: Scores, ablations: Ablations, *, sure: bool = False, **analysed: Any
) -> Facts:
    """The facts of a study.

    Args:
        source: its plan.
        table: its table of runs.
        scores: what each test sample scored, where that is known.
        ablations: what its parts change.
        sure: whether to compute how sure it is, which takes as long as all the rest.
        analysed: fields of `Analysis` that are not to be empty.

    """
    of_study = cells(table)
    made = summaries(of_study)
    empty: Mapping[str, Any] = {
        "records": {}, "curves": {}, "scales": {}, "timings": table[:0], "environments": [], "methods": [], "rankings": [],
        "profiles": [],
    }  # fmt: skip
    analysis = Analysis(
        table=table,
        cells=of_study,
        summaries=made,
        evidence=evidence(made) if sure else [],
        samples={item.condition: sample_evidence(item, scores) for item in made} if sure else {},
        sample_scores=scores,
        answers=answers(asked(source.study), of_study),
        **{**empty, **analysed},
    )
    return Facts(
        source=source, analysis=analysis, cells=compared(of_study), ablations=ablations,
        paper=Paper([], [], {item.condition.slug: {} for item in made}, {}, []), search=None, tuning=(), labels=(), drawn=(),
        pictures=(), reconstructions=(), splits=(),
    )  # fmt: skip
