"""What a person sees through DVC's own commands, in a small repository with this project's pipeline and a made study."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from m2pt.analysis.figures.style import MODALITY
from pipelines.reporting import report
from tests.analysis import synthetic
from tests.browser import browser

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def dvc(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of DVC in a project's folder, which must succeed."""
    quiet = {"DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(project / ".m2pt/dvc")}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=project, env=os.environ | quiet, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the stages and plots of this project, and the report of a study of two targets only."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    shutil.copy(ROOT / "dvc.yaml", root)
    shutil.copy(ROOT / "params.yaml", root)
    planned = synthetic.complete(synthetic.plan(root / "study", 3, targets=("image", "audio"), epochs=3))
    report.render(planned.source, root / "reports")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def test_dvc_shows_about_a_dozen_metrics(project: Path) -> None:
    shown = json.loads(dvc(project, "metrics", "show", "--json").stdout)
    sections = shown[""]["data"]["reports/metrics.json"]["data"]
    assert list(sections) == ["val", "test", "runs"]
    numbers = [(section, name) for section, values in sections.items() for name in values]
    assert 8 <= len(numbers) <= 16
    assert {"gain_over_random", "gain_over_random_half_width", "own_lineage_over_random", "baseline"} <= set(sections["test"])
    assert sections["runs"] == {"planned": 24, "complete": 24, "failed": 0}


def test_every_plot_is_made_for_a_narrow_study_and_says_nothing_of_what_it_lacks(project: Path) -> None:
    plots = dvc(project, "plots", "show", "--json")
    found = json.loads(plots.stdout)
    assert set(found["data"]) == {"gains", "validation", "scales"} and "errors" not in found
    shown = dvc(project, "plots", "show")
    assert not re.search("warning|error|not found|failed", shown.stderr, re.IGNORECASE), shown.stderr


def test_the_page_of_plots_opens_without_network(project: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser is installed; looked for {', '.join(BROWSERS)}")
    dvc(project, "plots", "show", "--out", "drawn")
    page = project / "drawn/index.html"
    assert "src=" not in page.read_text() and "http" not in re.sub(
        r'"https://vega[^"]*"|http://www\.w3\.org/\S+"', "", page.read_text()
    )
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={project / 'browser'}"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    headings = re.findall("<h[23]>([^<]+)</h[23]>", drawn)
    assert headings == [
        "Gains in points on test data, with 95 % intervals over paired seeds", "gain over baseline", "gain over random",
        "Validation scores, mean over seeds", "image", "audio",
        "Mean size of the scales, per layer type", "image", "audio",
    ]  # fmt: skip
    said = re.findall("<title>([^<]+)</title>", drawn)
    gains = (project / "reports/plots/gains.csv").read_text().splitlines()[1:]
    assert sum("95 % interval" in words for words in said) == len(gains)
    assert any(words.startswith("from audio: ") and words.endswith(" at epoch 3") for words in said)
    assert any(words.startswith("random, mlp.fc1: ") for words in said)
    assert "<path" in drawn and "This page draws" not in re.sub("<script.*?</script>", "", drawn, flags=re.DOTALL)


def test_plots_have_one_scale_for_gains_cut_no_name_and_have_the_reports_colours(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "project", ignore=shutil.ignore_patterns("browser"))
    gains = copy / "reports/plots/gains.csv"
    table = pd.read_csv(gains)
    table["comparison"] = table["comparison"].str.replace("image from", "image, pretrained-full-depth-lora from")
    table.loc[table.index[0], ["gain", "low", "high"]] = 0.0, -40.0, 40.0
    assert table["against"][0] == "baseline"
    table.to_csv(gains, index=False)
    dvc(copy, "plots", "show", "--out", "drawn")
    with browser(tmp_path / "browser") as tab:
        tab.open((copy / "drawn/index.html").as_uri())
        cut = (
            "[...document.querySelectorAll('svg text')].filter((text) => text.getBBox().x < 0 && !text.hasAttribute('transform'))"
        )
        assert tab.run(f"{cut}.map((text) => text.textContent)") == []
        panels = "[...document.querySelectorAll('.panels')][0].querySelectorAll('svg')"
        scale = "[...panel.querySelectorAll('text')].map((text) => text.textContent).filter((text) => /^-?[0-9.]+$/.test(text))"
        over_baseline, over_random = tab.run(f"[...{panels}].map((panel) => {scale})")
        assert over_baseline == over_random and "-40" in over_random
        legend = "[...document.querySelectorAll('.legend span')].map((item) => [item.textContent, item.innerHTML])"
        looks = dict(tab.run(legend))
        for auxiliary in ("image", "audio"):
            assert MODALITY[auxiliary] in looks[f"from {auxiliary}"]
        # The random control of a layer type has its colour, and is faint.
        assert _colour(looks["random, attn.qkv"]) == _colour(looks["attn.qkv"]) != _colour(looks["attn.proj"])
        assert "stroke-opacity: 0.55" in looks["random, attn.qkv"] and "stroke-opacity: 1" in looks["attn.qkv"]
    page = (copy / ".dvc/offline.html").read_text()
    for modality, colour in MODALITY.items():
        assert f'"from {modality}": "{colour}"' in page


def _colour(sample: str) -> str:
    found = re.search("stroke: ([^;]+);", sample)
    assert found is not None
    return found[1]
