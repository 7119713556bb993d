"""What a tracker shows of a report: the numbers that it answers with, and its first sentences."""

from pathlib import Path

from m2pt.analysis.tables.metrics import TEST
from m2pt.analysis.tables.metrics import VALIDATION as CHOOSING
from m2pt.files.documents import read_json
from pipelines.reporting.open_blocks import RENDER, open_blocks
from pipelines.tracking.metrics import GAIN, VALIDATION


def numbers(report: Path) -> dict[str, float]:
    """The averages of a complete report (`m2pt.analysis.tables.metrics`): gains on test data, and all on validation data."""
    known = read_json(report / "metrics.json", RENDER)
    gains = {name: value for name, value in known.get(TEST, {}).items() if "over" in name}
    values = {f"{GAIN}/{_shortly(name)}": float(value) for name, value in gains.items()}
    return values | {f"{VALIDATION}/{name}": float(value) for name, value in known.get(CHOOSING, {}).items()}


def _shortly(name: str) -> str:
    """The name of a gain in its group; those of the target's own modality are over random weights too."""
    return (
        name.removeprefix("gain_").replace("own_lineage_over_random", "own_lineage").replace("own_apart_over_random", "own_apart")
    )


def sentences(report: Path) -> tuple[str, ...]:
    """What a complete report says first, as Markdown: its first claim with the numbers, the question, the other claims."""
    page = read_json(report / "report.json", RENDER)
    findings, short = open_blocks(page, "findings"), open_blocks(page, "short")
    claims: list[dict[str, str]] = next((block["items"] for block in findings if block["kind"] == "items"), [])
    said = [f"**{item['text']}** {item['detail']}".strip() for item in claims]
    question = next((block["text"] for block in short if block["kind"] == "paragraph"), "")
    facts = [item for block in short if block["kind"] == "definitions" for item in block["items"]]
    listed = "\n".join([f"- {words}" for words in said[1:]] + [f"- {item['term']}: {item['text']}" for item in facts])
    about = f"Study {page['title']}: {page['lead']}"
    return tuple(filter(None, (*said[:1], page.get("notice"), question, listed, about)))
