"""Where a command shows what it does beside the terminal: the pages of Prefect, or nowhere."""

from collections.abc import Sequence
from typing import Literal, Protocol

End = Literal["COMPLETED", "FAILED", "CANCELLED"]


class Task(Protocol):
    """A piece of work that is shown while it goes on."""

    def log(self, message: str, error: bool = False) -> None:
        """Add a line to its log."""

    def end(self, state: End, message: str = "") -> None:
        """It has ended."""


class Shown(Protocol):
    """Shows what a command does. Nothing waits for it, and nothing fails because of it."""

    def log(self, message: str) -> None:
        """Add a line to the log of the command."""

    def begin(self, kind: str, name: str) -> Task:
        """A piece of work of a kind goes on from now."""

    def keep(self, kind: Literal["markdown", "table"], key: str, data: str | Sequence[object], description: str) -> None:
        """Keep a text or a table with the command."""


class Nowhere:
    """Shows nothing."""

    def log(self, message: str, error: bool = False) -> None:
        """Nobody reads it."""

    def begin(self, kind: str, name: str) -> "Nowhere":
        """Nobody sees it."""
        return self

    def end(self, state: End, message: str = "") -> None:
        """Nobody sees it."""

    def keep(self, kind: Literal["markdown", "table"], key: str, data: str | Sequence[object], description: str) -> None:
        """Nobody sees it."""
