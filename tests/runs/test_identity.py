"""The identity of a run: golden vectors, what changes it, and what has no canonical form."""

import hashlib
import json

import pytest

from m2pt.config import AudioInput, FinetuneConfig, ImageInput, PathwayConfig, PointInput, VideoInput
from m2pt.files.state import file_sha256
from m2pt.runs.identity import RECIPE_VERSION, canonical, cell_key, derived_seed, digest, drawn_seed, form_without_draw, run_id
from m2pt.runs.spec import AuxiliaryData, RunSpec, WeightsRef, without_draw
from tests.specs import pretrain_spec, run_spec


def test_golden_ids():
    """An id that changes orphans every finished run: change these only together with RECIPE_VERSION."""
    assert run_id(run_spec()) == "image-from-audio-pathway-pretrained-full-s0-0dd12b54"
    assert run_id(pretrain_spec()) == "image-mae-s0-9daa85ab"
    assert derived_seed(3, "order", "image", 7) == 1798797722960163930


MORE = (
    WeightsRef(source="mae", modality="point", sha256="c" * 64, seed=3),
    WeightsRef(source="files", modality="video", sha256=""),
)
"""One of a replicate, and one that all replicates share."""


@pytest.mark.parametrize(
    "spec",
    [
        run_spec(),
        run_spec(replicate=1, more_weights=MORE, pathway=None, auxiliary_data=AuxiliaryData(input=AudioInput(), sha256="d" * 64)),
        run_spec(target_weights=None, auxiliary_weights=None, auxiliary="", data_sha256='é"'),
    ],
)
def test_a_digest_is_of_the_canonical_form_of_the_whole_spec(spec):
    form = canonical({"spec": spec.model_dump(mode="json"), "recipe_version": RECIPE_VERSION})
    assert digest(spec) == hashlib.sha256(form.encode()).hexdigest()
    assert form_without_draw(spec) == canonical(without_draw(spec).model_dump(mode="json"))


def test_everything_that_can_change_a_number_changes_the_id():
    base = run_id(run_spec())
    variants = [
        run_spec(seed=1),
        run_spec(tuning="fix"),
        run_spec(finetune=FinetuneConfig(samples=40, epochs=3, batch_size=16, warmup_steps=1, learning_rate=2e-3)),
        run_spec(data_sha256="e" * 64),
        run_spec(target_weights=WeightsRef(source="mae", modality="image", sha256="c" * 64)),
        run_spec(auxiliary_weights=WeightsRef(source="mae", modality="audio", sha256="c" * 64)),
        run_spec(input=ImageInput(patch=8)),
        run_spec(replicate=0),
        run_spec(replicate=1),
        run_spec(target_weights=WeightsRef(source="mae", modality="image", sha256="a" * 64, seed=0)),
    ]
    ids = [run_id(variant)[-8:] for variant in variants]
    assert len({base[-8:], *ids}) == len(variants) + 1


def test_specs_that_compare_equal_but_are_written_differently_have_ids_of_their_own():
    plus, minus = (run_spec(pathway=PathwayConfig(scale_init=scale)) for scale in (0.0, -0.0))
    assert plus == minus and hash(plus) == hash(minus)
    assert run_id(plus) != run_id(minus)


def test_a_changed_copy_of_a_spec_has_an_id_of_its_own():
    spec = run_spec()
    first = run_id(spec)
    assert run_id(spec.model_copy(update={"seed": 1})) == run_id(run_spec(seed=1)) != first


def test_defaults_written_out_give_the_same_id():
    explicit = FinetuneConfig(samples=40, epochs=3, batch_size=16, warmup_steps=1, label_smoothing=0.1, score="last")
    assert run_id(run_spec(finetune=explicit)) == run_id(run_spec())


@pytest.mark.parametrize("config", [ImageInput(), AudioInput(), PointInput(), VideoInput()])
def test_a_spec_survives_the_way_through_json(config):
    spec = run_spec(input=config)
    again = RunSpec.model_validate_json(json.dumps(spec.model_dump(mode="json")))
    assert again == spec
    assert type(again.input) is type(config)


def test_a_spec_without_weights_has_a_name_but_no_id():
    spec = run_spec(auxiliary_weights=WeightsRef(source="mae", modality="audio", sha256=None))
    assert not spec.ready
    assert spec.name == "image-from-audio-pathway-pretrained-full-s0"
    with pytest.raises(ValueError, match="do not exist yet"):
        run_id(spec)


def test_the_cell_forgets_the_seed_alone():
    assert cell_key(run_spec(seed=3)) == cell_key(run_spec(seed=12)) != cell_key(run_spec(tuning="fix"))
    assert cell_key(run_spec(seed=3, replicate=1)) == cell_key(run_spec(seed=12, replicate=0)) == cell_key(run_spec())


def test_without_replicates_the_form_of_a_spec_does_not_mention_them():
    assert not {"replicate"} & run_spec().model_dump().keys()
    assert "seed" not in run_spec().target_weights.model_dump()


def test_weights_that_a_run_draws_differ_between_replicates_and_are_what_they_were_without():
    drawn = [drawn_seed(run_spec(seed=seed, replicate=replicate), "aux") for seed in (0, 1) for replicate in (None, 0, 1)]
    assert len(set(drawn)) == 6
    assert drawn[0] == derived_seed(0, "aux")


def test_canonical_form_is_sorted_compact_and_strict():
    assert canonical({"b": [1, 2.0, None, True], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.0,null,true]}'
    for value, fault in (({1: 2}, TypeError), ({"a": object()}, TypeError), ([float("nan")], ValueError)):
        with pytest.raises(fault):
            canonical(value)


def test_seeds_of_different_purposes_differ():
    seeds = {derived_seed(seed, purpose, epoch) for seed in range(5) for purpose in ("order", "augment") for epoch in range(5)}
    assert len(seeds) == 50
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_files_hash_is_that_of_its_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
