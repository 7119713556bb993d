"""What a study says of how a file is read: checked, part of what a run is, in its record, and in the report."""

import json

import pytest
import torch

from m2pt.analysis.tables.materials import readings
from m2pt.config import Reading, UserError
from m2pt.config.study_file import parse_study
from m2pt.models.model import Model
from m2pt.runs.identity import canonical, run_id
from m2pt.runs.record import LoadedFile
from m2pt.runs.spec import EncoderKey, WeightsRef
from m2pt.training.encoders import auxiliaries, load_target
from m2pt.weights.shards import weights_sha256
from pipelines.planning.grid import run_specs
from pipelines.planning.run_maker import Fingerprints
from tests.run_records import finetune_record
from tests.specs import MODEL, run_spec

STUDY = """
study: s
encoders:
  mine: {kind: file, paths: {image: a.pth, audio: b.pth}%s}
sweep: {seeds: [0], targets: [image], auxiliaries: [audio], methods: [pathway], target_encoder: mine, auxiliary_encoder: mine}
"""
PRINTS = Fingerprints(
    {"image": "d" * 64, "audio": "e" * 64}, {EncoderKey("mine", "image"): "a" * 64, EncoderKey("mine", "audio"): "b" * 64}
)


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        ("{image: {layout: vit}}", r"encoders\.mine\.(file\.)?reading\.image\.layout"),
        ("{image: {weights: average}}", r"encoders\.mine\.(file\.)?reading\.image\.weights"),
        ("{image: {grid: [4]}}", r"encoders\.mine\.(file\.)?reading\.image\.grid"),
        ("{image: {grid: [4, 0]}}", r"reading\.image\.grid"),
        ("{image: {order: 3}}", r"reading\.image\.order"),
        ("{point: {layout: timm}}", r"reading\.point: it has no path"),
    ],
)
def test_wrong_keys_are_refused(reading, told):
    with pytest.raises(UserError, match=told):
        parse_study(STUDY % f", reading: {reading}", "p.yaml")


def test_how_a_file_is_read_is_part_of_what_a_run_is():
    plain = run_specs(parse_study(STUDY % "", "p.yaml"), PRINTS)[0]
    nothing = run_specs(parse_study(STUDY % ", reading: {image: {}}", "p.yaml"), PRINTS)[0]
    assert run_id(plain) == run_id(nothing)
    assert "reading" not in canonical(plain.model_dump(mode="json"))  # so that runs without it keep their ids
    ids = {run_id(plain)}
    for keys in ("{image: {layout: timm}}", "{image: {weights: ema}}", "{image: {grid: [4, 4]}}", "{audio: {weights: ema}}"):
        spec = run_specs(parse_study(STUDY % f", reading: {keys}", "p.yaml"), PRINTS)[0]
        ids.add(run_id(spec))
        assert json.loads(spec.model_dump_json()) == spec.model_dump(mode="json")
    assert len(ids) == 5
    assert spec.auxiliary_refs[0].reading == Reading(weights="ema")
    assert spec.target_weights.reading is None


def test_a_run_reads_what_the_study_says_and_records_it(tmp_path):
    both = {"model": own(1), "model_ema": own(2)}
    torch.save(both, tmp_path / "both.pth")
    sha256 = weights_sha256(tmp_path / "both.pth")
    sentences = {}
    for weights in ("raw", "ema"):
        reference = WeightsRef(source="mine", modality="image", sha256=sha256, reading=Reading(weights=weights))
        spec = run_spec(target_weights=reference, auxiliary_weights=reference.model_copy(update={"modality": "audio"}))
        model = Model(spec.modality, spec.input, spec.model, 4)
        loaded = [load_target(model, spec, reference, tmp_path / "both.pth")]
        encoder = auxiliaries(spec, [tmp_path / "both.pth"], loaded)[0]
        entry = both["model" if weights == "raw" else "model_ema"]
        assert torch.equal(model.blocks[0].norm1.bias, entry["blocks.0.norm1.bias"])
        assert torch.equal(encoder.blocks[0].norm1.bias, entry["blocks.0.norm1.bias"])
        assert [(one.role, one.source, one.modality, one.weights) for one in loaded] == [
            ("target", "mine", "image", weights),
            ("auxiliary", "mine", "audio", weights),
        ]
        assert [LoadedFile.model_validate_json(one.model_dump_json()) for one in loaded] == loaded
        sentences[weights] = readings([finetune_record(loaded=[one.model_dump(mode="json") for one in loaded])])
    assert sentences["raw"][0] == "From mine (audio, m2pt), the trained weights were read; others are under model_ema."
    assert sentences["ema"][1] == "From mine (image, m2pt), the moving average was read; others are under model."


def own(seed):
    torch.manual_seed(seed)
    spec = run_spec()
    model = Model(spec.modality, spec.input, MODEL, 4)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model.state_dict()


def read(**changes):
    facts = {"role": "auxiliary", "source": "published", "modality": "audio", "layout": "audiomae", "weights": "raw"}
    facts |= {"precisions": ["float32"], "norm_epsilon": None, "wrapper": None, "positions": None}
    return finetune_record(loaded=[facts | {"beside": [], "zero": [], "fresh": []} | changes])


def test_the_report_says_what_was_resampled():
    way = "from 8 × 64 to 8 × 32 places, the first 32 of 64 in time kept"
    assert readings([read(), read(positions=way), finetune_record(loaded=[])] * 2) == [
        f"Positions of published (audio, audiomae) were resized {way}."
    ]


def test_plain_files_need_no_word():
    assert readings([read(modality="image", layout="mae")]) == []
