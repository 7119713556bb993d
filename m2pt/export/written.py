"""What a format leaves behind, for the card of the model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """A model that is written in a format, loaded back by the format's own client, and compared with the run's own.

    `takes` says what it takes, as a sentence; `usage` is the code that loads it from `FOLDER`; `packages` are what wrote it;
    `difference` is the largest difference of its logits from the run's own, None where they are the very same bytes.
    """

    takes: str
    usage: str
    packages: tuple[str, ...]
    difference: float | None
