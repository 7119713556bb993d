"""The titles of sweeps: what a person can read, and what tells two of them apart."""

import pytest

from m2pt.config import Study
from m2pt.config.study_file import parse_study
from pipelines.planning.plan import sweep_id
from pipelines.tracking.sweep import sweep_of

_STUDY = """
study: embedded
encoders: {{mae: {{kind: mae}}}}
sweep: {{{sweep}}}
{rest}
"""


def study(sweep: str, rest: str = "") -> Study:
    return parse_study(_STUDY.format(sweep=sweep, rest=rest), "a.yaml")


@pytest.mark.parametrize(
    ("sweep", "rest", "title"),
    [
        (
            "seeds: [0, 1, 2, 3], methods: [baseline, pathway, random_auxiliary]",
            "",
            "4 targets, 3 methods, seeds 0 to 3",
        ),
        ("seeds: [7], targets: [image, audio], methods: [baseline]", "", "image and audio, baseline, seed 7"),
        (
            "seeds: [5, 1], targets: [point], methods: [baseline, pathway], settings: [pretrained, scratch], tunings: [fix]",
            "",
            "point, baseline and pathway, seeds 1, 5, pretrained, scratch, fix tuning",
        ),
        (
            "seeds: [1, 3, 5, 7], targets: [point], methods: [baseline]",
            "parts: [{name: a, set: {}}, {name: b, set: {finetune.samples: 200}}]",
            "point, baseline, 4 seeds, 2 parts",
        ),
    ],
)
def test_a_title_says_what_a_sweep_compares(sweep: str, rest: str, title: str) -> None:
    made = study(sweep, rest)
    assert sweep_of(made).title == f"{title} ({sweep_id(made)})"


def test_sweeps_of_one_study_with_equal_grids_differ_in_their_titles() -> None:
    grid = "seeds: [0], methods: [baseline]"
    one, other = study(grid), study(grid, "finetune: {learning_rate: 0.002}")
    assert sweep_of(one).title != sweep_of(other).title
    assert sweep_of(one).study == "embedded"
