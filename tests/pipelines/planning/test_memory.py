"""What cannot fit into memory is refused before anything trains."""

import pytest

from m2pt.config import FinetuneConfig, ImageInput, InputConfig, PointInput, VideoInput
from pipelines.planning import memory
from tests.specs import run_spec

GIB = 2**30


@pytest.mark.parametrize(
    ("given", "batch", "bytes_needed", "key"),
    [
        (ImageInput(size=100_000_000, patch=8), 1, 10**16 * 4, "inputs.image.size"),
        (ImageInput(size=4096, channels=3), 100, 100 * 3 * 4096**2 * 4, "inputs.image.size"),
        (ImageInput(size=8000, patch=1), 1, 8000**2 * 32 * 4, "inputs.image.size"),  # the tokens are larger than the picture
        (VideoInput(frames=10_000, size=224), 16, 16 * 10_000 * 224**2 * 4, "inputs.video.frames"),
        (PointInput(points=10**8), 8, 8 * 10**8 * 3 * 4, "inputs.point.points"),
    ],
)
def test_samples_of_an_absurd_size_are_refused_at_their_key(
    monkeypatch: pytest.MonkeyPatch, given: InputConfig, batch: int, bytes_needed: int, key: str
) -> None:
    modality = key.split(".")[1]
    spec = run_spec(target=modality, modality=modality, input=given, finetune=FinetuneConfig(batch_size=batch))
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"width": 32})})
    monkeypatch.setattr(memory, "_memory", lambda: bytes_needed - 1)
    refused = memory.too_large(spec, "cpu")
    assert refused is not None and refused.startswith(f"{key}: a sample has the sizes ")
    assert f"at least {bytes_needed / GIB:,.0f} GiB of memory" in refused
    monkeypatch.setattr(memory, "_memory", lambda: max(bytes_needed, GIB))
    assert memory.too_large(spec, "cpu") is None


def test_a_model_that_is_too_large_itself_is_told_before_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = run_spec()
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"width": 10**8})})
    monkeypatch.setattr(memory, "_memory", lambda: GIB)
    assert "lower model.width" in str(memory.too_large(spec, "cpu"))
