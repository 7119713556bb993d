"""Published scores stand beside runs of the same recipe, size and data alone; anything else says what differs.

What the paper ran is written down here from its text and released scripts: ViT-B (width 768, depth 12, 12 heads), 224 pixels, 100
epochs at 5e-4 on all 1,281,167 training pictures, tested on 50,000 (ImageNet-1K).
"""

from pathlib import Path

import pytest

from m2pt.analysis.paper.entries import as_table, beside, entries_of, published_of, sameness_of
from m2pt.analysis.paper.sameness import KnownSamples, sameness
from m2pt.config import Study
from m2pt.config.study_file import load_study, parse_study
from m2pt.runs.record import Counts
from m2pt.runs.spec import EncoderKey, RunSpec
from pipelines.planning.grid import run_specs
from pipelines.planning.run_maker import Fingerprints

PAPER = Path(__file__).parents[3] / "studies" / "paper.yaml"

TEXT = """
study: one
model: {width: 768, depth: 12, heads: 12}
encoders: {published: {kind: file, paths: {image: i.pth, audio: a.pth, point: p.pth}}}
pathway: {scale_lr_multiple: 1.0}
tasks:
  pictures: {modality: image, dataset: imagenet, path: i, recipes: {full: mae-finetune}, finetune: {precision: bf16}}
  parts: {modality: point, dataset: shapenetpart, goal: part_segmentation, variant: trainval, path: p,
          recipes: {full: point-mae-shapenetpart}}
  sounds: {modality: audio, dataset: audioset, goal: tagging, path: s, recipes: {full: audiomae-audioset-20k}}
sweep: {seeds: [0], targets: [pictures], auxiliaries: [point], methods: [baseline, pathway],
        target_encoder: published, auxiliary_encoder: published}
"""
WHOLE = KnownSamples({"train": Counts(listed=1_281_167), "test": Counts(listed=50_000)}, ("class",) * 1000)


def planned(*changes: tuple[str, str]) -> tuple[Study, list[RunSpec]]:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    study = parse_study(text, "one.yaml")
    weights = {EncoderKey("published", modality): "w" for modality in ("image", "audio", "point")}
    return study, run_specs(study, Fingerprints(dict.fromkeys(study.tasks, "d"), weights))


def differs(samples: KnownSamples, *changes: tuple[str, str], method: str = "pathway") -> tuple[str, ...]:
    study, specs = planned(*changes)
    spec = next(spec for spec in specs if spec.method == method)
    made = frozenset(name for name, source in study.encoders.items() if source.kind != "file")
    return sameness(spec, samples, made).differs


def test_the_papers_own_run_differs_in_nothing_and_says_what_its_recipe_leaves_out() -> None:
    study, specs = planned()
    samples = [WHOLE for _ in specs]
    of_entries = sameness_of(specs, samples, study)
    assert [same.differs for same in of_entries.values()] == [(), ()]
    assert all("finetune.precision: bf16 [fp16]" in same.departs for same in of_entries.values())
    rows = {row.entry.auxiliary: row for row in beside(entries_of(specs, [83.0, 84.0]), of_entries) if row.ours.n}
    assert (rows[""].comparable, rows["point"].comparable) == (83.3, 83.9)
    assert rows["point"].difference == pytest.approx(84.0 - 83.9)
    assert rows["point"].theirs.startswith("paper 83.9 (recipe departs in precision")
    assert published_of(specs, samples, study) == [83.3, 83.9]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("width: 768", "width: 384"), "model.width: 384 [768]"),
        (("depth: 12", "depth: 6"), "model.depth: 6 [12]"),
        (("path: i,", "path: i, input: {size: 160},"), "input.size: 160 [224]"),
        (("{precision: bf16}", "{epochs: 20}"), "finetune.epochs: 20 [100]"),
        (("{precision: bf16}", "{learning_rate: 1e-3}"), "finetune.learning_rate: 0.001 [0.0005]"),
        (("{precision: bf16}", "{samples: 5000}"), "finetune.samples: 5000 [all]"),
        (("{precision: bf16}", "{augment: {flip: 0.0}}"), "finetune.augment.flip: 0.0 [0.5]"),
        (("{full: mae-finetune}", "{full: mae-linear-probe}"), "recipe: mae-linear-probe [mae-finetune]"),
        (("path: i,", "path: i, holdout: 0.1,"), "10% of the training samples held out [none]"),
        (("scale_lr_multiple: 1.0", "scale_lr_multiple: 30.0"), "pathway.scale_lr_multiple: 30.0 [1.0]"),
        (("target_encoder: published, auxiliary", "target_encoder: random, auxiliary"), "target encoder: random [published]"),
    ],
)
def test_another_recipe_size_or_start_is_said(change: tuple[str, str], said: str) -> None:
    points = differs(WHOLE, change)
    assert said in points


def test_encoders_of_ones_own_making_are_not_the_published_ones() -> None:
    changes = (
        ("encoders: {published:", "encoders: {mine: {kind: mae}, published:"),
        ("auxiliary_encoder: published", "auxiliary_encoder: mine"),
    )
    study = parse_study(TEXT.replace(*changes[0]).replace(*changes[1]), "one.yaml")
    weights = {EncoderKey("published", "image"): "w", EncoderKey("mine", "point"): "m"}
    specs = run_specs(study, Fingerprints({"pictures": "d", "point": "p"}, weights))
    (pathway,) = [same for entry, same in sameness_of(specs, [KnownSamples(), KnownSamples()], study).items() if entry.auxiliary]
    assert pathway.differs == ("auxiliary encoder: mine, trained here [published]",)


def test_a_target_that_was_pretrained_for_less_is_not_the_published_one() -> None:
    changes = (
        ("encoders: {published:", "encoders: {early: {kind: file, epochs: 20, paths: {image: e.pth}}, published:"),
        ("target_encoder: published, auxiliary", "target_encoder: early, auxiliary"),
    )
    study = parse_study(TEXT.replace(*changes[0]).replace(*changes[1]), "one.yaml")
    specs = run_specs(
        study, Fingerprints({"pictures": "d"}, {EncoderKey("early", "image"): "e", EncoderKey("published", "point"): "w"})
    )
    of_entries = sameness_of(specs, [KnownSamples(), KnownSamples()], study)
    assert {same.differs for same in of_entries.values()} == {("target encoder: early, of 20 epochs [published]",)}
    assert published_of(specs, [KnownSamples(), KnownSamples()], study) == [None, None]


SAMPLES: dict[str, tuple[KnownSamples, tuple[str, ...]]] = {
    "fewer test pictures": (
        KnownSamples({"train": Counts(listed=1_281_167), "test": Counts(listed=50_000, absent=20, unreadable=5)}),
        ("49,975 test samples, 25 left out [50,000]",),
    ),
    "a hundred classes": (
        KnownSamples({"train": Counts(listed=126_689), "test": Counts(listed=5_000)}, ("class",) * 100),
        ("126,689 training samples [1,281,167]", "5,000 test samples [50,000]", "100 classes [1,000]"),
    ),
    "nobody has looked": (KnownSamples({"test": Counts(listed=50_000, absent=0, unreadable=None)}), ()),
    "not run": (KnownSamples(), ()),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_other_samples_are_said_by_their_counts(case: str) -> None:
    samples, said = SAMPLES[case]
    assert differs(samples) == said


def test_shapenetpart_is_trained_on_training_and_validation_splits_together() -> None:
    wanted = (("targets: [pictures]", "targets: [parts]"), ("auxiliaries: [point]", "auxiliaries: [audio]"))
    samples = KnownSamples({"train": Counts(listed=12_137 + 1_870), "test": Counts(listed=2_874)})
    assert differs(samples, *wanted) == ()
    alone = KnownSamples({"train": Counts(listed=12_137), "test": Counts(listed=2_874)})
    assert differs(alone, *wanted, (" variant: trainval,", "")) == ("variant: none [trainval]",)


def test_a_score_of_another_run_gives_no_difference_but_what_differs_in_the_same_cell() -> None:
    study, specs = planned(("width: 768", "width: 384"), ("{precision: bf16}", "{epochs: 20, precision: bf16, batch_size: 64}"))
    same = sameness_of(specs, [KnownSamples(), KnownSamples()], study)
    rows = beside(entries_of(specs, [60.0, 61.0]), same)
    row = next(row for row in rows if row.entry.auxiliary == "point" and row.ours.n)
    assert (row.comparable, row.difference) == (None, None)
    assert row.theirs == (
        "the paper's 83.9 is of another run: finetune.batch_size: 64 [1024]; finetune.epochs: 20 [100]; model.width: 384 [768]"
    )
    table = as_table(rows).set_index(["setting", "tuning", "auxiliary", "variation"]).sort_index()
    line = table.loc[("pretrained", "full", "point", "")]
    assert line["mean"] == 61.0 and line[["published", "difference"]].isna().all()
    assert line["differs"] == row.theirs
    assert table.loc[("pretrained", "full", "audio", ""), "published"] == 83.7, "of what is not planned here it stands alone"
    assert published_of(specs, [KnownSamples(), KnownSamples()], study) == [None, None]


def test_the_study_of_the_paper_is_the_papers_in_every_cell() -> None:
    study = load_study(PAPER)
    weights = {
        EncoderKey(name, modality): "w" for name, source in study.encoders.items() for modality in getattr(source, "paths", ())
    }
    specs = run_specs(study, Fingerprints(dict.fromkeys(study.tasks, "d"), weights))
    of_entries = sameness_of(specs, [KnownSamples() for _ in specs], study)
    assert {entry.key: same.differs for entry, same in of_entries.items() if same.differs} == {}
