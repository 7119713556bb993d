from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2pt.analysis.tables.caveats import unplanned
from m2pt.config import METHOD_NAMES, MODALITIES, Study, UserError
from m2pt.config.study_file import load_study, parse_study
from m2pt.methods import METHODS
from m2pt.runs.identity import cell_key, run_id
from m2pt.runs.spec import EncoderKey
from pipelines.planning.grid import data_used, encoders_used, part_specs, pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints

TEXT = """
study: golden
encoders:
  mae: {kind: mae}
  mae+labels: {kind: labels, start: mae}
  noise: {kind: mae, data: noise}
sweep:
  seeds: [0, 1, 2]
  methods: [baseline, pathway, random_auxiliary, own_lineage]
  auxiliary_encoder: mae+labels
"""


def prints(study: Study, made: bool = True) -> Fingerprints:
    keys = [EncoderKey(*key) for key in product([*study.encoders], MODALITIES, [None, *range(10)])]
    weights = {key: f"{key.source}-{key.modality}" + (f"-{key.seed}" if key.seed is not None else "") for key in keys}
    weights = weights if made else dict.fromkeys(keys)
    return Fingerprints({modality: f"data-{modality}" for modality in MODALITIES}, weights)


TWICE = (
    TEXT.replace("{kind: mae}", "{kind: mae, seeds: [5, 6]}")
    .replace("start: mae}", "start: mae, seeds: [7, 8]}")
    .replace("data: noise}", "data: noise, seeds: [8, 9]}")
    .replace("[0, 1, 2]", "[0, 1, 2, 3]")
)
"""The same with two pretraining seeds of every encoder."""


def study(text: str = TEXT, **sweep: object) -> Study:
    base = parse_study(text, "golden.yaml")
    return base.model_copy(update={"sweep": base.sweep.model_copy(update=sweep)})


def test_every_ordered_pair_once_per_seed_and_one_of_each_other_method():
    runs = run_specs(study(), prints(study()))
    pairs = Counter((run.target, run.auxiliary) for run in runs if run.method == "pathway")
    assert pairs == {(a, b): 3 for a in MODALITIES for b in MODALITIES if a != b}
    assert len(pairs) == 12
    others = Counter((run.method, run.target, run.auxiliary) for run in runs if run.method != "pathway")
    own = {("own_lineage", m, m): 3 for m in MODALITIES}
    assert others == own | {("baseline", m, ""): 3 for m in MODALITIES} | {
        ("random_auxiliary", m, "random"): 3 for m in MODALITIES
    }
    assert len(runs) == (12 + 3 * 4) * 3


def test_seeds_are_outermost_so_that_pairs_are_whole_early():
    runs = run_specs(study(), prints(study()))
    assert [run.seed for run in runs] == [0] * 24 + [1] * 24 + [2] * 24
    assert len({cell_key(run) for run in runs[:24]}) == 24


def test_weights_of_each_method():
    by_method = {(run.method, run.target, run.auxiliary): run for run in run_specs(study(), prints(study()))}
    baseline = by_method["baseline", "image", ""]
    assert baseline.pathway is None
    assert baseline.auxiliary_weights is None
    assert baseline.target_weights is not None
    assert baseline.target_weights.sha256 == "mae-image"
    other = by_method["pathway", "image", "audio"]
    assert other.pathway is not None
    assert other.auxiliary_weights is not None
    assert other.auxiliary_weights.sha256 == "mae+labels-audio"
    assert by_method["random_auxiliary", "image", "random"].auxiliary_weights is None
    own = by_method["own_lineage", "video", "video"].auxiliary_weights
    assert own is not None
    assert (own.source, own.modality) == ("mae+labels", "video")
    assert other.data_sha256 == "data-image"


def test_samples_of_the_auxiliarys_modality_are_named_where_a_method_trains_with_them():
    declared = study(methods=("baseline", "pathway", "joint_training"), targets=("image",), auxiliaries=("audio", "image"))
    by_method = {run.method: run for run in run_specs(declared, prints(declared))}
    given = by_method["joint_training"].auxiliary_data
    assert given is not None
    assert (given.sha256, given.input) == ("data-audio", declared.inputs.audio)
    assert by_method["pathway"].auxiliary_data is None
    # They are read even where no encoder of that modality is made from them.
    drawn = {"targets": ("image",), "auxiliaries": ("audio",), "auxiliary_encoder": "random", "target_encoder": "random"}
    assert data_used(study(methods=("baseline", "pathway"), **drawn)) == ["image"]
    assert data_used(study(methods=("joint_attention",), **drawn)) == ["image", "audio"]


def test_scratch_loads_no_target():
    runs = run_specs(study(settings=("scratch",), methods=("baseline", "pathway")), prints(study()))
    assert all(run.target_weights is None for run in runs)
    assert all(run.ready for run in runs)


def test_encoders_come_after_what_they_start_from_and_only_where_used():
    declared = study(targets=("image", "point"), auxiliaries=("audio",))
    assert encoders_used(declared) == [
        EncoderKey("mae", "image"), EncoderKey("mae", "point"), EncoderKey("mae", "audio"),
        EncoderKey("mae+labels", "image"), EncoderKey("mae+labels", "point"), EncoderKey("mae+labels", "audio"),
    ]  # fmt: skip
    assert data_used(declared) == ["image", "point", "audio"]
    assert encoders_used(study(methods=("baseline",), targets=("image",))) == [EncoderKey("mae", "image")]
    assert encoders_used(study(methods=("baseline",), targets=("image",), settings=("scratch",))) == []


def test_labels_wait_for_their_start_and_have_no_id_before():
    waiting = [spec for spec in pretrain_specs(study(), prints(study(), made=False)) if not spec.ready]
    assert [spec.source for spec in waiting] == ["mae+labels"] * 4
    with pytest.raises(ValueError, match="do not exist yet"):
        run_id(waiting[0])
    assert all(spec.ready for spec in pretrain_specs(study(), prints(study())))
    assert not any(run.ready for run in run_specs(study(), prints(study(), made=False)))


def test_random_encoders_need_no_pretraining():
    declared = study(target_encoder="random", auxiliary_encoder="random", methods=("baseline", "pathway", "random_auxiliary"))
    assert encoders_used(declared) == []
    assert all(run.ready and run.target_weights is None for run in run_specs(declared, prints(declared)))


def test_a_task_vector_needs_an_encoder_that_went_on_from_another():
    declared = study(methods=["task_arithmetic"], auxiliary_encoder="random")
    with pytest.raises(
        UserError, match=r"task_arithmetic needs an auxiliary that was trained from another encoder.*which random was not"
    ):
        run_specs(declared, prints(declared))


def test_a_method_that_reads_the_auxiliarys_samples_needs_its_tokenizer():
    declared = parse_study(TEXT.replace("sweep:", "  brackets: {kind: procedural}\nsweep:"), "golden.yaml")
    sweep = declared.sweep.model_copy(update={"auxiliary_encoder": "brackets", "methods": ("baseline", "joint_training")})
    declared = declared.model_copy(update={"sweep": sweep})
    with pytest.raises(
        UserError, match=r"joint_training needs an auxiliary with a tokenizer, which brackets \(kind procedural\)"
    ):
        run_specs(declared, prints(declared))


def test_file_encoders_are_not_pretrained():
    declared = parse_study(
        """
study: files
encoders: {mine: {kind: file, paths: {image: a.safetensors, audio: b.safetensors}}}
sweep: {seeds: [0], targets: [image], auxiliaries: [audio], methods: [pathway], target_encoder: mine, auxiliary_encoder: mine}
""",
        "files.yaml",
    )
    assert pretrain_specs(declared, prints(declared)) == []
    assert data_used(declared) == ["image"]
    assert encoders_used(declared) == [EncoderKey("mine", "image"), EncoderKey("mine", "audio")]


TASKS = """
study: tasks
encoders: {published: {kind: file, paths: {image: i.pth, audio: a.pth}}}
model: {width: 24, depth: 2, heads: 2}
tasks:
  toy: {modality: image, dataset: imagenet, path: t, recipes: {full: mae-finetune, fix: mae-linear-probe}, finetune: {epochs: 7}}
  scenes: {modality: image, dataset: ade20k, goal: semantic_segmentation, path: a, recipes: {full: mae-ade20k}}
sweep:
  seeds: [0, 1]
  targets: [toy]
  auxiliaries: [audio]
  methods: [baseline, pathway]
  tunings: [full, fix]
  target_encoder: published
  auxiliary_encoder: published
parts:
  - {name: main, set: {sweep.targets: [toy, scenes]}}
  - {name: reversed, set: {pathway.order: reversed, sweep.tunings: [full]}}
"""


def test_parts_share_the_runs_that_are_equal_and_tasks_take_their_recipes():
    declared = parse_study(TASKS, "tasks.yaml")
    known = Fingerprints({"toy": "t", "scenes": "s"}, {EncoderKey("published", m): m for m in MODALITIES})
    parts = part_specs(declared, known)
    # toy: baseline and pathway in both tunings; scenes has a recipe for full tuning alone.
    assert {name: len(specs) for name, specs in parts.items()} == {"main": 12, "reversed": 4}
    runs = run_specs(declared, known)
    assert len(runs) == 14, "the baselines of both parts are the same runs"
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert len({run_id(run) for run in runs}) == 14
    fix = next(run for run in runs if run.tuning == "fix")
    assert (fix.target, fix.modality, fix.finetune.optimizer, fix.finetune.epochs) == ("toy", "image", "lars", 7)
    scenes = next(run for run in runs if run.target == "scenes")
    assert scenes.finetune.head == "upernet"
    assert scenes.metric == "miou"
    assert data_used(declared) == ["toy", "scenes"]
    assert encoders_used(declared) == [EncoderKey("published", "image"), EncoderKey("published", "audio")]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("pathway.order: reversed", "pathway.ordre: reversed", "parts.reversed.set.pathway.ordre: unknown key; did you mean"),
        ("pathway.order: reversed", "nothing.order: reversed", "parts.reversed.set.nothing.order: there is no section 'nothing'"),
        ("name: reversed", "name: main", "parts[1].name: two parts are named 'main'; rename one"),
        ("targets: [toy]", "targets: [tooy]", "sweep.targets[0]: there is no task or modality named 'tooy'"),
        ("dataset: ade20k", "dataset: ade21k", "tasks.scenes.dataset"),
    ],
)
def test_faults_of_parts_and_tasks_name_their_key(old, new, sentence):
    with pytest.raises(UserError) as caught:
        parse_study(TASKS.replace(old, new, 1), "tasks.yaml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("full: mae-finetune", "full: mae-finetuen", "tasks.toy.recipes.full: there is no recipe 'mae-finetuen'"),
        ("full: mae-finetune", "full: mae-ade20k", "tasks.toy.recipes.full: the recipe mae-ade20k is for semantic_segmentation"),
        ("epochs: 7", "epochs: -7", "tasks.toy.finetune.epochs"),
    ],
)
def test_a_recipe_that_does_not_fit_names_its_key(old, new, sentence):
    declared = parse_study(TASKS.replace(old, new, 1), "tasks.yaml")
    known = Fingerprints({"toy": "t", "scenes": "s"}, {EncoderKey("published", m): m for m in MODALITIES})
    with pytest.raises(UserError) as caught:
        run_specs(declared, known)
    assert sentence in str(caught.value)


GOLDEN = {
    "baseline": "image-baseline-pretrained-full-s0-3ae10223",
    "pathway": "image-from-audio-pathway-pretrained-full-s0-506e23df",
}


def test_ids_are_what_they_were():
    """A change here makes every finished run of every user run again: raise RECIPE_VERSION with intent instead."""
    runs = run_specs(study(), prints(study()))
    found = {
        run.method: run_id(run) for run in runs if run.target == "image" and run.seed == 0 and run.auxiliary in ("", "audio")
    }
    assert found == GOLDEN
    assert run_id(pretrain_specs(study(), prints(study()))[0]) == "image-mae-s0-5622c094"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(MODALITIES), min_size=1, unique=True),
    st.lists(st.sampled_from(MODALITIES), unique=True),
    st.lists(st.sampled_from(METHOD_NAMES), min_size=1, unique=True),
    st.lists(st.sampled_from(["pretrained", "scratch"]), min_size=1, unique=True),
    st.lists(st.sampled_from(["full", "fix"]), min_size=1, unique=True),
    st.sampled_from(["paired", "crossed"]),
)
def test_no_run_twice_in_any_grid(seeds, targets, auxiliaries, methods, origins, tunings, way):
    if "scratch" in origins:
        methods = [method for method in methods if method != "own_lineage"] or ["baseline"]
    declared = study(
        TWICE, seeds=tuple(seeds), targets=tuple(targets), auxiliaries=tuple(auxiliaries), methods=tuple(methods),
        settings=tuple(origins), tunings=tuple(tunings), encoder_seeds=way, no_modality_encoder="noise",
    )  # fmt: skip
    known = prints(declared)
    runs = run_specs(declared, known)
    pairs = sum(1 for pair in product(targets, auxiliaries) if pair[0] != pair[1])
    several = sum(1 for target in targets if len(set(auxiliaries) - {target}) > 1)
    counts = {"each": pairs, "all": several}
    cells = sum(counts.get(METHODS[method].takes, len(targets)) for method in methods)
    assert len(runs) == cells * len(seeds) * len(origins) * len(tunings) * (2 if way == "crossed" else 1)
    assert len({run_id(run) for run in runs}) == len(runs)
    made = [(spec.source, spec.modality, spec.seed) for spec in pretrain_specs(declared, known)]
    loaded = {ref.key for run in runs for ref in (run.target_weights, *run.auxiliary_refs) if ref}
    assert loaded <= set(made)
    assert len(set(made)) == len(made)


def test_the_nightly_study_runs_every_method_on_every_target():
    nightly = load_study(Path(__file__).parents[3] / "studies" / "ablations.yaml")
    specs = run_specs(nightly, prints(nightly))
    assert {(spec.method, spec.target) for spec in specs} == set(product(METHODS, MODALITIES))
    of_image = {spec.auxiliary for spec in specs if (spec.method, spec.target) == ("all_auxiliaries", "image")}
    assert of_image == {"audio+point+video"}
    assert unplanned(nightly, specs) == []


def test_a_method_that_lacks_auxiliaries_on_a_target_is_named():
    few = study(methods=["baseline", "pathway", "own_lineage", "all_auxiliaries"], auxiliaries=["point", "video"])
    assert unplanned(few, run_specs(few, prints(few))) == [
        "`all_auxiliaries` has no run on point, video: `sweep.auxiliaries` names too few other modalities there."
    ]
