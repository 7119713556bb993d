"""Reading study files: what is accepted, and the one sentence for what is not."""

import pytest

from m2pt.config import UserError
from m2pt.config.study_file import load_study, parse_study

MINIMAL = """
study: tiny
encoders:
  mae: {kind: mae}
  mae+labels: {kind: labels, start: mae}
sweep: {seeds: [0, 1]}
"""


def test_a_minimal_study_gets_its_defaults():
    study = parse_study(MINIMAL, "params.yaml")
    assert study.sweep.targets == ("image", "audio", "point", "video")
    assert study.pathway.layers == ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    assert study.encoders["mae+labels"].start == "mae"


def test_exponents_without_a_point_are_numbers():
    assert parse_study(MINIMAL + "finetune: {learning_rate: 1e-3}", "p").finetune.learning_rate == 0.001


def test_a_study_cannot_be_changed():
    study = parse_study(MINIMAL, "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        study.study = "other"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINIMAL + "finetuning: {}", "params.yaml:7: finetuning: unknown key; did you mean finetune?"),
        (MINIMAL + "finetune: {lr: 1}", "params.yaml:7: finetune.lr: unknown key; did you mean learning_rate?"),
        (MINIMAL + "finetune: {epochs: many}", 'finetune.epochs: must be a whole number above 0 (got "many")'),
        (MINIMAL + "finetune: {epochs: 2.5}", "finetune.epochs: must be a whole number above 0 (got 2.5)"),
        (MINIMAL + "finetune: {epochs: true}", "finetune.epochs: must be a whole number above 0 (got true)"),
        (MINIMAL + "finetune: {learning_rate: -1}", "finetune.learning_rate: must be a number above 0 (got -1)"),
        (MINIMAL + "finetune: {learning_rate: .nan}", "finetune.learning_rate: must be a number above 0 (got .nan)"),
        (MINIMAL + "model: {width: 10, heads: 4}", "model.width: 10 must be a multiple of heads (4)"),
        (MINIMAL + "inputs: {point: {points: 14}}", "inputs.point.groups: 16 must not exceed points (14)"),
        (MINIMAL + "pathway: {layers: [attn.qkv, attn.qkv]}", "pathway.layers: must not repeat a value (attn.qkv is"),
        (MINIMAL.replace("[0, 1]", "[0, 0]"), "sweep.seeds: must not repeat a value (0 is there twice)"),
        (MINIMAL.replace("[0, 1]", "[]"), "sweep.seeds: must be a list of 1 or more whole numbers from 0 on (got [])"),
        (MINIMAL.replace("[0, 1]", "[0], targets: [smell]"), "sweep.targets[0]: there is no task or modality named 'smell'"),
        (MINIMAL.replace("[0, 1]", "[0], target_encoder: may"), "sweep.target_encoder: there is no encoder named 'may'"),
        (MINIMAL.replace("start: mae", "start: mea"), "encoders.mae+labels.start: 'mea' must name an encoder of kind mae"),
        (MINIMAL.replace("kind: mae}", "kind: mae, seedz: 1}"), "params.yaml:4: encoders.mae.seedz: unknown key"),
        (MINIMAL.replace("  mae:", "  random: {kind: mae}\n  mae:"), "encoders.random: the name is taken"),
        (MINIMAL + "design: {seeds: sequential}", "design.planned: is missing; a sequential design needs"),
        (
            "study: tiny\nencoders: {mae: {kind: mae, seeds: [0, 1]}}\nsweep: {seeds: [0, 1, 2, 3]}\n"
            "design: {seeds: sequential, planned: 4}",
            "design.seeds: a sequential design adds draws that share nothing, but 4 fine-tuning seeds share 2",
        ),
        (MINIMAL + "design: {planned: 8}", "design.planned: is for sequential designs alone; remove it"),
        (MINIMAL + "design: {seeds: sequential, planned: 2}", "design.planned: must be a whole number from 3 to 1000 (got 2)"),
        (MINIMAL + "design: {smallest_difference: 0}", "design.smallest_difference: must be a number above 0 (got 0)"),
        (MINIMAL + "design: {questions: [{method: orca}]}", "design.questions[0]: a question needs runs of orca together"),
        (
            MINIMAL + "design: {questions: [{method: pathway, over: own_apart}]}",
            "design.questions[0]: a question needs runs of own_apart and pathway together; add them to sweep.methods",
        ),
        (
            MINIMAL + "design: {questions: [{method: pathway}, {method: pathway}]}",
            "design.questions: one is asked twice; remove it",
        ),
        (
            MINIMAL + "design: {questions: [{method: pathway, over: pathway}]}",
            "design.questions[0]: pathway is compared with itself; name another method (over)",
        ),
        (MINIMAL + "study: other", "params.yaml:7: the key 'study' is set twice"),
        ("[1, 2", "params.yaml:1: is not valid YAML"),
        ("", "a study file is a mapping of sections, but this one is empty"),
        ("- 1", "this one is a list"),
        ("study: x\nencoders: {}", "sweep: is missing"),
    ],
)
def test_a_fault_is_one_sentence_with_file_and_key(text, sentence):
    with pytest.raises(UserError) as caught:
        parse_study(text, "params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml:")
    assert sentence in message
    assert "\n" not in message
    assert message.endswith((".", "?"))


def test_all_faults_are_told_at_once():
    with pytest.raises(UserError) as caught:
        parse_study("pretrain: {mae: {steps: 0}}" + MINIMAL + "finetune: {epochs: 0}\n", "params.yaml")
    assert str(caught.value).splitlines() == [
        "params.yaml: 2 faults:",
        "  params.yaml:1: pretrain.mae.steps: must be a whole number above 0 (got 0).",
        "  params.yaml:7: finetune.epochs: must be a whole number above 0 (got 0).",
    ]


def test_a_missing_file_and_a_binary_file_are_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.yaml: cannot be read \(No such file or directory\)"):
        load_study(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary\.yaml: is not a text file"):
        load_study(tmp_path / "binary.yaml")


SEARCH = MINIMAL + "search: {trials: 3, seeds: [100], ranges: {%s}}"


def test_a_search_keeps_its_ranges_and_a_study_without_one_has_no_trace_of_it():
    search = parse_study(SEARCH % "pathway.scale_init: {low: 0, high: 1}, finetune.epochs: {choices: [2, 4]}", "p").search
    assert (search.sampler, search.method, search.seed) == ("tpe", "pathway", 0)
    assert [values.ends for values in search.ranges.values()] == [(0.0, 1.0), (2, 4)]
    assert "search" not in parse_study(MINIMAL, "p").model_dump(mode="json")


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ("pathway.scal: {low: 1, high: 2}", "search.ranges.pathway.scal: unknown key; remove it or correct its spelling"),
        ("pathway.scale.init: {low: 1, high: 2}", "search.ranges.pathway.scale.init: there is no section 'pathway.scale'"),
        ("pathway.scale_init: {low: 2, high: 1}", "search.ranges.pathway.scale_init.low: 2 must be below high (1)"),
        ("pathway.scale_init: {low: 1, high: 1}", "low: 1 must be below high (1)"),
        ("pathway.scale_init: {low: 1}", "search.ranges.pathway.scale_init: low and high are needed, or choices"),
        ("pathway.scale_init: {low: 0, high: 1, log: true}", "pathway.scale_init.low: 0 must be above 0 if log is true"),
        ("pathway.scale_init: {low: 1, hihg: 2}", "search.ranges.pathway.scale_init.hihg: unknown key"),
        ("finetune.epochs: {low: 1.5, high: 3, integer: true}", "integer: low (1.5) and high (3) must then be whole numbers"),
        ("finetune.epochs: {low: 1, high: 3}", "search.ranges.finetune.epochs: must be a whole number above 0 (got 1.0)"),
        ("finetune.learning_rate: {low: 0, high: 1}", "search.ranges.finetune.learning_rate: must be a number above 0"),
        ("pathway.order: {choices: []}", "search.ranges.pathway.order.choices: must not be empty"),
        ("pathway.order: {choices: [normal, normal]}", "search.ranges.pathway.order.choices: must not repeat a value"),
        ("pathway.scale_init: {choices: [1, 1.0]}", "search.ranges.pathway.scale_init.choices: must not repeat a value"),
        ("pathway.scale_init: {choices: [0.5]}", "search.ranges.pathway.scale_init.choices: a single choice varies nothing"),
        ("pathway.order: {choices: [normal, reversed], low: 1}", "search.ranges.pathway.order: choices exclude low"),
        ("pathway.order: {choices: [normal, revers]}", "search.ranges.pathway.order: must be one of normal"),
        ("sweep.auxiliary_encoder: {choices: [mae, mea]}", "sweep.auxiliary_encoder: there is no encoder named 'mea'"),
        ("model.width: {choices: [16, 32]}", "ranges.model.width: a search cannot vary this; it can vary finetune.*"),
        ("sweep.seeds: {choices: [[1], [2]]}", "ranges.sweep.seeds: a search cannot vary this"),
        (
            "finetune.score: {choices: [last, best_val]}",
            "ranges.finetune.score: validation scores of the last and the best epoch",
        ),
    ],
)
def test_a_fault_of_a_search_is_one_sentence_with_file_and_key(ranges, sentence):
    with pytest.raises(UserError) as caught:
        parse_study(SEARCH % ranges, "params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml:7: ")
    assert sentence in message
    assert "\n" not in message
    assert message.endswith((".", "?"))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seeds: [100]", "seeds: [1, 100]", "search.seeds: 1 is also in sweep.seeds"),
        ("seeds: [100]", "seeds: [100, 100]", "search.seeds: must not repeat a value"),
        ("seeds: [100]", "seeds: []", "search.seeds: "),
        ("trials: 3", "trials: 0", "search.trials: must be a whole number above 0 (got 0)"),
        ("trials: 3", "sampler: grid, trials: 3", 'search.sampler: must be tpe or random (got "grid")'),
        ("trials: 3", "method: lora, trials: 3", "search.method: lora is not in sweep.methods"),
        ("search:", "parts: [{name: a}]\nsearch:", "search: cannot be combined with parts"),
    ],
)
def test_a_search_that_does_not_fit_its_study_is_refused(old, new, sentence):
    text = SEARCH % "pathway.scale_init: {low: 0, high: 1}"
    with pytest.raises(UserError) as caught:
        parse_study(text.replace(old, new, 1), "params.yaml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
