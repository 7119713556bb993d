"""The numbers of docs/findings.md are those of the scores beside it, computed by pandas and scipy alone."""

from pathlib import Path

import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

DOCS = Path(__file__).parents[1] / "docs"
LINEAGE = {
    "own modality, target's lineage − random weights": ("own_lineage", "random_auxiliary"),
    "own modality, pretrained apart − random weights": ("own_apart", "random_auxiliary"),
    "own modality, apart and aligned − aligned random weights": ("aligned_apart", "aligned_random"),
    "other modalities − random weights": ("pathway", "random_auxiliary"),
    "other modalities, aligned − aligned random weights": ("aligned_pathway", "aligned_random"),
}
WIDE = {
    "own modality, target's lineage − random weights": ("own_lineage", "random_auxiliary"),
    "own modality, pretrained apart − random weights": ("own_apart", "random_auxiliary"),
    "own modality, apart and aligned − aligned random weights": ("aligned_apart", "aligned_random"),
    "random weights − no auxiliary": ("random_auxiliary", "baseline"),
    "aligned random weights − no auxiliary": ("aligned_random", "baseline"),
    "own modality, apart and aligned − random weights": ("aligned_apart", "random_auxiliary"),
}
"""What finding 2 has at width 192."""

STRUCTURE = [
    ("attention_start", "spectrum_matched_attention_start"),
    ("attention_start", "no_modality_attention_start"),
    ("attention_start", "mimetic_start"),
    ("joint_training", "joint_noise"),
    ("joint_training", "baseline"),
]


def differences(runs: pd.DataFrame, method: str, over: str) -> pd.DataFrame:
    """By seed and target, averaged over auxiliaries."""
    one, other = (
        runs[runs["method"] == name].groupby(["seed", "target"])["test_score"].mean().unstack("target") for name in (method, over)
    )
    return one - other


def told(values: "pd.Series[float]") -> str:
    """A mean with its 95 % t interval, as findings write it."""
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    mean, half = float(values.mean()), float(interval.high - interval.low) / 2
    return f"{'+' if mean > 0 else '−'}{abs(mean):.2f} ± {half:.2f}"


LINEAGE_ROWS = [
    *(("lineage", row, compared, ("image", "audio", "point", "video")) for row, compared in LINEAGE.items()),
    *(("lineage-wide", row, compared, ("image", "audio")) for row, compared in WIDE.items()),
]


@pytest.mark.parametrize(("study", "row", "compared", "targets"), LINEAGE_ROWS)
def test_the_numbers_of_finding_2_are_those_of_its_runs(
    study: str, row: str, compared: tuple[str, str], targets: tuple[str, ...]
):
    runs = pd.read_csv(DOCS / "findings" / f"{study}.csv")
    assert (len(runs), set(runs["status"])) == (96 if study == "lineage-wide" else 384, {"complete"})
    by_target = differences(runs, *compared)
    expected = [*(told(by_target[target]) for target in targets), told(by_target.mean(axis=1))]
    lines = [line for line in (DOCS / "findings.md").read_text().splitlines() if line.startswith(f"| {row} |")]
    (line,) = (line for line in lines if line.count("|") == len(targets) + 4)
    assert [entry.strip(" *") for entry in line.split("|")[2 : len(targets) + 3]] == expected


@pytest.mark.parametrize("study", ["structure", "structure-point"])
@pytest.mark.parametrize(("method", "over"), STRUCTURE)
def test_the_numbers_of_finding_3_are_those_of_its_runs(method: str, over: str, study: str):
    """Over eight pretraining seeds, each the mean of its three fine-tuning seeds."""
    runs = pd.read_csv(DOCS / "findings" / f"{study}.csv")
    assert (len(runs), set(runs["status"])) == (264, {"complete"})
    declared = (
        runs[runs["parts"].str.contains("declared")].groupby(["replicate", "method"])["test_score"].mean().unstack("method")
    )
    assert len(declared) == 8
    lines = [line for line in (DOCS / "findings.md").read_text().splitlines() if line.startswith(f"| {method} − {over} |")]
    line = lines[["structure", "structure-point"].index(study)]
    assert len(lines) == 2
    assert line.split("|")[2].strip(" *") == told(declared[method] - declared[over])
    p = float(line.split("|")[3].strip(" <"))
    alone = [stats.ttest_1samp(declared[one] - declared[other], 0.0).pvalue for one, other in STRUCTURE]
    place = STRUCTURE.index((method, over))
    least, most = (multipletests(alone, method=name)[1][place] for name in ("holm", "bonferroni"))
    assert least - 0.0005 <= p <= max(most, 0.001) + 0.0005  # a gatekeeping procedure lies between the two
