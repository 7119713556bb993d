"""What people's files hold: prefixes in any order, averages beside raw weights, kin of dictionaries, pieces of a model."""

import argparse
import collections

import pytest
import timm
import torch
from omegaconf import OmegaConf
from timm.utils import ModelEmaV3

from m2pt.config import ImageInput, ModelConfig, Reading, UserError
from m2pt.weights.inspection import inspect
from m2pt.weights.reading import read_encoder
from tests.weights import files

MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4)
SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": files.WIDTH, "depth": files.DEPTH, "num_heads": files.HEADS}


class EasyDict(dict):
    """A dictionary with its items as attributes, as programs have them for their settings."""

    def __init__(self, **items):
        super().__init__(items)
        self.__dict__.update(items)


class Settings(argparse.Namespace):
    pass


class Table(collections.defaultdict):
    pass


class Names(list):
    pass


def read(path, **reading):
    return read_encoder(path, "image", IMAGE, MODEL, reading=Reading(**reading), source="mine")


def assert_is(found, tensors):
    assert torch.equal(found.tensors["blocks.1.mlp.fc2.bias"], tensors["blocks.1.mlp.fc2.bias"])
    assert torch.equal(found.tensors["tokenizer.positions"], tensors["pos_embed"][0])


@pytest.mark.parametrize(
    "prefix",
    [
        "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.", "_orig_mod.module.backbone.",
        "module._orig_mod.model.", "_fsdp_wrapped_module._orig_mod.",
    ],
)  # fmt: skip
def test_prefixes_in_any_order(tmp_path, prefix):
    torch.save({"state_dict": {prefix + name: tensor for name, tensor in files.vit().items()}}, tmp_path / "vit.pth")
    found = read(tmp_path / "vit.pth")
    assert found.layout == "m2pt-zoo"
    assert_is(found, files.vit())


def test_what_torch_itself_writes_of_compiled_and_parallel_models(tmp_path):
    vit = timm.models.VisionTransformer(**SMALL, num_classes=0)
    inside = torch.nn.DataParallel(torch.compile(vit))
    outside = torch.compile(torch.nn.DataParallel(vit))
    blocks = timm.models.VisionTransformer(**SMALL, num_classes=0)
    blocks.blocks[1] = torch.compile(blocks.blocks[1])
    for model, prefix in ((inside, "module._orig_mod."), (outside, "_orig_mod.module."), (blocks, "blocks.1._orig_mod.")):
        state = model.state_dict()
        assert any(name.startswith(prefix) for name in state)
        torch.save(state, tmp_path / "vit.pth")
        plain = {name.replace("_orig_mod.", "").replace("module.", ""): tensor for name, tensor in state.items()}
        assert_is(read(tmp_path / "vit.pth"), plain)


@pytest.mark.parametrize(
    ("raw", "averaged"),
    [("model", "model_ema"), ("state_dict", "state_dict_ema"), ("model", "ema"), ("model_state_dict", "ema_state_dict")],
)
def test_an_average_beside_the_weights_is_named_and_chosen_by_a_key(tmp_path, raw, averaged):
    trained, average = files.vit(seed=1), files.vit(seed=2)
    for order in ((raw, averaged), (averaged, raw)):
        content = {name: trained if name == raw else average for name in order}
        torch.save(content | {"epoch": 3}, tmp_path / "both.pth")
        found = read(tmp_path / "both.pth")
        assert_is(found, trained)
        assert (found.facts()["weights"], found.facts()["wrapper"], found.facts()["beside"]) == ("raw", raw, (averaged,))
        assert_is(read(tmp_path / "both.pth", weights="raw"), trained)
        found = read(tmp_path / "both.pth", weights="ema")
        assert_is(found, average)
        assert (found.facts()["weights"], found.facts()["wrapper"], found.facts()["beside"]) == ("ema", averaged, (raw,))
    shown = inspect(tmp_path / "both.pth")
    assert (shown.weights, shown.beside) == ("raw", (averaged,))


def test_one_kind_alone_is_read_and_called_what_it_is_and_the_other_refused(tmp_path):
    torch.save({"model_ema": files.vit(seed=2)}, tmp_path / "ema.pth")
    assert read(tmp_path / "ema.pth").facts()["weights"] == "ema"
    with pytest.raises(
        UserError, match=r"holds only a moving average of weights, encoders\.mine\.reading\.image\.weights is raw"
    ):
        read(tmp_path / "ema.pth", weights="raw")
    for content in (files.vit(), {"model": files.vit()}):
        torch.save(content, tmp_path / "raw.pth")
        with pytest.raises(UserError, match=r"holds only trained weights, encoders\.mine\.reading\.image\.weights is ema"):
            read(tmp_path / "raw.pth", weights="ema")


def test_averages_of_torch_and_timm(tmp_path):
    vit = timm.models.VisionTransformer(**SMALL, num_classes=0)
    average = torch.optim.swa_utils.AveragedModel(vit)
    torch.save(average.state_dict(), tmp_path / "swa.pth")
    found = read(tmp_path / "swa.pth")
    assert_is(found, vit.state_dict())
    assert found.facts()["weights"] == "ema"
    torch.save({"state_dict": vit.state_dict(), "state_dict_ema": ModelEmaV3(vit).module.state_dict()}, tmp_path / "timm.pth")
    assert read(tmp_path / "timm.pth", weights="ema").facts()["wrapper"] == "state_dict_ema"


def test_student_and_teacher_are_asked_for(tmp_path):
    student = {f"module.backbone.{name}": tensor for name, tensor in files.vit(seed=1).items()}
    teacher = {f"backbone.{name}": tensor for name, tensor in files.vit(seed=2).items()}
    torch.save({"student": student, "teacher": teacher, "epoch": 99}, tmp_path / "dino.pth")
    with pytest.raises(UserError, match=r"set encoders\.mine\.reading\.image\.weights to raw or ema"):
        read(tmp_path / "dino.pth")
    assert_is(read(tmp_path / "dino.pth", weights="raw"), files.vit(seed=1))
    assert_is(read(tmp_path / "dino.pth", weights="ema"), files.vit(seed=2))


def test_two_sets_of_weights_are_not_chosen_from_and_the_advice_works(tmp_path):
    torch.save({"model": files.vit(seed=1), "state_dict": files.vit(seed=2)}, tmp_path / "two.pth")
    with pytest.raises(UserError, match="holds weights under model and state_dict; save the ones you mean") as caught:
        read(tmp_path / "two.pth")
    assert "torch.save(torch.load(FILE, weights_only=False)['model'], NEW_FILE)" in str(caught.value)
    torch.save(torch.load(tmp_path / "two.pth", weights_only=False)["model"], tmp_path / "new.pth")
    assert_is(read(tmp_path / "new.pth"), files.vit(seed=1))
    torch.save(files.vit(seed=1) | {"model": files.vit(seed=2)}, tmp_path / "two.pth")
    with pytest.raises(UserError, match="holds weights under model and the top"):
        read(tmp_path / "two.pth")
    # Numbers beside the weights are no weights.
    torch.save({"model": files.vit(seed=1), "best": torch.tensor(3.0), "module": None}, tmp_path / "one.pth")
    assert_is(read(tmp_path / "one.pth"), files.vit(seed=1))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_kin_of_dictionaries_and_lists_beside_the_tensors_and_around_them(tmp_path, zipped, protocol):
    table = Table(list)
    table["a"].append(1)
    filled = collections.defaultdict(list)
    filled["loss"].append(0.5)
    company = {
        "args": EasyDict(lr=1e-3, names=Names(["a", "b"])),
        "config": OmegaConf.create({"model": {"depth": 2}, "names": ["a", "b"]}),
        "settings": Settings(lr=1e-3),
        "table": table,
        "log": filled,
        "counter": collections.Counter("aab"),
        "names": Names(["a", "b"]),
        "set": {1, 2},
        "frozen": frozenset([1]),
        "deque": collections.deque([1, 2]),
    }
    tensors = files.vit()
    for around in (dict, EasyDict, collections.OrderedDict, lambda **items: collections.defaultdict(list, items)):
        content = {"model": around(**tensors), **company}
        path = tmp_path / "file.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        assert_is(read(path), tensors)
    torch.save(EasyDict(**tensors), path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    assert_is(read(path), tensors)


def test_a_class_is_not_changed_by_a_pickle(tmp_path):
    """A pickle may give state to what it has made, and to a class by the same operation: here `torch.Tensor`."""
    before = dict(vars(torch.Tensor))
    torch.save(files.vit(), tmp_path / "trap.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "trap.pth").read_bytes()
    start = 0
    for _ in range(3):  # the content is the fourth pickle, behind magic number, version and machine
        start = whole.index(b"\x80\x02", start + 1)
    (tmp_path / "trap.pth").write_bytes(
        whole[:start] + b"\x80\x02}X\x01\x00\x00\x00actorch\nTensor\n(N}X\x05\x00\x00\x00gradsK\x01stbs."
    )
    with pytest.raises(UserError, match="asks to change"):
        read(tmp_path / "trap.pth")
    assert dict(vars(torch.Tensor)) == before


def test_pieces_that_zero_3_leaves_are_called_what_they_are(tmp_path):
    empty = {f"module.{name}": torch.empty(0) for name in files.vit()}
    torch.save({"module": empty, "ds_version": "0.16", "param_shapes": {}}, tmp_path / "mp_rank_00_model_states.pt")
    with pytest.raises(
        UserError, match=r"tensors are empty .*ZeRO-3 leaves them; gather them with the zero_to_fp32\.py"
    ) as caught:
        read(tmp_path / "mp_rank_00_model_states.pt")
    assert "depth" not in str(caught.value)
    some = files.vit() | {"blocks.0.mlp.fc1.weight": torch.empty(0)}
    torch.save(some, tmp_path / "some.pth")
    with pytest.raises(UserError, match="1 of its 30 tensors are empty"):
        read(tmp_path / "some.pth")


def test_advice_for_what_is_no_tensor_works_when_followed(tmp_path):
    class Wrapper:
        pass

    globals()["Wrapper"] = Wrapper
    Wrapper.__qualname__, Wrapper.__module__ = "Wrapper", __name__
    wrapper = Wrapper()
    wrapper.net = timm.models.VisionTransformer(**SMALL, num_classes=0)
    torch.save(wrapper, tmp_path / "object.pth")
    with pytest.raises(UserError, match=r"is not a module of PyTorch; .*`torch\.save\(model\.state_dict\(\), NEW_FILE\)`"):
        read(tmp_path / "object.pth")
    model = torch.load(tmp_path / "object.pth", weights_only=False).net
    torch.save(model.state_dict(), tmp_path / "new.pth")
    assert_is(read(tmp_path / "new.pth"), wrapper.net.state_dict())


def test_an_entry_that_is_no_plain_tensor_is_said(tmp_path):
    tensors = files.vit()
    tensors["blocks.0.norm1.bias"] = Settings(a=1)
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"missing blocks\.0\.norm1\.bias; no plain tensor blocks\.0\.norm1\.bias"):
        read(tmp_path / "odd.pth")
