"""What the page of a flow run shows of its outcome."""

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from m2pt.config import Study
from pipelines.execution.session import Outcome


def show_outcome(declared: Study, outcome: Outcome) -> None:
    """The outcome as artifacts: a sentence, and a table of what is not complete."""
    key = "".join(c if c.isalnum() else "-" for c in f"{outcome.kind}-{declared.study}".lower())
    create_markdown_artifact(f"**{declared.study}**: {outcome.sentence()}.", key=key)
    problems = [{"run": name, "why": why} for name, why in (outcome.failed | outcome.waiting).items()]
    if problems:
        create_table_artifact(problems[:500], key=f"{key}-problems")
