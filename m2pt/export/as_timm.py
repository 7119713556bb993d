"""A folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` loads."""

from pathlib import Path

import timm
import torch
from timm.models import save_for_hf

from m2pt.export.examples import difference, examples, own_logits
from m2pt.export.vit import Vit, not_plain, vit_of
from m2pt.export.written import Written
from m2pt.files.documents import read_json, write_json
from m2pt.inference.trained import Trained

ARCHITECTURE = "vit_base_patch16_224"
"""A name that timm knows; all that makes the model another one is among its arguments."""

EPSILON = 1e-6
"""Of timm's norms."""

_USAGE = """import timm

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))  # of pictures"""


def write(model: Trained, folder: Path) -> Written:
    """Write a model as timm's. Raises `UserError` if it is no ViT of timm's."""
    vit = vit_of(model)
    if vit.epsilons != {EPSILON}:
        raise not_plain(f"its norms have another epsilon than {EPSILON:g}")
    written = timm.create_model(ARCHITECTURE, **vit.arguments)
    written.load_state_dict(vit.tensors)
    data = {"mean": vit.mean, "std": vit.std, "crop_pct": vit.crop, "interpolation": "bicubic", "crop_mode": "center"}
    labels = {"label_names": list(model.classes)}
    save_for_hf(written, str(folder), model_config=labels, safe_serialization=True, data_config=data)
    _mend(folder / "config.json")
    loaded = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    x = examples(model)
    with torch.no_grad():
        logits = loaded(normalised(x, vit))
    return Written(takes(model, vit), _USAGE, ("timm", "torch"), difference(own_logits(model, x), logits))


def _mend(path: Path) -> None:
    """Take out what the file says of the architecture's published weights, and what transformers reads elsewhere."""
    config = read_json(path)
    for key in ("tag", "license"):
        config["pretrained_cfg"].pop(key, None)
    del config["model_args"]["num_classes"]
    write_json(path, config)


def normalised(x: torch.Tensor, vit: Vit) -> torch.Tensor:
    """Samples as a ViT of timm's takes them."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (vit.mean, vit.std))
    return (x - mean) / std


def takes(model: Trained, vit: Vit) -> str:
    """What a ViT of timm's takes."""
    shape = " x ".join(map(str, model.spec.input.sample_shape))
    what = "Pictures" if model.spec.modality == "image" else "Log-mel filterbanks"
    grey = (
        " in grey (timm's transform does not convert them)" if what == "Pictures" and model.spec.input.patch_shape[0] == 1 else ""
    )
    constants = f"{', '.join(map(str, vit.mean))}, divided by {', '.join(map(str, vit.std))}"
    return f"{what}{grey}, batch x {shape}, float32, minus {constants}."
