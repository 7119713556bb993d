"""How long it takes to render and to open the report of a large study.

    .venv/bin/python benchmarks/report_size.py [--records 5000] [--seeds 10] [--keep FOLDER]

Writes synthetic records of that many runs (4 targets, 3 auxiliaries each, both controls, one part of the study per hundred-odd
runs, one failed run in a hundred) in the form that jobs leave, renders their report with the function that `m2pt report` calls,
and opens the page in a headless Chromium, if there is one. Prints the seconds of both and the size of the page. The exit code is
1 if rendering takes more than 60 s, or the page takes more than 3 s to load and lay out, or has more than 5 MB. Expect under 45 s
and about 1 s on a quiet core.
"""

import argparse
import json
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2pt.config import LAYERS, MODALITIES, Study
from m2pt.config.study_file import parse_study
from m2pt.runs.folder import ENCODER, EXECUTION, FAILURE, HISTORY, MERGED, RECORD, SPEC
from m2pt.runs.identity import RECIPE_VERSION, derived_seed, run_id
from m2pt.runs.spec import EncoderKey, PretrainSpec, RunSpec, Spec
from pipelines.planning import grid

RENDER_S, OPEN_S, PAGE_BYTES = 60.0, 3.0, 5_000_000

STUDY = """
study: large
data: {embedded: {}}
encoders:
  mae: {kind: mae}
  mae+labels: {kind: labels, start: mae}
sweep:
  seeds: %s
  targets: [image, audio, point, video]
  auxiliaries: [image, audio, point, video]
  auxiliary_encoder: mae+labels
parts:
%s
"""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_RUNS_OF_A_PART = 20  # per seed; the baselines are common to all parts
_CLASSES = [str(number) for number in range(10)]
_TIMER = """<script>addEventListener("load", () => {
const height = document.documentElement.getBoundingClientRect().height;
document.title = `loaded ${(performance.now() / 1000).toFixed(3)} ${Math.round(height)}`; });</script></body>"""


def planned(count: int, seeds: int) -> tuple[Study, grid.Fingerprints]:
    """A study of about `count` runs: as many parts as that takes, which differ by the initial scale."""
    parts = max(1, round(count / (_RUNS_OF_A_PART * seeds)))
    lines = [f"  - {{name: part-{number}, set: {{pathway.scale_init: {0.001 * number}}}}}" for number in range(parts)]
    study = parse_study(STUDY % (list(range(seeds)), "\n".join(lines)), "large.yaml")
    weights = {EncoderKey(source, modality): _sha(source, modality) for source in study.encoders for modality in MODALITIES}
    return study, grid.Fingerprints({modality: _sha("data", modality) for modality in MODALITIES}, weights)


def write_runs(specs: Sequence[Spec], folder: Path, *, failing: bool = True) -> None:
    """The folders of all runs: complete ones, and (if `failing`) one failed in a hundred."""
    for number, spec in enumerate(specs):
        run_dir = folder / run_id(spec)
        (run_dir / "local").mkdir(parents=True)
        rng = np.random.default_rng(derived_seed(spec.seed, run_dir.name))
        document = {"run_id": run_dir.name, "recipe_version": RECIPE_VERSION, "spec": spec.model_dump(mode="json")}
        _write(run_dir / SPEC, document)
        _write(run_dir / EXECUTION, {"attempts": [_attempt(rng)]})
        if isinstance(spec, PretrainSpec):
            _write(run_dir / RECORD, _encoder_record(spec))
        elif failing and number % 100 == 99:
            _write(run_dir / FAILURE, {"error": "the loss of epoch 4 is not finite", "details": "", "kind": "error"})
        else:
            write_result(run_dir, spec, rng)


def write_result(run_dir: Path, spec: RunSpec, rng: np.random.Generator) -> None:
    """The history and the record of a complete run, with scores that are drawn."""
    epochs = np.arange(1, spec.finetune.epochs + 1)
    progress = 1 - np.exp(-3 * epochs / len(epochs))
    confusion = _confusion(spec, rng)
    score = float(100 * np.trace(confusion) / confusion.sum())
    columns = {"step": 16 * epochs, "train/loss": 2.3 - 1.2 * progress, "train/accuracy": 10 + 60 * progress}
    columns |= {"val/loss": 2.3 - 0.9 * progress, "val/accuracy": 10 + (score - 9) * progress + rng.normal(0, 1, len(epochs))}
    names = [f"blocks.{block}.{layer}" for block in range(spec.model.depth) for layer in LAYERS] if spec.pathway else []
    ends = dict(zip(names, rng.normal(0, 0.2, len(names)), strict=True))
    columns |= {f"scale/{name}": end * progress for name, end in ends.items()}
    columns |= {f"effective_size/{name}": 0.9 * abs(end) * progress for name, end in ends.items()}
    lines = ({"epoch": int(epoch)} | {key: float(values[epoch - 1]) for key, values in columns.items()} for epoch in epochs)
    (run_dir / HISTORY).write_text("".join(json.dumps(line) + "\n" for line in lines))
    scales = {name: float(end * progress[-1]) for name, end in ends.items()}
    sizes = {name: 0.9 * abs(value) for name, value in scales.items()}
    record = {
        "run_id": run_dir.name, "kind": "finetune", "metric": "accuracy", "score": "last", "epoch": len(epochs),
        "val_score": score + 0.5, "test_score": score, "test_scores": {"accuracy": score}, "val_samples": 500,
        "test_samples": int(confusion.sum()),
        "classes": _CLASSES, "confusion": confusion.tolist(), "scales": scales, "effective_sizes": sizes,
        "scale_abs_mean": float(np.mean(np.abs(list(scales.values())))) if scales else None,
        "effective_size_mean": float(np.mean(list(sizes.values()))) if scales else None,
        "parameters": 205_000, "trainable_parameters": 400_000 if scales else 205_000,
        "merge": {"max_logit_difference": 2.4e-6, "parameters": 205_000, "plain_parameters": 205_000} if scales else None,
        "files": {MERGED: _sha(run_dir.name)},
    }  # fmt: skip
    _write(run_dir / RECORD, record)


def _confusion(spec: RunSpec, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A hundred test samples of each class, of which a few more are classified correctly with an auxiliary than without."""
    gain = {"baseline": 0.0, "pathway": 0.015, "random_auxiliary": 0.013, "own_apart": 0.02, "own_lineage": 0.04}[spec.method]
    rows = []
    for true in range(len(_CLASSES)):
        right = 0.55 + 0.02 * true + gain
        chances = np.full(len(_CLASSES), (1 - right) / (len(_CLASSES) - 1))
        chances[true] = right
        rows.append(rng.multinomial(100, chances))
    return np.array(rows)


def _attempt(rng: np.random.Generator) -> dict[str, Any]:
    seconds = {"load": 0.3, "train": 2.5 + rng.random(), "evaluate": 0.4, "total": 4.0}
    versions = {"python": "3.11.9", "torch": "2.13.0", "timm": "1.0.31", "numpy": "2.4.6", "m2pt": "0.1.0"}
    return {
        "started": "2026-11-21T11:00:00+00:00", "resumed_from_epoch": 0, "seconds": seconds, "device": "cpu",
        "device_name": "x86_64", "devices": 1, "threads": 1,
        "peak_memory_bytes": 525_000_000, "git_commit": "abc1234" * 5, "versions": versions,
    }  # fmt: skip


def _encoder_record(spec: PretrainSpec) -> dict[str, Any]:
    scores = {"metric": "accuracy", "val_score": 88.4} if spec.start else {"metric": "reconstruction_loss", "val_score": 0.412}
    files = {ENCODER: _sha(spec.source, spec.modality)}
    return scores | {"run_id": run_id(spec), "kind": "pretrain", "parameters": 205_000, "files": files}


def _sha(*parts: str) -> str:
    return f"{derived_seed(0, *parts):016x}" * 4


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def opened(page: Path, browser: str) -> float | None:
    """Seconds from the start of loading the page until all of it is loaded and laid out; None if the browser reports no time."""
    timed = page.with_name("timed.html")
    timed.write_text(page.read_text(encoding="utf-8").replace("</body>", _TIMER), encoding="utf-8")
    quiet = [
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    ]
    with tempfile.TemporaryDirectory(prefix="m2pt browser ") as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={profile}"]
        command += ["--window-size=1280,900", "--dump-dom", timed.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    timed.unlink()
    loaded = re.search(r"<title>loaded ([\d.]+) \d+</title>", done.stdout)
    return float(loaded[1]) if loaded else None


def measure(folder: Path, count: int, seeds: int) -> bool:
    """Write, render and open the report of `count` runs in `folder`, and print what it took; returns whether limits are kept."""
    from m2pt.analysis.sections.facts import Source  # not for those who write runs alone, in many short processes
    from pipelines.reporting.report import render

    study, prints = planned(count, seeds)
    specs, pretraining = grid.run_specs(study, prints), grid.pretrain_specs(study, prints)
    parts = grid.part_specs(study, prints)
    runs, encoders = folder / "runs", folder / "encoders"
    if not runs.is_dir():
        write_runs(specs, runs)
        write_runs(pretraining, encoders)
    start, used = time.perf_counter(), _processor_seconds()
    page = render(Source(study, specs, runs, pretraining, encoders, parts), folder / "reports")
    seconds, used, size = time.perf_counter() - start, _processor_seconds() - used, page.stat().st_size
    files = [path for path in page.parent.rglob("*") if path.is_file()]
    print(f"{len(specs)} runs in {len(parts)} parts: rendered in {seconds:.1f} s ({used:.1f} s of processor)")
    print(f"page {size / 1e6:.2f} MB; {len(files)} files of {sum(path.stat().st_size for path in files) / 1e6:.1f} MB in all")
    open_s = _open(page)
    return seconds <= RENDER_S and size <= PAGE_BYTES and (open_s is None or open_s <= OPEN_S)


def _open(page: Path) -> float | None:
    """Open the page three times, print the shortest time and return it; None if there is no browser or it reports no time.

    The processor's seconds of one opening, less those of an empty page, say how long it takes where the machine is not quiet.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print("no browser to open it in")
        return None
    empty = page.with_name("empty.html")
    empty.write_text("<!DOCTYPE html><html><head><title></title></head><body></body></html>")
    used = [_processor_seconds()]
    opened(empty, browser)
    used.append(_processor_seconds())
    empty.unlink()
    times = [seconds for _ in range(3) if (seconds := opened(page, browser)) is not None]
    used.append(_processor_seconds())
    more = (used[2] - used[1]) / 3 - (used[1] - used[0])
    print(f"opens in {min(times)} s ({more:.1f} s of processor more than an empty page)" if times else "no time reported")
    return min(times, default=None)


def _processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def main() -> int:
    """Print what was measured; exit code 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="a folder for runs and report, which stay; runs that lie there are used again")
    given = parser.parse_args()
    if given.keep:
        return 0 if measure(given.keep, given.records, given.seeds) else 1
    with tempfile.TemporaryDirectory(prefix="m2pt report ") as name:
        return 0 if measure(Path(name), given.records, given.seeds) else 1


if __name__ == "__main__":
    raise SystemExit(main())
