"""What is installed, under which licence and for what: the table of the page on dependencies."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
_LONGEST = 60
_LICENCES = ("License :: OSI Approved :: ", "License :: Other", "License :: DFSG")
_TOLD_ELSEWHERE = {
    "av": "BSD-3-Clause; its wheel brings FFmpeg (LGPL-3.0-or-later), and x264 and x265 (GPL-2.0-or-later)",
    "espeakng-loader": "MIT; it brings eSpeak NG (GPL-3.0-or-later)",
    "huey": "MIT",
    "pycocotools": "BSD-2-Clause",
    "skops": "MIT",
    "soundfile": "BSD-3-Clause; its wheel brings libsndfile (LGPL-2.1-or-later)",
}
"""Of packages whose metadata do not say it, or not of the libraries in their wheels: what their files say."""


def licence(package: Distribution) -> str:
    """The licence that a package declares: its expression, else its classifiers, else the first line of its text."""
    name = _plain(str(package.metadata["Name"]))
    if name in _TOLD_ELSEWHERE:
        return _TOLD_ELSEWHERE[name]
    facts = package.metadata.json
    classes = [str(line).rpartition(" :: ")[2] for line in _list(facts.get("classifier")) if str(line).startswith(_LICENCES)]
    lines = str(facts.get("license", "")).strip().splitlines()
    said = str(facts.get("license_expression", "")) or " / ".join(classes) or (lines[0] if lines else "")
    return said[:_LONGEST]


def is_gpl(words: str) -> bool:
    """Whether a licence, or that of a library in the wheel, leaves no choice but the GPL or AGPL; the LGPL is not meant."""
    found = [re.search(r"(?<![LA-Z])A?GPL|(?<!Lesser )General Public", way) for way in re.split(r" OR | / ", words)]
    return all(found)


def needed_by() -> dict[str, tuple[str, ...]]:
    """For each installed package, by its plain name: the parts of m2pt that need it, `core` or the name of an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = {"core": project["dependencies"], **project["optional-dependencies"]}
    installed = {_plain(str(package.metadata["Name"])): package for package in distributions()}
    found: dict[str, list[str]] = {}
    for part, lines in parts.items():
        for name in _reached(lines, installed):
            found.setdefault(name, []).append(part)
    return {name: tuple(names) for name, names in found.items()}


def _reached(lines: list[str], installed: dict[str, Distribution]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    left = [Requirement(line) for line in lines]
    while left:
        wanted = left.pop()
        name = _plain(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) in seen or name not in installed:
                continue
            if not any(known == name for known, _ in seen):
                yield name
            seen.add((name, extra))
            further = [Requirement(line) for line in installed[name].requires or ()]
            left += [each for each in further if each.marker is None or each.marker.evaluate({"extra": extra})]


def dependencies_page() -> str:
    """A row for each package that m2pt needs, of the versions that are installed."""
    parts = needed_by()
    rows = ["| package | version | licence | needed by |", "|---|---|---|---|"]
    for package in sorted(distributions(), key=lambda each: _plain(str(each.metadata["Name"]))):
        if by := parts.get(_plain(str(package.metadata["Name"]))):
            rows.append(f"| {package.metadata['Name']} | {package.version} | {licence(package)} | {', '.join(by)} |")
    return "\n".join(rows)


def gpl_page() -> str:
    """A row for each package under the GPL, with the parts of m2pt that need it."""
    parts = needed_by()
    rows = ["| package | licence | needed by |", "|---|---|---|"]
    for package in sorted(distributions(), key=lambda each: _plain(str(each.metadata["Name"]))):
        if (by := parts.get(_plain(str(package.metadata["Name"])))) and is_gpl(licence(package)):
            rows.append(f"| {package.metadata['Name']} | {licence(package)} | {', '.join(by)} |")
    return "\n".join(rows)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
