"""All faults of a file are told at once: those that hide behind others too, and none that the file does not have."""

import re

import pytest

from m2pt.config import UserError
from m2pt.config.study_file import parse_study
from pipelines.planning.study_file import load

FOREIGN = re.compile(
    r"while (scanning|parsing|composing)|could not find|not allowed here|<block|but (found|got)|scalar|token|stream"
)
"""Words of PyYAML and ruamel.yaml."""

WHOLE = """study: tiny
data: {embedded: {pretrain: 40, train: 40, val: 20, test: 20}}
encoders: {mae: {kind: mae}}
finetune: {samples: 20, epochs: 2}
sweep: {seeds: [0], targets: [image], auxiliaries: [audio], methods: [baseline, pathway]}
"""


def lines_of(text):
    with pytest.raises(UserError) as caught:
        parse_study(text, "a.yaml")
    first, *rest = str(caught.value).splitlines()
    assert not rest or first == f"a.yaml: {len(rest)} faults:"
    return [line.strip().removeprefix("a.yaml:") for line in rest or [first]]


def parts_of(lines):
    return [line.partition("; ")[0] for line in lines]


def test_faults_of_single_values_of_values_together_of_sections_together_and_of_parts():
    text = """study: tiny
encoders: {mae: {kind: mae}}
finetune:
  epoch: 3
  schedule_by: epoch
model: {width: 10, heads: 4}
sweep:
  target: [image]
  seeds: [0, 0]
  auxiliary_encoder: mea
  methods: [baseline, pathwy]
parts:
  - {name: a, set: {finetune.lr: 2}}
  - {name: b, set: {pathway.x.y: 1}}
"""
    assert parts_of(lines_of(text)) == [
        "4: finetune.epoch: unknown key",
        "5: finetune.schedule_by: epoch needs warmup_epochs",
        "6: model.width: 10 must be a multiple of heads (4).",
        "8: sweep.target: unknown key",
        "9: sweep.seeds: must not repeat a value (0 is there twice).",
        "10: sweep.auxiliary_encoder: there is no encoder named 'mea'",
        '11: sweep.methods[1]: "pathwy" is unknown',
        "13: parts.a.set.finetune.lr: unknown key",
        "14: parts.b.set.pathway.x.y: there is no section 'pathway.x'.",
    ]


def test_what_the_text_means_to_two_readers_hides_nothing():
    text = WHOLE.replace("epochs: 2", "epochs: 010, epoch_samples: 0, schedule_tail: 3").replace("[image]", "[imag]")
    text = text.replace("seeds: [0]", "seeds: !!seq [0]").replace("study: tiny", "study: ti\x07ny") + "modle: {width: 10}\n"
    assert [re.sub(r" (means|changes|which).*", "", line) for line in parts_of(lines_of(text))] == [
        "1: contains the character U+0007,",
        "4: 010",
        "4: finetune.epoch_samples: must be a whole number above 0 (got 0).",
        "4: finetune.schedule_tail: is for schedule_by: epoch",
        "5: the tag !!seq",
        "5: sweep.targets[0]: there is no task or modality named 'imag'",
        "6: modle: unknown key",
        "6: model.width: 10 must be a multiple of heads (4).",
    ]


def test_a_section_that_is_no_yaml_hides_only_itself():
    text = WHOLE.replace("mae: {kind: mae}", "mae: {kind: mae").replace("epochs: 2", "epoch: 2, mixup: -1")
    text += "model:\n  width: 10\n  heads: 'four\ninputs: {image: {size: 15}}\nrivals:\n  lora_rank: 2\n mix: 0.5\n"
    assert parts_of(lines_of(text)) == [
        "3: is not valid YAML: the section that { opens here is not closed, or a comma is missing in it",
        "4: finetune.mixup: must be a number from 0 on (got -1).",
        "4: finetune.epoch: unknown key",
        "8: is not valid YAML: the quotation mark that opens here is never closed",
        "9: inputs.image.size: 15 must be a multiple of patch (4).",
        "12: is not valid YAML: this does not go with the lines before it",
    ]


def test_what_keeps_runs_from_being_made_is_told_with_the_faults_of_values(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(WHOLE.replace("epochs: 2", "epochs: none") + "rivals: {lora_rank: 3}\n")
    with pytest.raises(UserError) as caught:
        load(path)
    told = [line.replace(f"{path}:", "").strip() for line in str(caught.value).splitlines()]
    assert parts_of(told) == [
        "2 faults:",
        '4: finetune.epochs: must be a whole number above 0 (got "none").',
        told[2].partition("; ")[0],
    ]
    assert told[2].startswith("6: rivals.lora_rank: ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        # Without the faulty value, the section would have its default, which does not go with the rest.
        ("model: {width: many, heads: 12}", ["6: model.width"]),
        ("model: {width: .nan, heads: 12}", ["6: model.width"]),
        ("model: {width: 1_000, heads: 12}", ["6: 1_000"]),
        # What hangs on a value that nobody knows is not told, and what does not is.
        ("finetune: {schedule_by: 3, schedule_tail: 2}", ["6: finetune.schedule_by"]),
        ("finetune: {schedule_by: epoch, warmup_epochs: some}", ["6: finetune.warmup_epochs"]),
        ("finetune: {mixup: x, norm_rows: 4, head: mean}", ["6: finetune.mixup", "6: finetune.norm_rows"]),
        ("design: {questions: [{method: lora}, {method: §}]}", ["6: design.questions[1].method"]),
        ("design: {questions: [{method: 3}]}", ["6: design.questions[0].method"]),
        ("search: {trials: 1, seeds: [0], ranges: {pathway.scale_init: {low: 1}}}",
         ["6: search.ranges.pathway.scale_init", "6: search.seeds"]),
        ("search: {trials: 1, seeds: [-1, 8], ranges: {finetune.epochs: {choices: [1, 0]}}}",
         ["6: search.seeds[0]", "6: search.ranges.finetune.epochs"]),
        ("tasks: {scenes: {modality: image, dataset: §, path: x, recipes: {full: a}}}", ["6: tasks.scenes.dataset"]),
    ],
)  # fmt: skip
def test_a_guess_makes_no_fault_that_the_file_does_not_have(change, told):
    text = WHOLE if not change.startswith("finetune") else WHOLE.replace("finetune: {samples: 20, epochs: 2}", "rivals: {}")
    found = [re.sub(r":? (must|means|is|are|cannot|low and|0 is).*", "", line) for line in lines_of(text + change + "\n")]
    assert sorted(found) == sorted(told)


def test_an_unknown_list_of_methods_is_not_taken_for_what_it_is_without_the_faulty_one():
    text = WHOLE.replace("methods: [baseline, pathway]", "methods: [baseline, 7]")
    assert parts_of(lines_of(text + "design: {questions: [{method: lora, over: baseline}]}\n")) == [
        lines_of(WHOLE.replace("pathway]", "7]"))[0].partition("; ")[0]
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x: {a: 1", "1: is not valid YAML: the section that { opens here is not closed"),
        ("x: [a, b", "1: is not valid YAML: the list that [ opens here is not closed"),
        ("x: 'a", "1: is not valid YAML: the quotation mark that opens here is never closed"),
        ('x: "\\q"', "1: is not valid YAML: a backslash in double quotes"),
        ("x: @a", "1: is not valid YAML: no value begins with @; put it in quotes."),
        ("x: a\n b", None),
        ("x: a: b", "1: is not valid YAML: a colon too many"),
        ("x:\n  a: 1\n b: 2", "3: is not valid YAML: this does not go with the lines before it"),
        ("x: - a", "1: is not valid YAML: no list begins here"),
        ("x:\n  a: 1\n  b\n  c: 2", "3: is not valid YAML: a line has no colon after its key; write KEY: VALUE."),
        ("x: [a, , b]", "1: is not valid YAML: a value is missing before this"),
        ("x: *a", "1: is not valid YAML: no anchor &a comes before *a"),
        ("x: &", "1: is not valid YAML: & and * begin names of values"),
        ("x: >z", "1: is not valid YAML: | and > begin a text of several lines"),
        ("x: !<", "1: is not valid YAML: ! begins the name of a type"),
        ("x:\n  a:\t1\n  \tb: 1", "3: is indented by a tab; use spaces."),
        pytest.param("x: " + "[" * 5000, "1: is not valid YAML: more than 50 brackets are open; close them.", id="deep"),
    ],
)
def test_errors_of_yaml_are_told_in_words_of_the_author(line, sentence):
    told = lines_of(line + "\n")
    assert sentence is None or told[0].startswith(sentence), told
    assert not any(FOREIGN.search(each) for each in told), told


@pytest.mark.parametrize("seeds", ["[0, 0]", "[0, 0, x]", "[0, 0, -1]"])
@pytest.mark.parametrize(
    ("other", "key"),
    [
        ("rivals: {lora_rank: 3}", "rivals.lora_rank"),  # a fault of what the runs read
        ("rivals: {mix: 3}", "rivals.mix"),
        ("model: {width: 10}", "model.width"),
        ("design: {questions: [{method: §}]}", "design.questions[0].method"),
    ],
)
def test_a_repeated_seed_is_told_with_all_other_faults(tmp_path, seeds, other, key):
    path = tmp_path / "a.yaml"
    path.write_text(WHOLE.replace("[0]", seeds) + other + "\n")
    with pytest.raises(UserError) as caught:
        load(path)
    told = str(caught.value)
    assert f"{path}:5: sweep.seeds: must not repeat a value (0 is there twice)." in told
    if seeds == "[0, 0]" or key != "rivals.lora_rank":  # which runs there are is unknown
        assert f"{path}:6: {key}: " in told


@pytest.mark.parametrize("others", ["methods: [baseline, §]", "targets: 3", "tune: {seeds: [1]}", "no_such_key: 1"])
def test_a_repeated_seed_is_told_beside_what_is_wrong_in_its_section(others):
    text = re.sub(r"(?m)^sweep: .*$", f"sweep: {{seeds: [0, 0], {others}}}", WHOLE)
    assert "5: sweep.seeds: must not repeat a value (0 is there twice)." in lines_of(text)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("design: {questions: [{method: pathway, over: pathwai}]}", "6: design.questions[0].over"),
        ("design: {questions: [{method: pathway, over: baseline}, {method: pathway, over: baselin}]}",
         "6: design.questions[1].over"),
        ("pathway: {layers: [attn.qkv, attn.qvk]}", "6: pathway.layers[1]"),
    ],
)  # fmt: skip
def test_what_a_misspelt_value_would_be_beside_others_is_not_told_before_it_is_spelt_right(change, fault):
    (told,) = lines_of(WHOLE + change + "\n")
    assert told.startswith(f"{fault}: ") and "did you mean" in told
