import shutil
from pathlib import Path

from m2pt.analysis.tables import caveats, gaps, materials, provenance
from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import EXECUTION, RECORD
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from tests.analysis import synthetic


def test_every_run_that_is_not_complete_is_named_with_its_reason(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1))
    baseline = [spec for spec in planned.specs if spec.target == "image" and spec.method == "baseline"]
    pathway = [spec for spec in planned.specs if spec.target == "image" and spec.method == "pathway"]
    synthetic.write_failure(planned, baseline[0], "data/image: is empty;\nrun `make data`.")
    synthetic.write_failure(planned, baseline[2], "data/image: is empty;\nrun `make data`.")
    (planned.folder(pathway[1]) / RECORD).unlink()
    shutil.rmtree(planned.folder(pathway[2]))
    found = gaps.run_gaps(read_table(planned.specs, planned.runs))
    assert [(row.name, row.status, row.seeds) for row in found] == [
        ("image-baseline-pretrained-full", "failed", (0, 2)),
        ("image-from-audio-pathway-pretrained-full", "interrupted", (1,)),
        ("image-from-audio-pathway-pretrained-full", "missing", (2,)),
    ]
    assert found[0].reason == "data/image: is empty; run `make data`."


def test_a_run_whose_encoder_is_not_made_is_missing_for_that_reason(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image", "audio"))
    pathway = next(spec for spec in planned.specs if spec.method == "pathway")
    assert pathway.auxiliary_weights is not None
    unready = pathway.model_copy(update={"auxiliary_weights": pathway.auxiliary_weights.model_copy(update={"sha256": None})})
    (row,) = gaps.run_gaps(read_table([unready], planned.runs))
    assert row.reason == "not run yet: an encoder that it needs has not been made"


def test_equal_cells_of_two_parts_are_told_apart(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image", "audio"))
    plain = next(spec for spec in planned.specs if spec.method == "pathway")
    assert plain.pathway is not None
    reversed_ = plain.model_copy(update={"pathway": plain.pathway.model_copy(update={"order": "reversed"})})
    parts = {"usual": [plain], "order": [reversed_], "again": [plain]}
    found = gaps.run_gaps(read_table([plain, reversed_], planned.runs, parts))
    name = "image-from-audio-pathway-pretrained-full"
    assert [(row.name, row.seeds) for row in found] == [(f"usual--{name}", (0,)), (f"order--{name}", (0,))]


def test_encoders_have_their_scores_and_fingerprints(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image", "audio"))
    synthetic.write_encoder(planned, planned.pretraining[1])
    rows = materials.encoders(planned.study, planned.specs, planned.pretraining, planned.encoders)
    assert [(row.source, row.modality, row.status) for row in rows] == [
        ("mae", "image", "missing"), ("mae+labels", "image", "complete"), ("mae", "audio", "missing"),
        ("mae+labels", "audio", "missing"),
    ]  # fmt: skip
    reference = next(spec.auxiliary_weights for spec in planned.specs if spec.auxiliary == "image")
    assert reference is not None and rows[1].sha256 == reference.sha256
    assert (rows[1].metric, rows[1].val_score, rows[0].val_score) == ("accuracy", 88.4, None)


def test_replicates_of_an_encoder_are_told_apart_and_the_first_one_is_drawn(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image",))
    replicates = [spec.model_copy(update={"seed": seed}) for spec in planned.pretraining for seed in (4, 5)]
    for spec in replicates:
        synthetic.write_encoder(planned, spec)
    rows = materials.encoders(planned.study, planned.specs, replicates, planned.encoders)
    assert [(row.source, row.seed) for row in rows] == [("mae", 4), ("mae", 5), ("mae+labels", 4), ("mae+labels", 5)]
    assert [(spec.source, spec.seed) for spec, _ in materials.reconstructions(replicates, planned.encoders)] == [("mae", 4)]


def test_encoders_that_are_the_same_in_all_replicates_are_named(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=2)
    text = synthetic.STUDY % (1, "0, 1", "image", "image, audio")
    study = parse_study(text.replace("start: mae}", "start: mae, seeds: [0, 1]}"), "levels.yaml")

    def of_replicate(spec: RunSpec) -> RunSpec:
        sampled = spec.auxiliary_weights and spec.auxiliary_weights.model_copy(update={"seed": spec.seed})
        return spec.model_copy(update={"auxiliary_weights": sampled, "replicate": spec.seed})

    (told,) = [said for said in caveats.caveats(study, list(map(of_replicate, planned.specs))) if "in all replicates" in said]
    assert told.startswith("The encoders of `mae` are the same in all replicates")
    assert not any("in all replicates" in said for said in caveats.caveats(planned.study, planned.specs))


def test_pairs_that_differ_in_lineage_are_counted(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image", "audio"))
    (pair, *_) = [spec for spec in planned.specs if spec.method == "pathway"]
    copy = pair.model_copy(update={"auxiliary_weights": pair.target_weights})
    (told,) = [said for said in caveats.caveats(planned.study, [*planned.specs, copy]) if "differ in lineage" in said]
    assert "2 with encoders that were pretrained apart, 1 with encoders that go on from a common one" in told


def test_readers_are_told_what_auxiliaries_of_the_own_modality_have_seen(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1)
    labels, lineage = caveats.caveats(planned.study, planned.specs)
    assert "trained with labels" in labels
    assert "positive control" in labels
    assert "without `own_apart` it is not known what the study can detect of encoders that were pretrained apart" in lineage


def test_timings_sum_the_attempts_of_a_run(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image", "audio"), epochs=1)
    run_dir = synthetic.write_run(planned, planned.specs[0], 60.0)
    document = documents.read_json(run_dir / EXECUTION)
    documents.write_json(run_dir / EXECUTION, {"attempts": document["attempts"] * 2})
    table = provenance.timings([("finetune", run_dir), ("finetune", planned.runs / run_id(planned.specs[1]))])
    (row,) = table.to_dict("records")  # a run that was never executed has no row
    assert tuple(table.columns) == provenance.TIMINGS
    assert (row["attempts"], row["train_seconds"], row["total_seconds"], row["torch"]) == (2, 5.0, 6.8, "2.13.0")
    assert row["device"] == "cpu"
    killed = {"started": "2026-11-21T10:00:00+00:00", "seconds": {"total": 2.0}, "interrupted": True}
    documents.write_json(run_dir / EXECUTION, {"attempts": [killed, *document["attempts"]]})
    (row,) = provenance.timings([("finetune", run_dir)]).to_dict("records")
    assert (row["train_seconds"], row["total_seconds"]) == (None, 5.4)  # what the killed one trained nobody knows
