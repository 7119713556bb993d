"""What is wrong with a study file is said in our words, for every key and every kind of bound that the schema has."""

import json
import re
from typing import get_args

import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from m2pt.config import Study, UserError
from m2pt.config.faults import faults_of
from m2pt.config.spelling import meant
from m2pt.config.study_file import parse_study
from m2pt.config.wanted import fields_of, form_of, words

BASE = {
    "study": "tiny",
    "data": {"embedded": {}},
    "encoders": {
        "one": {"kind": "mae"},
        "two": {"kind": "labels", "start": "one"},
        "three": {"kind": "procedural"},
        "four": {"kind": "file", "paths": {"image": "x"}, "reading": {"image": {"layout": "mae"}}},
    },
    "tasks": {"scenes": {"modality": "image", "dataset": "ade20k", "path": "x", "recipes": {"full": "a"}}},
    "sweep": {
        "seeds": [0],
        "target_encoder": "one",
        "auxiliary_encoder": "one",
        "tune": {"learning_rates": [1, 2], "seeds": [9]},
    },
    "parts": [{"name": "a", "set": {}}],
    "search": {"trials": 1, "seeds": [8], "ranges": {"pathway.scale_init": {"low": 0, "high": 1}}},
    "design": {"questions": [{"method": "pathway"}]},
}
KINDS = ("image", "audio", "point", "video")
WRONG = ["§", "", "x" * 80, -1, 0, 1, 3, 1.5, 1e9, float("inf"), True, None, [], {}, [[]], ["§"], [0, 0], [-1], [1.5], {"§": 1}]
"""Each is wrong for most keys; what is right for a key is passed over."""

FOREIGN = re.compile(
    r"[Ii]nput should|[Ss]hould (be|have|match)|valid (integer|number|string|boolean|tuple|dict|list)|after validation"
    r"|[Vv]alue error|Extra inputs|Field required|discriminator|[Uu]nable to|validator|instance of|annotated|Literal|tagged"
)
"""Words of pydantic."""


def leaves(form, path=()):
    """The path of every key of the schema, through the sections of `BASE` and every kind of augmentation."""
    if form.is_model:
        for name, field in fields_of(form).items():
            yield (*path, name), field
            yield from leaves(field, (*path, name))
    for member in form.members:
        yield from leaves(member, path)


def document_with(path, value):
    """`BASE` with one value; sections on the way are made."""
    document = json.loads(json.dumps(BASE))
    at = document
    for step in path[:-1]:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
        if not isinstance(at, dict | list):
            return None
    at[path[-1]] = value
    return document


def paths():
    """Every key of a study file, those of named entries too."""
    entries = {
        "encoders": [("encoders", name) for name in BASE["encoders"]],
        "tasks": [("tasks", "scenes")],
        "parts": [("parts", 0)],
    }
    schema = fields_of(form_of(Study))
    for path, _ in leaves(form_of(Study)):
        if path[0] not in entries:
            yield path
    source, task, part = (
        form_of(get_args(schema[name].kind)[place]) for name, place in (("encoders", 1), ("tasks", 1), ("parts", 0))
    )
    for name, declared in BASE["encoders"].items():
        yield from (("encoders", name, *path) for path, _ in leaves(source.member_of(declared["kind"])))
    yield from (("tasks", "scenes", *path) for path, _ in leaves(task))
    yield from (("parts", 0, *path) for path, _ in leaves(part))
    yield from [("encoders", "Not A Name"), ("encoders", "one"), ("encoders", "four", "paths", "smell"), ("tasks", "§")]
    yield from [("search", "ranges", "pathway.scale_init"), ("encoders", "four", "reading", "image", "grid")]
    yield from [("search", "ranges", "pathway.scale_init", key) for key in ("low", "high", "log", "integer", "choices", "§")]
    yield from [("design", "questions", 0, key) for key in ("method", "over", "§")]


PATHS = list(dict.fromkeys(paths()))


def test_the_schema_is_walked():
    assert len(PATHS) > 200
    assert ("finetune", "augment", "crop_scale") in PATHS and ("inputs", "point", "thinned") in PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_whatever_is_wrong_with_a_key_is_said_in_our_words_with_its_key(path):
    said = 0
    for value in WRONG:
        document = document_with(path, value)
        if document is None:
            continue
        if path[:2] == ("finetune", "augment") and len(path) > 2:
            for kind in KINDS:
                said += bool(sentences({**document, "finetune": {"augment": {**document["finetune"]["augment"], "kind": kind}}}))
        said += bool(sentences(document))
    assert said, "no value is wrong for this key"


def sentences(document):
    try:
        Study.model_validate_json(json.dumps(document))
    except ValidationError as error:
        told = faults_of(error, Study)
        for sentence in told:
            assert not FOREIGN.search(sentence), sentence
            assert re.match(r"[a-z][^:]*: \S", sentence), sentence
            assert "\n" not in sentence
        return told
    return []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("finetune", "epochs"), 0, "finetune.epochs: must be a whole number above 0 (got 0)"),
        (("finetune", "warmup_steps"), -1, "finetune.warmup_steps: must be a whole number from 0 on (got -1)"),
        (("finetune", "mixup"), -0.5, "finetune.mixup: must be a number from 0 on (got -0.5)"),
        (("finetune", "drop_path"), 1, "finetune.drop_path: must be a number from 0 to below 1 (got 1)"),
        (("finetune", "layer_decay"), 1.5, "finetune.layer_decay: must be a number above 0 and up to 1 (got 1.5)"),
        (("finetune", "mixing_rows"), 3, "finetune.mixing_rows: must be an even whole number above 0 (got 3)"),
        (("finetune", "norm_rows"), 1, "finetune.norm_rows: must be a whole number above 1 (got 1)"),
        (("model", "depth"), 10**8, "model.depth: must be a whole number above 0 and up to 1000 (got 100000000)"),
        (("design", "planned"), 2, "design.planned: must be a whole number from 3 to 1000 (got 2)"),
        (("rivals", "mix"), 1, "rivals.mix: must be a number above 0 and below 1 (got 1)"),
        (("finetune", "samples"), "some", 'finetune.samples: must be a whole number above 0, or all (got "some")'),
        (("finetune", "compiled"), "yes", 'finetune.compiled: must be true or false (got "yes")'),
        (("finetune", "learning_rate"), float("inf"), "finetune.learning_rate: must be a number above 0 (got .inf)"),
        (("data", "root"), 3, "data.root: must be a text (got 3)"),
        (("model",), 3, "model: must be a section (keys with values) (got 3)"),
        (("sweep", "seeds"), [], "sweep.seeds: must be a list of 1 or more whole numbers from 0 on (got [])"),
        (("sweep", "seeds"), [0, -2], "sweep.seeds[1]: must be a whole number from 0 on (got -2)"),
        (("inputs", "image", "mean"), [1, 2, 3, 4], "inputs.image.mean: must be a list of 1 to 3 numbers (got [1, 2, 3, 4])"),
        (("inputs", "image", "channels"), 2, "inputs.image.channels: must be 1 or 3 (got 2)"),
        (("search", "ranges"), {}, "search.ranges: must be a section with 1 or more keys (got {})"),
        (
            ("study",),
            "My Study",
            "study: must be a name (small letters, digits and _ + . -, the first a letter or a digit, 60 characters at most) "
            '(got "My Study")',
        ),
        (
            ("encoders", "four", "paths", "pictures"),
            "x",
            "encoders.four.paths.pictures: a key here must be one of image, audio, point or video",
        ),
        (("encoders", "one"), {}, "encoders.one.kind: is missing; give one of mae, labels, procedural, file, timm or run"),
        (
            ("encoders", "one"),
            {"kind": "mea"},
            'encoders.one.kind: must be one of mae, labels, procedural, file, timm or run (got "mea"); did you mean mae?',
        ),
        (
            ("finetune", "augment"),
            {"kind": "image", "crop_scale": [0.5]},
            "finetune.augment.crop_scale: must be a list of 2 numbers above 0 (got [0.5])",
        ),
        (("finetune", "augment"), {"kind": "image", "flipp": 1}, "finetune.augment.flipp: unknown key; did you mean flip?"),
        (("finetune", "augment"), "on", 'finetune.augment: must be true or false, or a section (keys with values) (got "on")'),
        (("execution", "devices"), 1, "execution.devices: must be auto or cpu, or a list of texts (got 1)"),
        (
            ("design", "questions", 0, "method"),
            "pathwy",
            'design.questions[0].method: "pathwy" is unknown; did you mean pathway?',
        ),
        (("sweep", "seed"), [1], "sweep.seed: unknown key; did you mean seeds?"),
        (("sweep", "epochs"), 3, "sweep.epochs: unknown key; did you mean finetune.epochs?"),
        (
            ("model", "colour"),
            3,
            "model.colour: unknown key; remove it or correct its spelling (known: family, from, width, depth, heads, "
            "mlp_ratio, qkv_bias, stages)",
        ),
    ],
)
def test_each_kind_of_bound_has_its_words(path, value, sentence):
    assert sentences(document_with(path, value)) == [sentence]


def test_words_follow_the_declared_type():
    assert words(form_of(tuple[int, ...])) == "a list of whole numbers"
    assert words(form_of(dict[str, int])) == "a section (keys with values)"
    assert words(form_of(float | None)) == "a number"
    assert TypeAdapter(float | None).validate_python(None) is None


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("epoch", ["epochs", "epoch_samples"], "epochs"),
        ("Learning-Rate", ["learning_rate"], "learning_rate"),
        ("lr", ["learning_rate", "layer_decay"], "learning_rate"),
        ("mea", ["mae", "file"], "mae"),
        ("colour", ["width", "depth"], None),
        ("ab", ["alpha_beta", "all_bets"], None),  # two words have these initials
    ],
)
def test_what_a_word_was_meant_to_be(word, known, expected):
    assert meant(word, known) == expected


SEEDS = [path for path in PATHS if path[-1] in ("seed", "seeds") and path[0] != "design"]


def test_seeds_are_found_everywhere():
    assert {path[0] for path in SEEDS} >= {"data", "encoders", "sweep", "search"} and ("sweep", "tune", "seeds") in SEEDS


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: ".".join(map(str, path)))
def test_every_seed_fits_the_tables_of_results(path):
    many = path[-1] == "seeds"
    key = ".".join(map(str, path)) + ("[0]" if many else "")
    largest = 2**63 - 1
    for seed in (largest + 1, 10**20):
        value = [seed, 3, 4, 5] if many else seed
        assert sentences(document_with(path, value))[0] == f"{key}: must be below 2**63 (got {seed}); choose a smaller seed"
    told = sentences(document_with(path, [largest, 3, 4, 5] if many else largest))
    assert not any(sentence.startswith(f"{key}: ") for sentence in told)
    assert pd.DataFrame({"seed": [largest]})["seed"].dtype == "int64"


def test_of_thousands_of_faults_the_first_are_told():
    with pytest.raises(UserError) as told:
        parse_study("study: x\n" + "".join(f"k{n}: 1\n" for n in range(9000)), "odd.yaml")
    lines = str(told.value).splitlines()
    assert lines[0] == "odd.yaml: at least 200 faults:" and len(lines) == 201
