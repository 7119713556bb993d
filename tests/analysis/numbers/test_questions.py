"""Questions that a study declares: what is compared with what, in one family with all other primary claims."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.claims import Claims, claims
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.questions import Question, answers, asked
from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.config.study_file import parse_study

MODALITIES = ("image", "audio", "point", "video")
APART = Question("aligned_apart", "aligned_random")
ACROSS = Question("aligned_pathway", "aligned_random")


def study(
    rng: np.random.Generator, seeds: int = 4, effects: dict[str, float] | None = None, metrics: dict[str, str] | None = None
) -> pd.DataFrame:
    """The table of runs of a study with normal scores, of which some methods score higher."""
    rows = []
    for target in MODALITIES:
        others = [name for name in MODALITIES if name != target]
        methods = [("baseline", ""), ("random_auxiliary", "random"), ("own_apart", target)]
        methods += [("aligned_apart", target), ("aligned_random", "random")]
        methods += [(method, name) for method in ("pathway", "aligned_pathway") for name in others]
        for method, auxiliary in methods:
            for seed, score in enumerate(60 + (effects or {}).get(method, 0.0) + rng.normal(size=seeds)):
                rows.append((target, method, auxiliary, seed, score, (metrics or {}).get(target, "accuracy")))
    table = pd.DataFrame(rows, columns=["target", "method", "auxiliary", "seed", "test_score", "metric"])
    fixed = {"parts": "", "setting": "pretrained", "tuning": "full", "status": "complete", "auxiliary_weights": "made"}
    return table.assign(**fixed, val_score=table["test_score"])


def claimed(table: pd.DataFrame, *questions: Question, rule: Rule = FIXED) -> Claims:
    of_study = cells(table)
    (known,) = claims(summaries(of_study), rule=rule, answers=answers(questions, of_study)).values()
    return known


def family(known: Claims) -> list:
    return [*known.others, *known.pairs, *known.controls, *known.questions]


def pairs(question: Question, table: pd.DataFrame) -> set[tuple[str, str, str]]:
    (known,) = answers([question], cells(table)).values()
    return {(item.target, item.auxiliary, item.reference.auxiliary) for answer in known for item in answer.comparisons}


def test_a_cell_is_compared_on_its_target_with_the_same_auxiliary_or_else_with_the_only_cell_there():
    table = study(np.random.default_rng(0))
    across = {(target, name) for target in MODALITIES for name in MODALITIES if name != target}
    assert pairs(APART, table) == {(name, name, "random") for name in MODALITIES}
    assert pairs(ACROSS, table) == {(*pair, "random") for pair in across}
    assert pairs(Question("aligned_pathway", "pathway"), table) == {(*pair, pair[1]) for pair in across}
    assert pairs(Question("own_apart", "baseline"), table) == {(name, name, "") for name in MODALITIES}
    # Which of three pathways it would be compared with is not said, so it is compared with none.
    assert answers([Question("own_apart", "pathway")], cells(table)) == {}


def test_random_weights_in_the_auxiliaries_place_ask_nothing():
    table = study(np.random.default_rng(0)).assign(auxiliary_weights=None)
    assert answers([APART], cells(table)) == {}


def test_a_method_is_compared_with_its_own_control_unless_another_is_named():
    text = """
study: tiny
encoders: {mae: {kind: mae}}
sweep: {seeds: [0, 1], methods: [pathway, aligned_apart, aligned_random]}
design: {questions: [{method: aligned_apart}, {method: pathway}, {method: aligned_apart, over: pathway}]}
"""
    expected = (APART, Question("pathway", "random_auxiliary"), Question("aligned_apart", "pathway"))
    assert asked(parse_study(text, "tiny.yaml")) == expected


def test_a_question_has_the_p_value_and_the_margin_of_its_level():
    table = study(np.random.default_rng(4), 5)
    known = claimed(table, APART, ACROSS)
    scores = table.set_index(["target", "method", "auxiliary", "seed"])["test_score"]
    values = [
        np.mean([
            scores[target, "aligned_apart", target, seed] - scores[target, "aligned_random", "random", seed]
            for target in MODALITIES
        ])
        for seed in range(5)
    ]  # fmt: skip
    (apart, across) = known.questions
    result = stats.ttest_1samp(values, 0)
    assert (apart.question, across.question) == (APART, ACROSS)
    assert (apart.estimate.mean, apart.p_value) == (pytest.approx(np.mean(values)), pytest.approx(result.pvalue))
    # 160 parts: two questions share 60 of them, and nothing that is shown passes on anything.
    assert apart.sign == 0 and apart.weight == pytest.approx(30 / 160)
    interval = result.confidence_interval(1 - 0.05 * 30 / 160)
    assert apart.margin == pytest.approx(max(-interval.low, interval.high))
    assert sum(claim.share for claim in family(known)) == pytest.approx(1.0)


def test_the_primary_family_with_questions_claims_something_false_in_at_most_5_percent():
    rng, count = np.random.default_rng(1), 300
    for rule in (FIXED, Rule(smallest=1.0)):
        false = 0
        for _ in range(count):
            known = claimed(study(rng), APART, ACROSS, rule=rule)
            false += any(item.sign or item.size == 1 for item in family(known))
        assert false / count <= float(stats.binom.ppf(0.999, count, 0.05)) / count


def test_what_is_shown_passes_its_share_on_and_no_margin_is_false():
    rng, count, false, shown = np.random.default_rng(2), 300, 0, 0
    for _ in range(count):
        known = claimed(study(rng, 5, {"aligned_apart": 5.0, "own_apart": 5.0, "aligned_pathway": 0.3}), APART, ACROSS)
        (apart, across) = known.questions
        shown += apart.sign == 1
        wrong = across.sign < 0 or (across.margin is not None and across.margin < 0.3)
        false += wrong or any(item.sign for item in (*known.others, *known.pairs))
        assert apart.sign != 1 or across.weight > across.share
    assert shown == count and false / count <= float(stats.binom.ppf(0.999, count, 0.05)) / count


def test_a_question_on_targets_of_several_metrics_has_one_claim_for_each():
    table = study(np.random.default_rng(0), 5, {"aligned_apart": 9.0}, {"audio": "map"})
    known = claimed(table, APART)
    assert [(item.metric, len(item.comparisons), item.sign) for item in known.questions] == [("accuracy", 3, 1), ("mAP", 1, 1)]


def test_without_questions_the_family_is_what_it_was():
    table = study(np.random.default_rng(3), 5, {"pathway": 1.0})
    alone = claimed(table)
    assert alone.questions == ()
    shares = {kind: sum(item.share for item in family(alone) if item.kind == kind) for kind in ("others", "pair", "control")}
    assert shares == pytest.approx({"others": 0.6, "pair": 0.2, "control": 0.2})


def test_a_condition_can_ask_a_question_alone():
    table = study(np.random.default_rng(3), 5, {"aligned_apart": 5.0})
    table = table[table["method"].isin(["baseline", "aligned_apart", "aligned_random"])]
    known = claimed(table, APART)
    (apart,) = known.questions
    assert known.is_primary and (apart.share, apart.sign) == (1.0, 1)
