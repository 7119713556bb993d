"""A benchmark from its command line to its table: every part runs in a process of its own; one that fails holds up no other."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring.fixtures import Setup
from benchmarks.measuring.parts import Part
from m2pt.runs.environment import cpu_capability, processor_name, versions
from m2pt.runs.source import git_commit

_MARK = "rows: "


def arguments(module: str, what: str, parts: Mapping[str, Part], out: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(prog=module, description=what)
    parser.add_argument("--tiny", action="store_true", help="try the code in small; times mean nothing")
    parser.add_argument("--only", nargs="+", choices=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--part", choices=parts, help=argparse.SUPPRESS)
    return parser


def run_here(part: Part, setup: Setup) -> int:
    """Do a part in this process, for the one that started it."""
    torch.set_num_threads(1 if setup.device.type == "cpu" else 4)
    print(_MARK + json.dumps([asdict(row) for row in part(setup)]), flush=True)
    return 0


def run_apart(name: str, command: list[str], limit_s: float) -> dict[str, Any]:
    """The rows of a part from its own process, or why there are none; `command` makes it call `run_here`."""
    begin = time.monotonic()
    try:
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=limit_s)
        lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
        error = None if lines and done.returncode == 0 else (done.stderr.strip() or f"it ended with {done.returncode}")[-2000:]
        rows = json.loads(lines[-1].removeprefix(_MARK)) if lines else []
    except subprocess.TimeoutExpired:
        error, rows = f"it had not ended after {limit_s} s", []
    seconds = time.monotonic() - begin
    print(f"{name}: {'failed' if error else 'done'} after {seconds:.0f} s", file=sys.stderr, flush=True)
    return {"rows": rows, "error": error, "seconds": round(seconds, 1)}


def save(document: dict[str, Any], folder: Path, name: str) -> None:
    """Write `NAME.json` and `NAME.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("json", json.dumps(document, indent=1) + "\n"), ("md", table(document))):
        (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")


def finish(document: dict[str, Any], folder: Path, name: str) -> int:
    """Save and print the table; 1 if a part failed or a limit does not hold (not of tiny numbers)."""
    save(document, folder, name)
    print(table(document))
    parts = document["parts"].values()
    lost = [row for part in parts for row in part["rows"] if row["holds"] is False]
    return int(bool(lost and not document["tiny"]) or any(part["error"] for part in parts))


def table(document: Mapping[str, Any]) -> str:
    """The table of a benchmark in Markdown, below what it was measured on."""
    lines = [", ".join(f"{name} {value}" for name, value in document["machine"].items()), ""]
    lines += ["| what | measured | limit | holds |", "|---|---|---|---|"]
    for name, part in document["parts"].items():
        for row in part["rows"]:
            holds = {None: "", True: "yes", False: "**no**"}[row["holds"]]
            lines.append(f"| {row['what']} | {row['value']} | {row['limit']} | {holds} |")
        if part["error"]:
            lines.append(f"| {name} | failed: {part['error'].splitlines()[-1]} | | **no** |")
    return "\n".join(lines) + "\n"


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    installed = versions()
    return {
        "processor": processor_name(),
        "cores": str(os.cpu_count()),
        "instructions": cpu_capability(),
        "Python": installed["python"],
        "torch": installed["torch"],
        "timm": installed["timm"],
        "m2pt": (git_commit() or "without git")[:12],
    }


def load() -> float:
    """How many processes wanted a processor in the last minute, on average; 0 where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0
