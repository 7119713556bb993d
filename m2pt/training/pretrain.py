"""Making an encoder: masked autoencoding without labels, further training with labels, or brackets instead of samples.

Sources: MAE (arXiv 2111.06377), AudioMAE (2207.06405), Point-MAE (2203.06604), VideoMAE (2203.12602): encode the visible
tokens only, decode with a mask token in the hidden positions, predict the content of the hidden patches.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from m2pt.config import InputConfig, LabelPretrain, MaePretrain, Modality, ModelConfig, ProceduralPretrain
from m2pt.layers import fourier_positions, initialise
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.patches import Patches
from m2pt.modalities.shared.samples import Samples
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.folder import ENCODER
from m2pt.runs.identity import derived_seed, run_id
from m2pt.runs.record import PretrainRecord
from m2pt.runs.spec import PretrainSpec
from m2pt.training.brackets import BracketReader, bracket_sequences, hidden_places
from m2pt.training.feeds import EVALUATION_BATCH
from m2pt.training.finite import refuse_outputs
from m2pt.training.pretraining_steps import Course, Draw, do_steps
from m2pt.training.reconstructions import save_reconstructions
from m2pt.training.without_signal import as_declared
from m2pt.weights.saved import load_into, read_weights, save_weights


class MaskedAutoencoder(nn.Module):
    """An encoder with its tokenizer, and the light decoder that is discarded after pretraining."""

    def __init__(self, modality: Modality, input_config: InputConfig, config: ModelConfig, decoder_depth: int) -> None:
        super().__init__()
        self.tokenizer = SPECS[modality].parts().tokenizer(input_config, config.width)
        self.encoder = Encoder(config)
        self.bridge = nn.Linear(config.width, config.width)
        self.mask_token = nn.Parameter(torch.zeros(config.width))
        self.decoder = Encoder(config.model_copy(update={"depth": decoder_depth}))
        self.prediction = nn.Linear(config.width, self.tokenizer.num_values)
        nn.init.normal_(self.mask_token, std=0.02)
        initialise(self.bridge)
        initialise(self.prediction)

    def forward(self, patches: Patches, hidden_BN: Tensor) -> Tensor:
        """Predict the hidden patches (B, M, P), in the order of their places; each sample hides the same number M."""
        batch, visible_BN = len(hidden_BN), ~hidden_BN
        visible = Patches(
            patches.values_BNP[visible_BN].view(batch, -1, patches.values_BNP.shape[-1]),
            patches.coordinates_BN3[visible_BN].view(batch, -1, 3),
        )
        visible_BKD = self.bridge(self.encoder(self.tokenizer.embed(visible)))
        width = visible_BKD.shape[-1]
        everywhere = self.mask_token.expand(batch, hidden_BN.shape[1], width).clone()
        everywhere[visible_BN] = visible_BKD.reshape(-1, width)
        decoded = self.decoder(everywhere + fourier_positions(patches.coordinates_BN3, width))
        predicted: Tensor = self.prediction(decoded[hidden_BN].view(batch, -1, width))
        return predicted


class PretrainedEncoder(nn.Module):
    """The part of a pretrained model that is kept, under the keys of a weights file: `tokenizer.*`, `blocks.*`, `norm.*`."""

    def __init__(self, tokenizer: nn.Module, blocks: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.blocks = blocks
        self.norm = norm


def pretrain(spec: PretrainSpec, splits: dict[str, Samples], start: Path | None, course: Course) -> PretrainRecord:
    """Pretrain one encoder for a fixed number of steps; returns the record (not yet written).

    `splits` holds `pretrain` and `val`, and nothing for a procedural source; `start` is the weights file that a `labels` source
    continues from, if it does.

    Raises:
        UserError: weights do not match, a loss is not finite, or there is no space.
        StoppedError: the job was asked to stop; a checkpoint is written.

    """
    torch.manual_seed(derived_seed(spec.seed, "pretraining", spec.modality, spec.source))
    if isinstance(spec.pretrain, ProceduralPretrain):
        return _brackets(spec, spec.pretrain, course)
    splits = as_declared(spec, splits)
    if isinstance(spec.pretrain, MaePretrain):
        return _masked(spec, spec.pretrain, splits, course)
    if (start is None) != (spec.start is None):
        raise ValueError(f"{spec.name}: a training with labels starts from the encoder that its spec names, or from none")
    tensors = None if start is None or spec.start is None else read_weights(start, spec.start.sha256)
    return _labelled(spec, spec.pretrain, splits, tensors, course)


def _masked(spec: PretrainSpec, recipe: MaePretrain, splits: dict[str, Samples], course: Course) -> PretrainRecord:
    device = course.device
    model = MaskedAutoencoder(spec.modality, spec.input, spec.model, recipe.decoder_depth).to(device)

    def loss_of(x: Tensor, y: Tensor, noise: torch.Generator) -> Tensor:
        del y
        return reconstruction_loss(model, spec, recipe.mask_ratio, x.to(device), noise)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        model.eval()
        noise = torch.Generator().manual_seed(derived_seed(spec.seed, "validation masks"))
        parts = splits["val"].x.split(recipe.batch_size)
        total = sum(
            float(reconstruction_loss(model, spec, recipe.mask_ratio, part.to(device), noise)) * len(part) for part in parts
        )
        model.train()
        return {"val/loss": total / len(splits["val"].x)}

    history = do_steps(spec, model, recipe, batches(spec, recipe, splits["pretrain"]), loss_of, validate, course)
    with course.watch.measure("evaluate"):
        save_reconstructions(course.run_dir, spec, model, model.tokenizer, splits["val"].x, recipe.mask_ratio, device)
    kept = PretrainedEncoder(model.tokenizer, model.encoder.blocks, model.encoder.norm)
    return _record(spec, "reconstruction_loss", history[-1]["val/loss"], kept, course.run_dir)


def reconstruction_loss(model: MaskedAutoencoder, spec: PretrainSpec, ratio: float, x: Tensor, noise: torch.Generator) -> Tensor:
    """The mean loss of samples `x` (B, ...), a share `ratio` of whose patches `noise` hides, as the modality defines it."""
    patches = model.tokenizer.patchify(x)
    hidden_BN = model.tokenizer.hidden(len(x), ratio, noise).to(x.device)
    target = patches.values_BNP[hidden_BN].view(len(x), -1, patches.values_BNP.shape[-1])
    return SPECS[spec.modality].parts().reconstruction.loss(model(patches, hidden_BN), target)


def _labelled(
    spec: PretrainSpec,
    recipe: LabelPretrain,
    splits: dict[str, Samples],
    tensors: dict[str, Tensor] | None,
    course: Course,
) -> PretrainRecord:
    device = course.device
    model = Model(spec.modality, spec.input, spec.model, len(splits["pretrain"].classes))
    if tensors is not None:
        load_into(model.tokenizer, tensors, "tokenizer.", f"encoder {spec.source}")
        load_into(model.blocks, tensors, "blocks.", f"encoder {spec.source}")
    model.to(device)
    cross_entropy = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)

    def loss_of(x: Tensor, y: Tensor, noise: torch.Generator) -> Tensor:
        del noise
        loss: Tensor = cross_entropy(model(x.to(device)), y.to(device))
        return loss

    @torch.no_grad()
    def validate() -> dict[str, float]:
        model.eval()
        outputs = torch.cat([model(part.to(device)).float().cpu() for part in splits["val"].x.split(EVALUATION_BATCH)])
        refuse_outputs(outputs)
        model.train()
        hits = int((outputs.argmax(dim=1) == splits["val"].y).sum())
        loss = nn.functional.cross_entropy(outputs, splits["val"].y)
        return {"val/loss": float(loss), "val/accuracy": 100.0 * hits / len(outputs)}

    history = do_steps(spec, model, recipe, batches(spec, recipe, splits["pretrain"]), loss_of, validate, course)
    kept = PretrainedEncoder(model.tokenizer, model.blocks, model.fc_norm)
    return _record(spec, "accuracy", history[-1]["val/accuracy"], kept, course.run_dir)


def _brackets(spec: PretrainSpec, recipe: ProceduralPretrain, course: Course) -> PretrainRecord:
    device = course.device
    model = BracketReader(spec.model, recipe).to(device)

    def draw(noise: torch.Generator) -> tuple[Tensor, Tensor]:
        tokens_BN = bracket_sequences(recipe.batch_size, recipe, noise)
        return tokens_BN, hidden_places(tokens_BN, recipe, noise)

    def loss_of(tokens_BN: Tensor, hidden_BN: Tensor, noise: torch.Generator) -> Tensor:
        del noise
        scores = model(tokens_BN.to(device), hidden_BN.to(device))
        return nn.functional.cross_entropy(scores, tokens_BN[hidden_BN].to(device))

    @torch.no_grad()
    def validate() -> dict[str, float]:
        model.eval()
        tokens_BN, hidden_BN = draw(torch.Generator().manual_seed(derived_seed(spec.seed, "validation brackets", spec.modality)))
        scores, names = model(tokens_BN.to(device), hidden_BN.to(device)).float().cpu(), tokens_BN[hidden_BN]
        refuse_outputs(scores)
        model.train()
        hits = int((scores.argmax(dim=1) == names).sum())
        return {"val/loss": float(nn.functional.cross_entropy(scores, names)), "val/accuracy": 100.0 * hits / len(names)}

    history = do_steps(spec, model, recipe, draw, loss_of, validate, course)
    return _record(spec, "accuracy", history[-1]["val/accuracy"], model.encoder, course.run_dir)


def batches(spec: PretrainSpec, recipe: MaePretrain | LabelPretrain, pool: Samples) -> Draw:
    """Batches of a split, drawn with replacement and augmented."""

    def draw(noise: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(pool.y), (recipe.batch_size,), generator=noise)
        return SPECS[spec.modality].parts().augment(pool.x[chosen], noise), pool.y[chosen]

    return draw


def _record(spec: PretrainSpec, metric: str, score: float, kept: nn.Module, run_dir: Path) -> PretrainRecord:
    return PretrainRecord(
        run_id=run_id(spec),
        kind=spec.kind,
        metric=metric,
        val_score=score,
        parameters=sum(p.numel() for p in kept.parameters()),
        files={ENCODER: save_weights(run_dir / ENCODER, kept)},
    )
