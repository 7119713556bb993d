import pytest
import timm
import torch

from m2pt.analysis.paper.training_cost import BASELINE_COST, PATHWAY_COST
from m2pt.config import (
    AudioInput,
    BlocksConfig,
    FinetuneConfig,
    ImageInput,
    ModelConfig,
    PathwayConfig,
    PointInput,
    TestConfig,
    VideoInput,
)
from m2pt.modalities.dataset import DatasetFacts
from m2pt.modalities.recipe import VIT_B
from m2pt.modalities.registry import SPECS
from m2pt.models.costs import assumption, gpu_hours, model_costs, run_costs
from m2pt.models.model import Model, fold
from m2pt.pathway import attach
from m2pt.runs.spec import TaskSpec
from m2pt.training.optim import freeze_for
from tests.specs import run_spec

SMALL = ModelConfig(width=48, depth=3, heads=4)
PATCHES = ImageInput(size=32, channels=3, patch=8)


def of(config=PATCHES, modality="image", model=SMALL, classes=10, pathway=None, tuning="full"):
    return model_costs(modality, config, model, "mean", classes, pathway=pathway, tuning=tuning)


def vit_flops(tokens, values, width, depth, classes):
    """The forward pass of a ViT by the textbook (2 operations a multiply-add), written without looking at the model."""
    linear = 2 * tokens * width * (3 * width + width + 4 * width + 4 * width)
    attention = 2 * 2 * tokens * tokens * width
    return 2 * tokens * values * width + depth * (linear + attention) + 2 * width * classes


@pytest.mark.parametrize(
    ("modality", "config", "tokens", "values"),
    [
        ("image", PATCHES, 16, 192),
        ("audio", AudioInput(frames=64, mels=32, patch=8), 32, 64),
        ("video", VideoInput(frames=4, size=32, channels=3, tubelet=2, patch=8), 32, 384),
    ],
)
def test_the_count_agrees_with_the_textbook(modality, config, tokens, values):
    assert of(config, modality).forward_flops == vit_flops(tokens, values, 48, 3, 10)


def test_point_clouds_are_counted_too():
    """Each of the 8 × 16 grouped points goes through the small PointNet (3 → 24 → 48), each group through its projection."""
    found = of(PointInput(points=64, groups=8, neighbours=16), "point").forward_flops
    assert found == vit_flops(8, 48, 48, 3, 10) + 8 * 16 * 2 * (3 * 24 + 24 * 48)


def test_vit_b_at_224_is_what_everyone_calls_it():
    found = of(SPECS["image"].recipes["mae-finetune"].input, model=VIT_B, classes=1000)
    official = timm.create_model("vit_base_patch16_224", pretrained=False)
    assert found.parameters == sum(parameter.numel() for parameter in official.parameters())
    assert found.parameters == pytest.approx(BASELINE_COST.trainable_parameters, rel=0.02)
    assert found.forward_flops / 2 == pytest.approx(17.6e9, rel=0.02)


@pytest.mark.parametrize(
    ("modality", "recipe", "classes", "giga"),
    [
        ("audio", "audiomae-audioset-20k", 527, 48.6),  # AudioMAE (arXiv 2207.06405), table 1a
        ("video", "videomae-kinetics400", 400, 180),  # VideoMAE (arXiv 2203.12602), Kinetics-400, one view
    ],
)
def test_other_families_cost_what_their_papers_say(modality, recipe, classes, giga):
    found = of(SPECS[modality].recipes[recipe].input, modality, model=VIT_B, classes=classes)
    assert found.forward_flops / 2e9 == pytest.approx(giga, rel=0.01)  # the papers count multiply-adds


@pytest.mark.patient
def test_a_detector_costs_what_its_paper_says():
    """ViTDet (arXiv 2203.16527) with ViT-B: 111 M parameters, 0.8 T multiply-adds. It stores 197 positions, here 4097."""
    recipe = SPECS["image"].recipes["vitdet-coco"]
    added = recipe.finetune.blocks
    found = model_costs("image", recipe.input, VIT_B, "mask_rcnn", 80, pathway=None, tuning="full", added=added)
    assert found.parameters - (4097 - 197) * 768 == pytest.approx(111e6, rel=0.005)
    assert found.forward_flops / 2 == pytest.approx(0.8e12, rel=0.02)


@pytest.mark.parametrize(
    ("modality", "name", "categories"),
    [
        ("image", "mae-linear-probe", 0),
        ("image", "mae-ade20k", 0),
        ("image", "vitdet-coco", 0),
        ("point", "point-mae-modelnet40", 0),
        ("point", "point-mae-shapenetpart", 16),
    ],
)
def test_every_kind_of_head_can_be_counted(modality, name, categories):
    recipe, tiny = SPECS[modality].recipes[name], ModelConfig(width=24, depth=2, heads=2)
    form, head = recipe.input, recipe.finetune.head
    full, fix = (
        model_costs(modality, form, tiny, head, 50, pathway=PathwayConfig(), tuning=tuning, num_categories=categories)
        for tuning in ("full", "fix")
    )
    assert 0 < fix.trainable_parameters < full.trainable_parameters
    assert fix.forward_flops == full.forward_flops < fix.training_flops < full.training_flops


def test_an_auxiliary_doubles_what_is_trained():
    found = of(SPECS["image"].recipes["mae-finetune"].input, model=VIT_B, classes=1000, pathway=PathwayConfig())
    joined = 12 * (768 * 2304 + 768 * 768 + 2 * 768 * 3072)
    assert found.trainable_parameters == found.parameters_in_training == found.parameters + joined + 48
    assert found.trainable_parameters == pytest.approx(PATHWAY_COST.trainable_parameters, rel=0.01)


def test_fix_trains_scales_and_head_alone():
    pathway = of(pathway=PathwayConfig(), tuning="fix")
    assert pathway.trainable_parameters == 4 * 3 + 48 * 10 + 10
    assert pathway.parameters_in_training == of(pathway=PathwayConfig()).parameters_in_training
    assert of(tuning="fix").trainable_parameters == 48 * 10 + 10


@pytest.mark.parametrize("tuning", ["full", "fix"])
def test_what_is_counted_is_what_is_built(tuning):
    model, auxiliary = (Model("image", PATCHES, SMALL, 10) for _ in range(2))
    plain = sum(parameter.numel() for parameter in model.parameters())
    attach(model, auxiliary, granularity="head", auxiliary_trainable=tuning == "full")
    freeze_for(tuning, model)
    found = of(pathway=PathwayConfig(granularity="head"), tuning=tuning)
    assert found.parameters == plain
    assert found.parameters_in_training == sum(parameter.numel() for parameter in model.parameters())
    assert found.trainable_parameters == sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def test_training_costs_three_forward_passes_and_a_probe_one():
    full, probe, scales = of(), of(tuning="fix"), of(pathway=PathwayConfig(), tuning="fix")
    forward, patches, first_qkv, head = full.forward_flops, 2 * 16 * 192 * 48, 2 * 16 * 48 * 144, 2 * 48 * 10
    assert probe.forward_flops == scales.forward_flops == forward
    assert full.training_flops == 3 * forward - patches  # pixels need no gradient
    assert probe.training_flops == forward + head
    assert scales.training_flops == 3 * forward - 2 * patches - first_qkv  # nor do frozen patches


def test_joining_is_counted_once_for_every_step():
    joined = 3 * 48 * (3 * 48 + 48 + 2 * 4 * 48)
    assert of().joining_flops == 0
    assert of(pathway=PathwayConfig()).joining_flops == 5 * joined
    assert of(pathway=PathwayConfig(), tuning="fix").joining_flops == 4 * joined
    assert of(pathway=PathwayConfig(layers=("attn.qkv",), scale_trainable=False)).joining_flops == 3 * 3 * 48 * 3 * 48


def test_measuring_leaves_no_trace():
    before = torch.get_rng_state()
    of(classes=7)
    assert torch.equal(before, torch.get_rng_state())
    assert of(pathway=PathwayConfig(order="reversed", scale_init=0.01)) is of(pathway=PathwayConfig())


def test_hours_follow_from_the_stated_assumption():
    assert gpu_hours(989e12 * 0.35 * 3600) == pytest.approx(1)
    assert "rough estimate" in assumption() and "989" in assumption() and "35%" in assumption()


def test_a_run_is_its_epochs_with_validation_and_its_test_with_views():
    finetune = FinetuneConfig(samples="all", epochs=5, batch_size=30, repeats=2, test=TestConfig(clips=5, crops=3))
    facts = DatasetFacts(train=100, val=None, test=40, classes=10, source="made up")
    task = TaskSpec(dataset="imagenet", goal="classification", variant=None, recipe="r", holdout=0.1, unreadable="fail")
    spec = run_spec(modality="image", task=task, input=PATCHES, model=SMALL, finetune=finetune)
    model = of(pathway=PathwayConfig())
    found = run_costs(spec, facts)
    assert (found.samples, found.epochs, found.model) == (180, 5, model)
    epoch = 180 * model.training_flops + 3 * model.joining_flops + 10 * model.forward_flops
    assert found.flops == 5 * epoch + 40 * 15 * model.forward_flops
    assert found.gpu_hours == gpu_hours(found.flops)


def test_what_fine_tuning_adds_to_blocks_and_head_is_counted():
    config, form = ModelConfig(width=24, depth=3, heads=2), ImageInput(form="published", size=32, channels=3, patch=8)
    plain = model_costs("image", form, config, "upernet", 5, pathway=None, tuning="full")
    added = BlocksConfig(layer_scale=1.0, relative_positions=True)
    whole = model_costs("image", form, config, "upernet", 5, pathway=None, tuning="full", side_head=True, added=added)
    side = 256 * 24 * 9 + 2 * 256 + 256 * 5 + 5
    assert whole.parameters - plain.parameters == 3 * ((7 * 7 + 3) * 2 + 2 * 24) + side
    assert whole.training_flops > plain.training_flops


def convnet_flops(side, channels_in, kernels, widths, ratio, classes):
    """The forward pass of a UniRepLKNet by the textbook, written without looking at the model."""
    branches = {3: [3], 5: [5], 7: [7, 5, 3, 3], 13: [13, 5, 7, 3, 3, 3]}
    total, side = 2 * (side // 2) ** 2 * channels_in * (widths[0] // 2) * 9, side // 4
    total += 2 * side**2 * (widths[0] // 2) * widths[0] * 9
    for stage, (width, own) in enumerate(zip(widths, kernels, strict=True)):
        if stage:
            side //= 2
            total += 2 * side**2 * (width // 2) * width * 9
        for kernel in own:
            depthwise = 2 * side**2 * width * sum(branch**2 for branch in branches[kernel])
            total += depthwise + 2 * 2 * width * (width // 4) + 2 * 2 * side**2 * width * int(width * ratio)
    return total + 2 * widths[-1] * classes


def test_a_convnet_agrees_with_the_textbook_also_in_its_gradients():
    """The gradients of a layer cost twice its forward pass, also where each channel has a kernel of its own."""
    config = ModelConfig(family="unireplknet", width=32, stages=((3, 5), (13, 7)), mlp_ratio=2.0)
    costs = of(model=config)
    assert costs.forward_flops == convnet_flops(32, 3, config.stages, (16, 32), 2, 10)
    stem = 2 * 16**2 * 3 * 8 * 9  # nobody asks for the gradient of the samples
    assert costs.training_flops == 3 * costs.forward_flops - stem


def test_the_parameters_of_a_convnet_are_those_of_its_folded_model():
    config = ModelConfig(family="unireplknet", width=32, stages=((3,), (7,)))
    model = Model("image", PATCHES, config, 10)
    costs = of(model=config, pathway=PathwayConfig(layers=("conv_dw", "mlp.fc1", "mlp.fc2")))
    before = sum(parameter.numel() for parameter in model.parameters())
    joined = 16 * 9 + 32 * (49 + 25 + 9 + 9) + 2 * 4 * (16**2 + 32**2) + 7 + 2  # with a scale for each layer
    assert costs.parameters_in_training == before + joined
    fold(model, config)
    assert costs.parameters == sum(parameter.numel() for parameter in model.parameters()) < before
