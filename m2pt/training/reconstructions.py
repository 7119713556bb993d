"""A picture of what a masked autoencoder has learned: originals, the visible patches, and the reconstructions."""

import io
from pathlib import Path

import torch
from torch import Tensor, nn

from m2pt.files.documents import write_atomic
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.tokenizer import PatchTokenizer
from m2pt.runs.folder import RECONSTRUCTIONS
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import PretrainSpec

COUNT = 6
ROWS = ("original", "seen by the encoder", "reconstructed")


@torch.no_grad()
def save_reconstructions(
    run_dir: Path, spec: PretrainSpec, model: nn.Module, tokenizer: PatchTokenizer, x: Tensor, ratio: float, device: torch.device
) -> None:
    """Draw evenly spaced validation samples to `reconstructions.png`; the visible patches of the last row are the true ones."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # a worker that only fine-tunes starts sooner without
    from matplotlib.figure import Figure

    model.eval()
    reconstruction = SPECS[spec.modality].parts().reconstruction
    chosen = x[torch.linspace(0, len(x) - 1, COUNT).round().long()].to(device)
    patches = tokenizer.patchify(chosen)
    noise = torch.Generator().manual_seed(derived_seed(spec.seed, "pictures"))
    hidden_BN = tokenizer.hidden(COUNT, ratio, noise).to(device)
    values = patches.values_BNP
    predicted = model(patches, hidden_BN)
    filled = values.clone()
    filled[hidden_BN] = reconstruction.restore(predicted, values[hidden_BN].view_as(predicted)).flatten(0, 1)
    figure = Figure(figsize=(1.6 * COUNT, 1.5 * len(ROWS) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{spec.modality}: {float(hidden_BN.float().mean()):.0%} of the tokens hidden", fontsize=10)
    axes = figure.subplots(len(ROWS), COUNT, squeeze=False)
    for column in range(COUNT):
        for row, shown in enumerate((values, values, filled)):
            mask = hidden_BN[column].cpu() if row == 1 else None
            reconstruction.draw(axes[row][column], tokenizer, shown[column].cpu(), patches.coordinates_BN3[column].cpu(), mask)
            axes[row][column].set(xticks=[], yticks=[])
    for row, title in enumerate(ROWS):
        axes[row][0].set_ylabel(title, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_atomic(run_dir / RECONSTRUCTIONS, buffer.getvalue())
