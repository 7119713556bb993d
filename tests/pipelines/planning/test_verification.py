"""`--verify` sees what no time stamp tells: a change is named, and what is remembered is corrected."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.data.fingerprints import CACHE
from m2pt.files.documents import recalled_json, remember_json, write_json
from m2pt.runs.folder import ENCODER, RECORD, create_run
from m2pt.runs.spec import EncoderKey
from pipelines.__main__ import main
from pipelines.planning import study_file
from pipelines.planning.plan import resolve
from pipelines.planning.verification import verify
from tests.run_records import pretrain_document

FROM_FILES = """
study: own
encoders: {mine: {kind: file, paths: {image: weights/image.pth, audio: weights/audio.pth}}}
sweep: {seeds: [0], targets: [image], auxiliaries: [audio], methods: [pathway], target_encoder: mine, auxiliary_encoder: mine}
"""
TRAINED = (
    "{study: small, encoders: {mae: {kind: mae}}, sweep: {seeds: [0], targets: [image], auxiliaries: [], methods: [baseline]}}"
)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("weights/image.pth", "weights/audio.pth", "data/image/one.txt"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(path)


def study(text=FROM_FILES):
    Path("params.yaml").write_text(text)
    return study_file.load("params.yaml")


def misremember(kind, true):
    """Let what is remembered be as it would be if this content had come without a sign."""
    (memory,) = [path for path in (CACHE / kind).iterdir() if true in path.read_text()]
    remember_json(memory, recalled_json(memory) | {"value": "f" * 64})


def test_what_is_as_it_was_needs_no_word():
    assert verify(study()) == []
    assert verify(study()) == []


def test_weights_that_changed_without_a_sign_are_named_and_corrected(capsys):
    declared, key = study(), EncoderKey("mine", "image")
    true = resolve(declared).prints.weights[key]
    assert true == sha256(b"weights/image.pth").hexdigest()
    misremember("files", true)
    assert resolve(declared).prints.weights[key] == "f" * 64
    main(["status", "--verify"])
    assert "weights/image.pth: its content changed while its size and times stayed what they were" in capsys.readouterr().err
    assert resolve(declared).prints.weights[key] == true
    assert verify(declared) == []


def test_weights_are_not_read_again_until_they_change(monkeypatch):
    declared, key = study(), EncoderKey("mine", "image")
    first = resolve(declared).prints.weights[key]
    with monkeypatch.context() as patched:
        patched.setattr("m2pt.files.memory.file_sha256", lambda path: pytest.fail(f"{path} was read"))
        assert resolve(declared).prints.weights[key] == first
    state = Path("weights/image.pth").stat()
    Path("weights/image.pth").write_text("WEIGHTS/image.pth")
    os.utime("weights/image.pth", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert resolve(declared).prints.weights[key] == sha256(b"WEIGHTS/image.pth").hexdigest()


def test_data_that_changed_without_a_sign_are_named_and_corrected():
    declared = study()
    true = resolve(declared).prints.data["image"]
    misremember("fingerprints", true)
    (sentence,) = verify(declared)
    assert sentence.startswith("data/image: its content changed while its size and times stayed what they were")
    assert resolve(declared).prints.data["image"] == true


def test_an_encoder_that_is_not_the_one_of_its_record_is_refused():
    declared = study(TRAINED)
    (spec,) = resolve(declared).pretrain
    run_dir = create_run(Path("encoders/small"), spec)
    (run_dir / ENCODER).write_text("an encoder")
    record = pretrain_document(run_dir.name, files={ENCODER: sha256(b"an encoder").hexdigest()})
    write_json(run_dir / RECORD, record)
    assert verify(declared) == []
    (run_dir / ENCODER).write_text("AN ENCODER")
    with pytest.raises(UserError, match=r"encoder\.safetensors: is not the file that record\.json speaks of; delete the folder"):
        verify(declared)
