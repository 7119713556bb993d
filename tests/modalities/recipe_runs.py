"""The runs of a small study that has a recipe in several parts."""

from m2pt.config import MODALITIES
from m2pt.config.study_file import parse_study
from m2pt.runs.spec import EncoderKey, RunSpec
from pipelines.planning.grid import part_specs
from pipelines.planning.run_maker import Fingerprints

STUDY = """
study: small
encoders: {published: {kind: file, paths: {image: i.pth, audio: a.pth}}}
model: {width: 768, depth: 12, heads: 12}
tasks:
  toy:
    {modality: image, dataset: imagenet, path: t, recipes: {full: mae-finetune, fix: mae-linear-probe}, finetune: {precision: P}}
pathway: {scale_lr_multiple: 1.0}
sweep: {seeds: [0, 1], targets: [toy], auxiliaries: [audio], target_encoder: published, auxiliary_encoder: published,
        methods: [baseline, pathway]}
parts:
  - {name: main}
  - {name: fast, set: {pathway.scale_lr_multiple: 30.0}}
  - {name: probe, set: {sweep.tunings: [fix]}}
"""


def parts(old: str = "", new: str = "") -> dict[str, list[RunSpec]]:
    prints = Fingerprints({"toy": "d" * 64}, {EncoderKey("published", name): name * 2 for name in MODALITIES})
    return part_specs(parse_study(STUDY.replace("P}", "bf16}").replace(old, new), "small.yaml"), prints)
