"""What is odd in files of weights is refused in one sentence, or read rightly: damage, tensors without numbers, missing parts."""

import io
import json
import subprocess
import sys
import zipfile

import pytest
import timm
import torch
import torch.distributed.checkpoint
import transformers

from m2pt.config import ImageInput, ModelConfig, UserError, VideoInput
from m2pt.models.model import Model
from m2pt.pathway import attach, merge
from m2pt.weights.content import read_content
from m2pt.weights.inspection import inspect
from m2pt.weights.reading import load_encoder, read_encoder
from tests.weights import files

MODEL = ModelConfig(width=files.WIDTH, depth=files.DEPTH, heads=files.HEADS)
IMAGE = ImageInput(form="published", size=16, channels=3, patch=4, mean=(0.0,), std=(1.0,))
VIDEO = VideoInput(form="published", frames=4, size=12, channels=3, tubelet=2, patch=4)
FC1 = "blocks.0.mlp.fc1.weight"
HUGGING = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96, "image_size": 16,
    "patch_size": 4,
}  # fmt: skip


def test_damage_inside_of_an_archive_is_seen_by_its_checksums(tmp_path):
    path = tmp_path / "hole.pth"
    torch.save(files.vit(), path)
    assert len(read_encoder(path, "image", IMAGE, MODEL).tensors) > 0
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)  # as a download in several pieces leaves where one never came
    path.write_bytes(content)
    assert zipfile.ZipFile(path).testzip() is not None
    torch.load(path)  # PyTorch itself sees nothing
    with pytest.raises(UserError, match=r"hole\.pth: is damaged \(.*data/\d+ .* checksum\); fetch it again"):
        read_encoder(path, "image", IMAGE, MODEL)


def test_an_archive_that_was_written_without_checksums_is_read(tmp_path):
    try:
        torch.serialization.set_crc32_options(False)
        torch.save(files.vit(), tmp_path / "none.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_encoder(tmp_path / "none.pth", "image", IMAGE, MODEL).tensors[FC1], files.vit()[FC1])


def test_a_function_of_this_process_is_not_changed_by_a_pickle(tmp_path):
    """The state of `torch._utils._rebuild_parameter` would be other defaults, and an attribute."""
    function = torch._utils._rebuild_parameter
    pickled = b"\x80\x02ctorch._utils\n_rebuild_parameter\n"
    pickled += b"N}(X\x07\x00\x00\x00changedK\x01X\x0c\x00\x00\x00__defaults__K\x01K\x01\x86u\x86b."
    stream = io.BytesIO()
    torch.save({"a.b": torch.ones(2)}, stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(tmp_path / "state.pth", "w") as made:
        for name in source.namelist():
            made.writestr(name, pickled if name.endswith("data.pkl") else source.read(name))
    before = function.__defaults__
    try:
        with pytest.raises(UserError, match="asks to change <function _rebuild_parameter"):
            read_content(tmp_path / "state.pth")
        assert function.__defaults__ == before
        assert not hasattr(function, "changed")
    finally:
        function.__defaults__ = before
        vars(function).pop("changed", None)


ODD = {
    "compressed rows": (FC1, lambda tensor: tensor.to_sparse_csr(), "is sparse, quantised or complex"),
    "nested": (FC1, lambda tensor: torch.nested.nested_tensor([tensor[:2], tensor[2:]]), "is sparse, quantised or complex"),
    "meta": (FC1, lambda tensor: tensor.to("meta"), "has a shape but no values"),
    "meta positions": ("pos_embed", lambda tensor: tensor.to("meta"), "has a shape but no values"),
    "two in a byte": (
        FC1, lambda tensor: torch.zeros(tensor.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), "holds packed numbers",
    ),
    "no norm": (".norm1.weight", None, "missing blocks.0.norm1.weight; missing blocks.1.norm1.weight"),
    "one number": ("blocks.0.norm1.weight", lambda tensor: tensor[0], r"norm1.weight is \(\) instead of \(24,\)"),
    "flat": (FC1, lambda tensor: tensor[0, 0], r"fc1.weight is \(\) instead of \(96, 24\)"),
    "positions": ("pos_embed", lambda tensor: tensor[0, 0, 0], r"their shape \(\) is not one row per position"),
    "matrix": ("blocks.0.attn.qkv.weight", lambda tensor: tensor[0], "belong to no layout that m2pt reads"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_tensor_of_another_kind_or_shape_is_named(tmp_path, name):
    key, change, told = ODD[name]
    tensors = files.vit()
    if change is not None:
        tensors[key] = change(tensors[key])
    for other in [other for other in tensors if change is None and other.endswith(key)]:
        del tensors[other]
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=f"odd.pth: .*{told}") as caught:
        read_encoder(tmp_path / "odd.pth", "image", IMAGE, MODEL)
    assert "\n" not in str(caught.value)
    try:
        inspect(tmp_path / "odd.pth")  # says what it is, or refuses it in a sentence too
    except UserError as error:
        assert told.split(r"\(")[0] in str(error)


@torch.no_grad()
@pytest.mark.parametrize("family", ["DPT", "FlavaImage", "ViT"])
def test_the_configuration_beside_a_kin_of_vit_is_read_too(tmp_path, family):
    """Models of transformers with a ViT's keys and another name."""

    def made(**options):
        config = getattr(transformers, f"{family}Config")(**(HUGGING | options))
        torch.manual_seed(0)
        model = getattr(transformers, f"{family}Model")(config).eval()
        model.save_pretrained(tmp_path / "model")
        return model

    theirs = made(layer_norm_eps=1e-3)
    ours = Model("image", IMAGE, MODEL, 5, head="class_token").eval()
    load_encoder(ours, read_encoder(tmp_path / "model", "image", IMAGE, MODEL), "model")
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours.features(x).taps[-1], theirs(x).last_hidden_state, atol=1e-5, rtol=0)
    made(num_attention_heads=4)
    with pytest.raises(UserError, match=r"config\.json: has num_attention_heads 4, model\.heads is 3"):
        read_encoder(tmp_path / "model", "image", IMAGE, MODEL, parts="blocks")
    made(hidden_act="relu")
    with pytest.raises(UserError, match="has hidden_act relu"):
        read_encoder(tmp_path / "model", "image", IMAGE, MODEL, parts="blocks")


@pytest.mark.parametrize("epsilon", [None, "1e-6", True])
def test_an_epsilon_that_is_no_number_is_refused(tmp_path, epsilon):
    transformers.ViTModel(transformers.ViTConfig(**HUGGING)).save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"layer_norm_eps": epsilon}))
    with pytest.raises(UserError, match=r"config\.json: has layer_norm_eps .*, which is not a small number"):
        read_encoder(tmp_path, "image", IMAGE, MODEL)


def test_advice_for_an_encoder_without_class_token_works_when_followed(tmp_path):
    """I-JEPA has a ViT's keys, no class token, and one position for each patch."""
    transformers.IJepaModel(transformers.IJepaConfig(**HUGGING)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"has no class token, .* or use this one as an auxiliary"):
        read_encoder(tmp_path, "image", IMAGE, MODEL)
    assert read_encoder(tmp_path, "image", IMAGE, MODEL, parts="blocks").layout == "hf-vit"


def test_keys_that_a_layout_has_not_are_named_before_positions_that_do_not_fit(tmp_path):
    transformers.YolosModel(transformers.YolosConfig(**(HUGGING | {"image_size": [16, 16]}))).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"holds embeddings\.detection_tokens and others, which that layout does not have"):
        read_encoder(tmp_path, "image", IMAGE, MODEL)


def test_an_encoder_with_no_registers_is_no_piece_of_a_model(tmp_path):
    transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**HUGGING, num_register_tokens=0)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="which m2pt does not read"):
        read_encoder(tmp_path, "image", IMAGE, MODEL)


@pytest.mark.parametrize(
    ("name", "tensor", "told"),
    [
        ("pos_embed", torch.zeros(1).expand(2**40, 24), "pos_embed repeats few numbers without end"),
        ("pos_embed", torch.zeros(2**40, 0), "pos_embed repeats few numbers without end"),
        ("blocks.0.attn.qkv.weight", torch.zeros(72, 0), "belong to no layout that m2pt reads"),
        (FC1, torch.zeros(24), "blocks.0.mlp.fc1.weight is \\(24,\\) instead of"),
    ],
    ids=["expanded", "of no width", "matrix of no width", "of one dimension"],
)
def test_a_tensor_of_no_sense_is_named_before_it_takes_memory(tmp_path, name, tensor, told):
    torch.save(files.vit() | {name: tensor}, tmp_path / "vit.pth")
    for read in (inspect, lambda path: read_encoder(path, "image", IMAGE, MODEL)):
        if read is inspect and name == FC1:
            continue
        with pytest.raises(UserError, match=told):
            read(tmp_path / "vit.pth")


def test_biases_in_parts_of_another_shape_are_named(tmp_path):
    torch.save(files.videomae() | {"encoder.blocks.0.attn.q_bias": torch.zeros(1, 24)}, tmp_path / "video.pth")
    with pytest.raises(UserError, match=r"not expected blocks\.0\.attn\.q_bias"):
        read_encoder(tmp_path / "video.pth", "video", VIDEO, MODEL)


def test_an_archive_whose_list_of_entries_is_damaged_is_told(tmp_path):
    torch.save(files.vit(), tmp_path / "vit.pth")
    content = bytearray((tmp_path / "vit.pth").read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 42 : entry + 46] = b"\xff\xff\xff\x7f"  # where the entry begins
    (tmp_path / "vit.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"vit\.pth: is damaged"):
        read_content(tmp_path / "vit.pth")
    content[entry : entry + 4] = bytes(4)
    (tmp_path / "vit.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"vit\.pth: is damaged \(its list of entries cannot be read\)"):
        read_content(tmp_path / "vit.pth")


class Own(torch.Tensor):
    """Pickled by this module's name, which the reader does not look for."""


def test_advice_for_tensors_of_a_class_of_their_own_works_when_followed(tmp_path):
    path = tmp_path / "own.pth"
    torch.save({key: tensor.as_subclass(Own) for key, tensor in files.vit().items()}, path)
    with pytest.raises(UserError, match=r"holds tensors of a class of their own; .* `tensor\.as_subclass\(torch\.Tensor\)`"):
        read_encoder(path, "image", IMAGE, MODEL)
    loaded = torch.load(path, weights_only=False)
    torch.save({key: tensor.as_subclass(torch.Tensor) for key, tensor in loaded.items()}, tmp_path / "plain.pth")
    assert torch.equal(read_encoder(tmp_path / "plain.pth", "image", IMAGE, MODEL).tensors[FC1], files.vit()[FC1])


def test_advice_for_a_distributed_checkpoint_works_when_followed(tmp_path):
    torch.distributed.checkpoint.save({"model": dict(files.vit())}, checkpoint_id=tmp_path / "parts", no_dist=True)
    with pytest.raises(UserError, match=r"is a distributed checkpoint; .*format_utils dcp_to_torch FOLDER FILE"):
        read_encoder(tmp_path / "parts", "image", IMAGE, MODEL)
    program = [sys.executable, "-m", "torch.distributed.checkpoint.format_utils", "dcp_to_torch"]
    subprocess.run([*program, str(tmp_path / "parts"), str(tmp_path / "one.pth")], check=True, capture_output=True)
    assert torch.equal(read_encoder(tmp_path / "one.pth", "image", IMAGE, MODEL).tensors[FC1], files.vit()[FC1])


def _vit():
    return timm.create_model("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, num_classes=0)


def test_advice_for_models_that_are_not_plain_works_when_followed(tmp_path):
    joined, normed = _vit(), _vit()
    attach(joined, _vit())
    torch.nn.utils.parametrizations.weight_norm(normed.blocks[0].attn.qkv)
    packed = torch.ao.quantization.quantize_dynamic(_vit(), {torch.nn.Linear}, torch.qint8)
    told = {"a model with a pathway .merge it first": joined, "remove_parametrizations": normed, "a quantised model": packed}
    for number, (sentence, model) in enumerate(told.items()):
        torch.save(model.state_dict(), tmp_path / f"{number}.pth")
        with pytest.raises(UserError, match=sentence):
            read_encoder(tmp_path / f"{number}.pth", "image", IMAGE, MODEL)
    merge(joined)
    torch.nn.utils.parametrize.remove_parametrizations(normed.blocks[0].attn.qkv, "weight")
    for number, model in enumerate((joined, normed)):
        torch.save(model.state_dict(), tmp_path / f"{number}.pth")
        found = read_encoder(tmp_path / f"{number}.pth", "image", IMAGE, MODEL)
        assert torch.equal(found.tensors[FC1], model.blocks[0].mlp.fc1.weight)


def test_advice_for_weights_under_an_unusual_name_works_when_followed(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"net": files.vit(), "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}, "epoch": 3}, path)
    with pytest.raises(UserError, match=r"if you mean those under net.*\(FILE, weights_only=False\)\['net'\], NEW_FILE"):
        read_encoder(path, "image", IMAGE, MODEL)
    torch.save(torch.load(path, weights_only=False)["net"], tmp_path / "new.pth")
    assert torch.equal(read_encoder(tmp_path / "new.pth", "image", IMAGE, MODEL).tensors[FC1], files.vit()[FC1])
    torch.save({"optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}, path)
    with pytest.raises(UserError, match=r"teacher; name a file of a model's weights\."):
        read_encoder(path, "image", IMAGE, MODEL)
