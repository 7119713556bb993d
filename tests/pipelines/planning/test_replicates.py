"""Encoders with several pretraining seeds: which run uses which, what the controls take, what is refused, and what it costs."""

import json
from collections import Counter
from pathlib import Path

import pytest

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.draws import Draw
from m2pt.config import MODALITIES, Study, UserError
from m2pt.config.study_file import load_study, parse_study
from m2pt.runs.identity import cell_key, run_id
from m2pt.runs.lineage import lineage, root
from m2pt.runs.spec import EncoderKey, RunSpec
from m2pt.runs.table import read_results, read_table
from m2pt.runs.trials import with_trials
from pipelines.planning import replicates
from pipelines.planning.grid import draws_of, encoders_used, part_specs, pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints
from pipelines.planning.study_file import check

TEXT = """
study: levels
encoders:
  mae: {kind: mae, seeds: [10, 11]}
  mae+labels: {kind: labels, start: mae, seeds: [20, 21]}
sweep:
  seeds: [0, 1, 2, 3]
  targets: [image, audio]
  auxiliaries: [image, audio]
  methods: [baseline, pathway, random_auxiliary, own_lineage, own_apart]
  auxiliary_encoder: mae+labels
"""

SEARCH = """
search: {trials: 2, sampler: random, seeds: [100], method: pathway, ranges: {pathway.scale_init: {low: 0.0, high: 0.1}}}
"""

WITHOUT = """
study: without
encoders:
  mae: {kind: mae}
  noise: {kind: mae, data: noise}
  brackets: {kind: procedural}
sweep: {seeds: [0], targets: [image], auxiliary_encoder: %s, methods: [baseline, %s]}
"""


def study(text: str = TEXT) -> Study:
    return parse_study(text, "levels.yaml")


def prints(declared: Study) -> Fingerprints:
    """Fingerprints in which every encoder has one of its own."""
    return Fingerprints(dict.fromkeys(MODALITIES, "d"), {key: f"sha of {key}" for key in encoders_used(declared)})


def runs_of(declared: Study) -> list[RunSpec]:
    return run_specs(declared, prints(declared))


def one(runs: list[RunSpec], method: str, seed: int, replicate: int) -> RunSpec:
    found = [run for run in runs if (run.method, run.seed, run.replicate, run.target) == (method, seed, replicate, "image")]
    return found[0]


def seeds_of(run: RunSpec) -> tuple[int | None, ...]:
    return tuple(ref.seed if ref else None for ref in (run.target_weights, run.auxiliary_weights))


def test_paired_seeds_use_one_replicate_each_in_turn() -> None:
    runs = runs_of(study())
    assert {run.seed: run.replicate for run in runs} == {0: 0, 1: 1, 2: 0, 3: 1}
    assert len(runs) == (2 + 2 + 2 + 2 + 2) * 4
    assert len({run_id(run) for run in runs}) == len(runs)
    assert seeds_of(one(runs, "pathway", 2, 0)) == (10, 20)
    assert seeds_of(one(runs, "pathway", 3, 1)) == (11, 21)


def test_crossed_seeds_use_every_replicate_and_are_told_apart_by_name() -> None:
    runs = runs_of(study(TEXT + "  encoder_seeds: crossed\n"))
    draws = Counter((run.seed, run.replicate) for run in runs if run.method == "baseline")
    assert draws == {(seed, replicate): 2 for seed in range(4) for replicate in (0, 1)}
    names = [run.name for run in runs]
    assert len(set(names)) == len(names)
    assert one(runs, "baseline", 3, 1).name == "image-baseline-pretrained-full-e1-s3"
    assert {cell_key(run) for run in runs if run.method == "baseline"} == {
        "image-baseline-pretrained-full", "audio-baseline-pretrained-full",
    }  # fmt: skip


def test_every_replicate_is_pretrained_and_starts_from_its_own() -> None:
    specs = pretrain_specs(study(), prints(study()))
    assert [(spec.source, spec.modality, spec.seed) for spec in specs] == [
        (source, modality, seed)
        for source, seeds in (("mae", (10, 11)), ("mae+labels", (20, 21)))
        for modality in ("image", "audio")
        for seed in seeds
    ]
    starts = {spec.seed: spec.start.seed for spec in specs if spec.start}
    assert starts == {20: 10, 21: 11}
    searched = study(TEXT + SEARCH)
    assert [(way.way, way.runs) for way in costs_of(searched)] == [("paired", 40), ("crossed", 80)]  # its trials are not counted
    plain = study(TEXT.replace("seeds: [10, 11]", "seed: 10").replace("seeds: [20, 21]", "seed: 20").replace(", own_apart", ""))
    of_one = {run_id(spec) for spec in pretrain_specs(plain, prints(plain)) if spec.source == "mae"}
    assert of_one <= {run_id(spec) for spec in specs}, "an encoder keeps its id when others of its source join it"


def test_own_lineage_takes_the_targets_replicate_and_own_apart_the_next_one() -> None:
    declared = study()
    runs = runs_of(declared)
    assert [seeds_of(one(runs, "own_lineage", seed, seed % 2)) for seed in (0, 1)] == [(10, 20), (11, 21)]
    assert [seeds_of(one(runs, "own_apart", seed, seed % 2)) for seed in (0, 1)] == [(10, 21), (11, 20)]
    relations = {(run.method, lineage(declared.encoders, run)) for run in runs}
    assert relations == {
        ("baseline", None), ("random_auxiliary", None),
        ("pathway", "apart"), ("own_apart", "apart"), ("own_lineage", "same"),
    }  # fmt: skip


def test_an_encoder_with_a_pretraining_of_its_own_is_apart_as_it_stands() -> None:
    text = TEXT.replace("seeds: [10, 11]", "seed: 10").replace("start: mae, seeds: [20, 21]", "start: other, seed: 20")
    declared = study(text.replace("  mae+labels", "  other: {kind: mae, seed: 5}\n  mae+labels").replace("own_lineage, ", ""))
    (run,) = [run for run in runs_of(declared) if (run.method, run.seed, run.target) == ("own_apart", 0, "image")]
    assert run.auxiliary_weights is not None and run.auxiliary_weights.source == "mae+labels"
    assert run.replicate is None and run.auxiliary_weights.seed is None
    assert root(declared.encoders, run.auxiliary_weights.key) == EncoderKey("other", "image")
    assert lineage(declared.encoders, run) == "apart"


FILES = """
study: files
encoders:
  mine: {kind: file, paths: {image: a.safetensors, audio: b.safetensors}}
  theirs: {kind: file, paths: {image: c.safetensors}}
sweep:
  {seeds: [0], targets: [image], auxiliaries: [audio], methods: [%s], target_encoder: mine, auxiliary_encoder: %s}
"""


def test_the_lineage_of_files_is_not_known_unless_they_are_the_same() -> None:
    declared = study(FILES % ("own_apart", "theirs"))
    (run,) = runs_of(declared)
    assert lineage(declared.encoders, run) == "unknown"
    assert run.auxiliary_weights is not None and run.target_weights is not None
    equal = run.model_copy(
        update={"auxiliary_weights": run.auxiliary_weights.model_copy(update={"sha256": run.target_weights.sha256})}
    )
    assert lineage(declared.encoders, equal) == "same"
    (pair,) = runs_of(study(FILES % ("pathway", "mine")))
    assert lineage(declared.encoders, pair) == "unknown"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            TEXT.replace("seeds: [10, 11]", "seed: 10").replace("seeds: [20, 21]", "seed: 20"),
            "own_apart needs an auxiliary that was pretrained apart from the target's encoder mae, but every mae+labels goes on "
            "from it, or is it; give both encoders several `seeds`",
        ),
        (
            TEXT.replace("seeds: [10, 11]", "seed: 10"),  # both replicates go on from the one encoder
            "own_apart needs an auxiliary that was pretrained apart",
        ),
        (FILES % ("own_apart", "mine"), "own_apart needs an auxiliary that was pretrained apart"),
        (
            TEXT.replace("auxiliary_encoder: mae+labels", "auxiliary_encoder: mae").replace("  mae+labels: {", "  spare: {"),
            "own_lineage needs auxiliaries that were trained further from the target's encoder, which mae was not",
        ),
        (
            TEXT.replace(", own_apart", "") + "  settings: [scratch]\n",
            "own_lineage needs targets that start from an encoder, but some start from random weights",
        ),
        (WITHOUT % ("noise", "own_apart"), "own_apart needs an auxiliary that has seen the target's modality, which noise"),
        (WITHOUT % ("brackets", "aligned_apart"), "aligned_apart needs an auxiliary that has seen the target's modality, which"),
    ],
)
def test_a_control_that_no_encoder_fits_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        runs_of(study(text))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_from_scratch_every_auxiliary_of_the_own_modality_was_pretrained_apart() -> None:
    text = TEXT.replace("seeds: [10, 11]", "seed: 10").replace("seeds: [20, 21]", "seed: 20").replace("own_lineage, ", "")
    declared = study(text + "  settings: [scratch]\n")
    run = next(run for run in runs_of(declared) if run.method == "own_apart" and run.target == "image")
    assert run.auxiliary_weights is not None
    assert (run.target_weights, run.auxiliary_weights.source) == (None, "mae+labels")
    assert lineage(declared.encoders, run) == "apart"


def test_what_a_method_misses_is_told_with_the_file_and_the_part() -> None:
    apart = TEXT.replace(", seeds: [10, 11]", "").replace(", seeds: [20, 21]", "").replace(", own_apart", "")
    check(study(apart), "levels.yaml")
    part = "parts: [{name: all, set: {}}, {name: other, set: {sweep.methods: [own_apart]}}]\n"
    for text, start in ((apart.replace("own_lineage", "own_apart"), ""), (apart + part, "parts.other: ")):
        with pytest.raises(UserError) as caught:
            check(study(text), "levels.yaml")
        assert str(caught.value).startswith(f"levels.yaml: {start}sweep.methods: own_apart needs an auxiliary")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seeds: [10, 11]", "seed: 1, seeds: [10, 11]", "encoders.mae.seeds: seed is set too; keep one of them"),
        (
            "seeds: [10, 11]",
            "seeds: [10]",
            "seeds: names fewer than two seeds; write seed: 10 for an encoder that is trained once",
        ),
        ("seeds: [10, 11]", "seeds: [10, 10]", "seeds: must not repeat a value"),
        ("seeds: [10, 11]", "seeds: [10, 11, 12]", "encoders.mae+labels.seeds: 2 seeds, but encoders.mae has 3"),
        (", seeds: [20, 21]", "", "encoders.mae+labels: the encoder that it starts from has 2 seeds"),
        (
            "[0, 1, 2, 3]",
            "[0, 1, 2]",
            "sweep.seeds: 3 seeds cannot be paired evenly with 2 seeds of the encoders; give a multiple",
        ),
        (
            "own_lineage",
            "own_modality",
            "write own_lineage for an auxiliary that goes on from the target's own encoder, or own_apart",
        ),
        (
            "study: levels",
            "study: levels\nparts: [{name: few, set: {sweep.seeds: [7]}}]",
            "parts.few.set.sweep.seeds: 1 seed cannot",
        ),
    ],
)
def test_replicates_that_do_not_fit_are_refused_in_one_sentence(old: str, new: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        study(TEXT.replace(old, new, 1))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_trials_of_a_search_need_not_be_balanced_and_use_replicates_in_turn() -> None:
    search = "\nsearch: {trials: 1, seeds: [90, 91, 92], ranges: {pathway.scale_init: {low: 0.0, high: 0.1}}}\n"
    assert study(TEXT + search).search is not None
    assert draws_of(study(TEXT), (90, 91, 92)) == [(90, 0), (91, 1), (92, 0)]


def costs_of(declared: Study) -> list[replicates.WayCosts]:
    return replicates.costs(declared, part_specs(with_trials(declared, ()), prints(declared)))


def test_a_study_says_what_either_way_costs() -> None:
    paired, crossed = costs_of(study())
    assert (paired.is_declared, paired.pretrainings, paired.runs) == (True, 8, 40)
    assert (crossed.is_declared, crossed.pretrainings, crossed.runs) == (False, 8, 80)
    uneven = study(TEXT.replace("[0, 1, 2, 3]", "[0, 1, 2]") + "  encoder_seeds: crossed\n")
    assert [(way.way, way.runs) for way in costs_of(uneven)] == [("paired", None), ("crossed", 60)]
    searched = study(TEXT + SEARCH)
    assert [(way.way, way.runs) for way in costs_of(searched)] == [("paired", 40), ("crossed", 80)]  # its trials are not counted
    plain = study(TEXT.replace("seeds: [10, 11]", "seed: 10").replace("seeds: [20, 21]", "seed: 20").replace(", own_apart", ""))
    assert costs_of(plain) == []


def test_the_table_of_runs_and_cells_know_replicates_and_lineage(tmp_path: Path) -> None:
    declared = study(TEXT + "  encoder_seeds: crossed\n")
    table, _ = read_results(runs_of(declared), tmp_path, encoders=declared.encoders)
    made = {cell.key[1:]: cell for cell in cells(table.assign(parts=""))}
    cell = made["image", "own_apart", "image"]
    assert list(cell.runs) == [Draw(seed, replicate) for seed in range(4) for replicate in (0, 1)]
    assert (cell.lineage, cell.column, cell.role) == ("apart", "own apart", "apart")
    assert made["image", "own_lineage", "image"].lineage == "same"
    assert made["image", "random_auxiliary", "random"].lineage is None
    assert read_table(runs_of(declared), tmp_path)["lineage"].isna().all(), "without study or record it is not known"


def test_the_default_study_samples_encoders_and_has_both_controls() -> None:
    declared = load_study(Path(__file__).parents[3] / "params.yaml")
    runs = runs_of(declared)
    assert {run.replicate for run in runs} == {0, 1, 2, 3} == {run.seed for run in runs}
    relations = Counter(lineage(declared.encoders, run) for run in runs if run.method.startswith("own_"))
    assert relations == {"same": 16, "apart": 16}


OVERLAPPING = """
parts:
  - {name: as-it-is, set: {}}
  - {name: two-seeds, set: {sweep.seeds: [2, 5]}}
  - {name: other-scale, set: {pathway.scale_init: 0.1, sweep.methods: [baseline, pathway]}}
  - {name: crossed, set: {sweep.seeds: [0, 1], sweep.encoder_seeds: crossed}}
"""


@pytest.mark.parametrize("way", replicates.WAYS)
def test_the_runs_of_a_way_are_counted_as_they_would_be_listed(way):
    declared = study(TEXT + OVERLAPPING)
    other = [part.model_dump() | {"set": {**part.changes, "sweep.encoder_seeds": way}} for part in declared.parts]
    listed = runs_of(study(f"{TEXT}parts: {json.dumps([{'name': part['name'], 'set': part['set']} for part in other])}"))
    (costs,) = (costs for costs in costs_of(declared) if costs.way == way)
    assert costs.runs == len(listed)


PLAIN_FIRST = """
parts:
  - {name: plain, set: {sweep.auxiliary_encoder: mae, sweep.methods: [pathway]}}
  - {name: as-it-is, set: {}}
"""


def test_a_part_that_loads_other_encoders_has_them_pretrained_too():
    alone = TEXT.replace("own_lineage, own_apart]", "own_apart]").replace(
        "auxiliary_encoder: mae+labels", "auxiliary_encoder: mae"
    )
    assert {key.source for key in encoders_used(study(alone))} == {"mae"}
    assert {key.source for key in encoders_used(study(TEXT + PLAIN_FIRST))} == {"mae", "mae+labels"}
