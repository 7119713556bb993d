"""Whether a claim is about these test samples or about further ones, from what each sample scored in made-up runs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.claims import Claims, claims
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.tables.headline import headline

TARGETS = ("image", "audio")
COUNT = 150


def study(rng: np.random.Generator, seeds: int, effect: float = 0.0, of_samples: float = 0.0) -> tuple[pd.DataFrame, dict]:
    """Runs that are right on each sample by chance; `of_samples` is how much methods differ in which samples they get right.

    Over further samples the pathway's chance is `effect` above that of the others, in logits.
    """
    rows, scores = [], {}
    for target in TARGETS:
        hard = rng.normal(0.5, 1.0, COUNT)
        for method, name in (("baseline", ""), ("random_auxiliary", "random"), ("pathway", "point"), ("pathway", "video")):
            logits = hard + of_samples * rng.normal(size=COUNT) + effect * (method == "pathway")
            for seed in range(seeds):
                right = rng.random(COUNT) < 1 / (1 + np.exp(-logits))
                scores[f"{target}-{method}-{name}-{seed}"] = right
                rows.append((f"{target}-{method}-{name}-{seed}", target, method, name, seed, 100 * float(right.mean())))
    table = pd.DataFrame(rows, columns=["run_id", "target", "method", "auxiliary", "seed", "test_score"])
    fixed = {"setting": "pretrained", "tuning": "full", "metric": "accuracy", "parts": "", "status": "complete"}
    return table.assign(**fixed, auxiliary_weights="made", val_score=table["test_score"]), scores


def claimed(table: pd.DataFrame, scores: dict) -> Claims:
    (known,) = claims(summaries(cells(table)), scores).values()
    return known


def test_a_test_set_that_favours_a_method_makes_claims_on_these_samples_alone() -> None:
    """No effect over further samples: what the seeds show on these ones is true of these, and is said of no others."""
    rng, count = np.random.default_rng(0), 150
    on_these = on_further = 0
    for _ in range(count):
        known = claimed(*study(rng, 10, of_samples=1.5))
        items = (*known.others, *known.pairs)
        on_these += any(item.sign for item in items)
        on_further += any(item.covers_samples for item in items)
    assert on_these / count > 0.25
    assert on_further / count <= stats.binom.ppf(0.999, count, 0.05) / count


def test_without_any_effect_claims_about_further_samples_are_among_those_about_these() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        known = claimed(*study(rng, 4))
        for item in (*known.others, *known.pairs):
            assert item.sign or not item.covers_samples
            assert item.further.further.half_width >= item.estimate.half_width


@pytest.mark.parametrize("with_scores", [True, False])
def test_the_headline_names_these_test_samples_unless_further_ones_show_it_too(with_scores: bool) -> None:
    table, scores = study(np.random.default_rng(2), 6, effect=1.5)
    (summary,) = summaries(cells(table))
    known = claimed(table, scores if with_scores else {})
    said = headline(summary, (), known)
    scope = "For these encoders, " if with_scores else "For these encoders and on these test samples, "
    assert said[0].claim == f"{scope}auxiliaries of other modalities scored higher than random weights on average."
    assert ("with further test samples" in said[0].detail) == with_scores
    assert known.others[0].covers_samples == with_scores


def test_one_run_without_its_samples_leaves_its_claims_on_these_samples() -> None:
    table, scores = study(np.random.default_rng(2), 6, effect=1.5)
    del scores["image-pathway-video-3"]
    known = claimed(table, scores)
    assert known.others[0].sign == 1 and not known.others[0].covers_samples
    shown = {(item.comparisons[0].target, item.comparisons[0].auxiliary) for item in known.pairs if item.covers_samples}
    assert ("image", "video") not in shown and ("audio", "video") in shown
