"""Looks at results by commands that print differences: noted before anything is shown, or nothing is."""

from collections.abc import Collection

from m2pt.config import MethodName, UserError
from pipelines.planning.looks import cannot_note, journal, note_look
from pipelines.planning.plan import Plan


def note_before(plan: Plan, shown: Collection[MethodName] | None = None) -> None:
    """Note that results of a study are looked at, as `note_look` does, before they are shown.

    Raises:
        UserError: the journal cannot be read; or it cannot be written, so that the results must not be shown here.

    """
    try:
        note_look(plan, shown)
    except UserError:
        if cannot_note(plan) is None:
            raise
        raise UserError(
            f"{journal(plan)}: cannot be written, so that it could not be noted that these results were looked at; copy the "
            "project's folder, and run the command in the copy."
        ) from None
