"""How the seeds of a study go with the pretrainings of its encoders, as its report says it of the runs of a study file."""

from itertools import product
from pathlib import Path

import pytest

from m2pt.analysis.sections.facts import Source
from m2pt.config import MODALITIES
from m2pt.config.study_file import parse_study
from m2pt.runs.spec import EncoderKey
from pipelines.planning.grid import run_specs
from pipelines.planning.run_maker import Fingerprints

STUDY = """
study: seeds
encoders:
  mae: {kind: mae, seeds: [5, 6]}
  mae+labels: {kind: labels, start: mae, seeds: [5, 6]}
  other: {kind: mae}
sweep:
  seeds: [0, 1, 2, 3]
  targets: [image]
  auxiliaries: [audio]
  methods: [baseline, pathway]
  auxiliary_encoder: mae+labels
"""


def said_of(text: str) -> str:
    study = parse_study(text, "seeds.yaml")
    keys = [EncoderKey(*key) for key in product(study.encoders, MODALITIES, (None, 5, 6))]
    specs = run_specs(study, Fingerprints(dict.fromkeys(MODALITIES, "data"), dict.fromkeys(keys, "weights")))
    return Source(study, specs, Path("runs"), (), Path("encoders")).seeds


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[0, 1, 2, 3]", "[0, 1]", "2 seeds, each with its own pretraining of the encoders"),
        ("", "", "4 seeds on 2 pretrainings of the encoders, 2 seeds on each"),
        ("  seeds: [0", "  encoder_seeds: crossed\n  seeds: [0", "4 seeds, each on both pretrainings of the encoders"),
        ("encoder: mae+labels", "encoder: other", "4 seeds on 2 pretrainings of the encoder mae, 2 seeds on each"),
        ("encoder: mae+labels", "encoder: other\n  target_encoder: other", "4 seeds"),
        ("kind: mae, seeds: [5, 6]", "kind: mae", "4 seeds"),
        (
            "sweep:",
            "parts:\n  - {name: a, set: {}}\n  - {name: b, set: {sweep.seeds: [0, 1], sweep.encoder_seeds: crossed}}\nsweep:",
            "4 seeds and 2 pretrainings of the encoders, not in all combinations",
        ),
    ],
)
def test_it_is_said_what_the_runs_have(old: str, new: str, said: str) -> None:
    text = STUDY.replace(old, new, 1) if old else STUDY
    if old.startswith("kind"):
        text = text.replace("start: mae, seeds: [5, 6]", "start: mae")
    assert said_of(text) == said
