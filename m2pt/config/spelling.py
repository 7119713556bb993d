"""What a misspelt word was meant to be."""

import difflib
from collections.abc import Iterable

_ALIKE = 0.6
"""How alike two words must be (`difflib`'s ratio, 1 for equal ones) for one to be taken for the other."""


def meant(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like one, in any case and with `-` for `_`; or of which it is the initials, as of `lr`.

    None if no word is like it.
    """
    plain = {_plain(each): each for each in reversed(list(known))}
    close = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=_ALIKE)
    if close:
        return plain[close[0]]
    initials = [each for flat, each in plain.items() if "_" in flat and _initials(flat) == _plain(word)]
    return initials[0] if len(initials) == 1 else None


def suggestion(word: object, known: Iterable[str]) -> str:
    """`; did you mean X?`, as the end of a sentence; empty if nothing known is like the word."""
    close = meant(word, known) if isinstance(word, str) else None
    return "" if close is None else f"; did you mean {close}?"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def _initials(word: str) -> str:
    return "".join(part[:1] for part in word.split("_"))
