"""What reads files from the world, and whole files for each."""

import hashlib
import io
import json
import re
import tarfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import h5py
import numpy as np
import safetensors.torch
import torch
from PIL import Image

from m2pt.config import AudioInput, ImageInput, ModelConfig, PointInput, VideoInput
from m2pt.config.study_file import parse_study
from m2pt.modalities.audio.datasets.esc50 import _rows
from m2pt.modalities.audio.decoding import manifest
from m2pt.modalities.audio.decoding.sounds import read_waveform
from m2pt.modalities.image.decoding import coco
from m2pt.modalities.image.decoding.pictures import decode
from m2pt.modalities.image.decoding.tar_index import index_shard
from m2pt.modalities.point.decoding.hdf5 import read_labels, read_points
from m2pt.modalities.point.decoding.text import read_table
from m2pt.modalities.video.decoding import lists
from m2pt.runs.attempts import read_attempts
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import ATTEMPT, EXECUTION, FAILURE, HISTORY, INPUTS, RECORD, SPEC, create_run, read_history, read_spec
from m2pt.runs.inputs import JobInputs, read_inputs
from m2pt.runs.looks import Look, read_looks
from m2pt.runs.record import read_record
from m2pt.runs.registration import read_registration
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.weights.inspection import inspect
from m2pt.weights.reading import read_encoder
from pipelines.planning.search_journal import _entries
from tests.fuzz.mutations import Form
from tests.pipelines import synthetic
from tests.run_records import attempt, finetune_document, finetune_record, pretrain_document
from tests.weights import files

PROJECT = Path(__file__).parents[2]
MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4, mean=(0.0,), std=(1.0,))
AUDIO = AudioInput(form="published", frames=32, mels=16, patch=4)
POINT = PointInput(form="published", points=20, groups=20, neighbours=6)
VIDEO = VideoInput(form="published", frames=4, size=12, channels=3, tubelet=2, patch=4)


@dataclass(frozen=True)
class Reader:
    """Reads the bytes of a file. `seeds` makes whole files, and is called once."""

    name: str
    form: Form
    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], object]

    @property
    def folder(self) -> str:
        """The name of the folder with what was found."""
        return re.sub(r"\W+", "-", self.name).lower()


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="m2pt-fuzz-"))


def _at(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of a file with this name, whose content changes from call to call."""

    def written(content: bytes) -> object:
        path = _folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # another inode, as what is remembered of a file holds for its inode
        path.write_bytes(content)
        return read(path)

    return written


def _of_run(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of one file of a run's folder."""
    place = f"run/{name}"
    return _at(place, lambda _: read(_folder() / "run"))


def _read_spec(content: bytes) -> object:
    """A spec in the folder that it says it belongs to, if that is a name."""
    told = re.search(rb'"run_id": "([a-z0-9-]{1,100})"', content)
    place = f"specs-read/{told[1].decode() if told else 'run'}"
    return _at(f"{place}/{SPEC}", lambda _: read_spec(_folder() / place))(content)


def _json(*documents: Any) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(document, indent=1, sort_keys=True).encode() for document in documents]


def _specs() -> list[bytes]:
    home = _folder() / "specs"
    return [(create_run(home, spec) / SPEC).read_bytes() for spec in (synthetic.pathway_spec(), synthetic.pretrain_spec())]


def _history() -> list[bytes]:
    spec = synthetic.pathway_spec()
    return [(synthetic.whole(_folder() / "whole", spec) / HISTORY).read_bytes()]


def _looks() -> list[bytes]:
    look = Look(
        date="2026-11-01T10:00:00+00:00", study="a", design="fixed", seeds=(0, 1), encoder_seeds={"mae": (0,)}, complete={"q": 2}
    )
    return [f"{look.model_dump_json()}\n".encode() * 2]


def _studies() -> list[bytes]:
    return [path.read_bytes() for path in (PROJECT / "params.yaml", *sorted((PROJECT / "studies").glob("*.yaml")))]


def _read_study(content: bytes) -> object:
    try:
        return parse_study(content.decode("utf-8"), "study.yaml")
    except UnicodeDecodeError:
        return None  # told where the file is read


def _objects() -> list[bytes]:
    masks = [{"size": [10, 12], "counts": counts} for counts in ([30, 10, 80], "g0370000000_1")]
    listed = []
    for kinds in ([[[1, 2, 9, 2, 9, 7.5]]], masks):
        objects = [
            {"id": n, "image_id": 4, "category_id": 2, "iscrowd": n, "area": 9.5, "bbox": [1, 2, 8, 5], "segmentation": outline}
            for n, outline in enumerate(kinds)
        ]
        pictures = [{"id": 4, "file_name": "4.jpg", "height": 10, "width": 12}]
        listed.append({"images": pictures, "categories": [{"id": 2, "name": "cup"}], "annotations": objects})
    return _json(*listed)()


def _read_objects(path: Path) -> object:
    objects = coco.read_annotations(path, taught=False).objects
    if objects.sizes.min() < 1 or objects.sizes.max() > 50:  # another size than the picture's is told when that is read
        return None
    numbers = [(place, number) for place in range(len(objects.sizes)) for number in objects.of(place)]
    return [objects.outline(number, objects.size(place)).code() for place, number in numbers]


def _pictures() -> list[bytes]:
    picture = Image.fromarray(np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3))
    return list(_saved(picture, ("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("BMP", {})))


def _saved(picture: Image.Image, *ways: tuple[str, dict[str, Any]]) -> Iterator[bytes]:
    for kind, options in ways:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        yield file.getvalue()


def _sounds() -> list[bytes]:
    import soundfile

    values = (np.sin(np.arange(1600) / 9) * 9000).astype(np.int16)
    made = []
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        file = io.BytesIO()
        soundfile.write(file, values, 16000, format=kind)
        made.append(file.getvalue())
    file = io.BytesIO()
    with wave.open(file, "wb") as plain:
        plain.setnchannels(2), plain.setsampwidth(2), plain.setframerate(8000), plain.writeframes(values.tobytes())
    return [*made, file.getvalue()]


def _shards() -> list[bytes]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in (("a.jpg", b"picture"), ("a.cls", b"3"), ("b.png", b"picture"), ("b.json", b'{"label": 1}')):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return [file.getvalue()]


def _clouds() -> list[bytes]:
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["data"] = np.linspace(0, 1, 2 * 8 * 3, dtype=np.float32).reshape(2, 8, 3)
        made["label"] = np.array([[0], [1]], dtype=np.uint8)
    return [file.getvalue()]


def _read_clouds(path: Path) -> object:
    read_labels(path, "label", each_point=False)
    return read_points(path)


def _sample_scores() -> list[bytes]:
    from m2pt.runs.sample_scores import _packed

    return [_packed(np.array([True, False, True])), _packed(np.array([0.5, np.nan, 1.0]))]


def _read_scores(content: bytes) -> object:
    """With a record that says that the file is right, as one would have it who wrote both."""
    record = finetune_record().model_copy(update={"test_samples_sha256": hashlib.sha256(content).hexdigest()})
    return _of_run("test_samples.npz", lambda run_dir: read_sample_scores(run_dir, record))(content)


def _weights(*contents: Callable[[], Any], legacy: bool = False) -> Callable[[], list[bytes]]:
    def made() -> list[bytes]:
        all_of_them = []
        for content in contents:
            file = io.BytesIO()
            torch.save(content(), file, _use_new_zipfile_serialization=not legacy)
            all_of_them.append(file.getvalue())
        return all_of_them

    return made


def _encoder(modality: Any, config: Any) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        inspect(path)
        return read_encoder(path, modality, config, MODEL)

    return read


READERS = {
    reader.name: reader
    for reader in (
        Reader("study file", "text", _studies, _read_study),
        Reader("record", "json", _json(finetune_document("run"), pretrain_document("run")), _of_run(RECORD, read_record)),
        Reader("spec", "json", _specs, _read_spec),
        Reader("history", "jsonl", _history, _of_run(HISTORY, read_history)),
        Reader("attempts", "json", _json({"attempts": [attempt().model_dump(mode="json")]}), _of_run(EXECUTION, read_attempts)),
        Reader("attempt", "json", _json(attempt().model_dump(mode="json")), _of_run(ATTEMPT, read_attempts)),
        Reader(
            "failure",
            "json",
            _json({"error": "out of luck.", "details": "", "kind": "worker_died"}),
            _of_run(FAILURE, read_failure),
        ),
        Reader(
            "inputs",
            "json",
            lambda: [JobInputs(data="data/image", cache=".m2pt/cache").model_dump_json().encode()],
            _of_run(INPUTS, read_inputs),
        ),
        Reader("looks", "jsonl", _looks, _at("looks.jsonl", read_looks)),
        Reader(
            "registration",
            "json",
            lambda: [path.read_bytes() for path in sorted((PROJECT / "registrations").glob("*.json"))],
            _at("r.json", read_registration),
        ),
        Reader(
            "search journal",
            "json",
            _json(
                {
                    "search": "s",
                    "trials": [{"values": {"a": 0.5}}, {"values": {"a": 1}, "state": "failed", "reason": "x", "refused": False}],
                }
            ),
            _at("journal/search.json", lambda path: _entries(path.parent, "s")),
        ),
        Reader(
            "sounds' manifest",
            "json",
            _json({"data": [{"wav": "a.wav", "labels": "/m/1"}, {"wav": "b.wav", "labels": "/m/2,/m/3"}]}),
            _at(
                "train.json",
                lambda path: [manifest.read_entry(entry, n, path) for n, entry in enumerate(manifest.read_entries(path))],
            ),
        ),
        Reader(
            "sounds' classes",
            "text",
            lambda: [b'index,mid,display_name\n0,/m/1,"Speech, male"\n1,/m/2,Dog\n'],
            _at("classes.csv", manifest.read_classes),
        ),
        Reader(
            "ESC-50's table",
            "text",
            lambda: [b"filename,fold,target,category,esc10,src_file,take\n1-a.wav,1,0,dog,True,1,A\n5-b.wav,5,1,cat,False,2,B\n"],
            _at("esc50.csv", _rows),
        ),
        Reader("COCO's objects", "text", _objects, _at("instances_val2017.json", _read_objects)),
        Reader("videos' list", "text", lambda: [b'a/b.mp4 3\n"c d.mp4",0\n'], _at("train.csv", lists.read_entries)),
        Reader(
            "videos' classes",
            "text",
            lambda: [b"id,name\n0,abseiling\n1,air drumming\n"],
            _at("videos/kinetics_400_labels.csv", lambda path: lists.read_classes(path.parent)),
        ),
        Reader(
            "points as text",
            "text",
            lambda: [b"0.1 0.2 0.3\n0.4 0.5 0.6\n0.70 -0.8 1e-9\n"],
            _at("points.txt", lambda path: read_table(path, 3, None)),
        ),
        Reader("clouds", "bytes", _clouds, _at("clouds.h5", _read_clouds)),
        Reader("shard", "bytes", _shards, _at("train-000.tar", index_shard)),
        Reader("picture", "bytes", _pictures, lambda content: decode(content, "picture")),
        Reader("sound", "bytes", _sounds, _at("sound.wav", lambda path: read_waveform(path, 16000, "mean"))),
        Reader("scores by sample", "bytes", _sample_scores, _read_scores),
        Reader("weights: MAE", "tensors", _weights(files.mae, files.vit), _at("mae.pth", _encoder("image", IMAGE))),
        Reader(
            "weights: AudioMAE",
            "tensors",
            _weights(lambda: files.mae(channels=1, places=32)),
            _at("audio.pth", _encoder("audio", AUDIO)),
        ),
        Reader(
            "weights: VideoMAE",
            "tensors",
            _weights(files.videomae, lambda: files.videomae(pretraining=False)),
            _at("video.pth", _encoder("video", VIDEO)),
        ),
        Reader("weights: Point-MAE", "tensors", _weights(files.point_mae), _at("point.pth", _encoder("point", POINT))),
        Reader("weights: legacy file", "tensors", _weights(files.vit, legacy=True), _at("old.pth", _encoder("image", IMAGE))),
        Reader(
            "weights: safetensors",
            "bytes",
            lambda: [safetensors.torch.save(dict(files.vit()))],
            _at("vit.safetensors", _encoder("image", IMAGE)),
        ),
    )
}
"""Every reader by its name."""
