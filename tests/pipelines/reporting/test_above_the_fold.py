"""What a reader sees first: the claims, and beside them the picture of all gains."""

import json
from pathlib import Path

import pytest

from pipelines.reporting import report
from tests.analysis import synthetic


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fold")
    planned = synthetic.complete(synthetic.plan(root, 3, targets=("image", "audio"), epochs=2))
    return report.render(planned.source, root / "reports").parent


def test_the_picture_of_the_gains_stands_with_the_primary_claims_before_anything_exploratory(out: Path) -> None:
    document = json.loads((out / "report.json").read_text())
    section = document["sections"][0]
    assert section["anchor"] == "findings"
    kinds = [block["kind"] for block in section["blocks"]]
    place = kinds.index("gallery")
    assert section["blocks"][place]["figures"][0]["name"] == "matrix-pretrained-full"
    assert kinds[:place] == ["paragraph", "items"], "the claims alone are above it"
    assert "Error rates." in section["blocks"][place + 1]["text"]
    page = (out / "index.html").read_text()
    assert page.index('aria-label="Matrix of gains') < page.index('id="gains"')
    assert page.count('aria-label="Matrix of gains') == 1, "it stands once"
    text = (out / "report.md").read_text()
    assert text.index("figures/matrix-pretrained-full.png") < text.index("## Gains")
