"""Run specs for tests, complete and small."""

from m2pt.config import FinetuneConfig, ImageInput, LabelPretrain, MaePretrain, ModelConfig, PathwayConfig
from m2pt.runs.spec import PretrainSpec, RunSpec, WeightsRef

MODEL = ModelConfig(width=24, depth=2, heads=2)


def run_spec(**changes):
    fields = {
        "target": "image",
        "modality": "image",
        "auxiliary": "audio",
        "method": "pathway",
        "setting": "pretrained",
        "tuning": "full",
        "seed": 0,
        "input": ImageInput(),
        "model": MODEL,
        "finetune": FinetuneConfig(samples=40, epochs=3, batch_size=16, warmup_steps=1),
        "pathway": PathwayConfig(),
        "data_sha256": "d" * 64,
        "target_weights": WeightsRef(source="mae", modality="image", sha256="a" * 64),
        "auxiliary_weights": WeightsRef(source="mae", modality="audio", sha256="b" * 64),
    }
    return RunSpec(**(fields | changes))


def pretrain_spec(**changes):
    fields = {
        "modality": "image",
        "source": "mae",
        "seed": 0,
        "input": ImageInput(),
        "model": MODEL,
        "pretrain": MaePretrain(steps=100, batch_size=16, warmup_steps=2),
        "data_sha256": "d" * 64,
        "start": None,
    }
    return PretrainSpec(**(fields | changes))


def labels_spec(start_sha256, **changes):
    return pretrain_spec(
        source="mae+labels",
        pretrain=LabelPretrain(steps=60, batch_size=16, warmup_steps=2),
        start=WeightsRef(source="mae", modality="image", sha256=start_sha256),
        **changes,
    )
