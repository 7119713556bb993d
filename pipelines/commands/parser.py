"""Reads the words of a command line; what is wrong with them is told in one sentence, with the word that was meant."""

import argparse
import re
from argparse import Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

_CHOICE = re.compile(r"argument (?P<name>.+): invalid choice: '(?P<word>.*)' \(choose from (?P<known>.*)\)")
_SENTENCES = (
    (r"argument (.+): expected one argument", r"\1: needs a value"),
    (r"argument (.+): invalid (\w+) value: '(.*)'", r"\1: '\3' is not a \2"),
    (r"argument (.+): not allowed with argument (.+)", r"\1: cannot be given together with \2"),
    (r"one of the arguments (.+) is required", r"one of these options is missing: \1"),
    (r"the following arguments are required: (.+)", r"something is missing: \1"),
)
"""What argparse says, as a pattern, and our words for it."""

_TYPES = {"is not a int": "is not a whole number", "is not a float": "is not a number"}


class Parser(argparse.ArgumentParser):
    """A parser of `m2pt` or of one of its commands. Its errors end the program with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """End with one sentence in place of argparse's usage and message."""
        self.exit(2, f"{self.prog}: {self._sentence(message)}\n")

    def parse_known_args(  # type: ignore[override]  # argparse's has overloads for the type of the namespace, which is always this
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Namespace, list[str]]:
        """As argparse's, but what a command does not know is an error of the command, which knows its own options."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {unknown[0]}")
        return known, unknown

    def _sentence(self, message: str) -> str:
        from m2pt.config.spelling import suggestion  # the help needs none of this

        see = f"; see {self.prog} --help."
        if choice := _CHOICE.fullmatch(message):
            known = re.findall(r"[\w-]+", choice["known"])
            meant = suggestion(choice["word"], known) or f"; use one of {', '.join(known)}."
            return f"{choice['name']}: there is no '{choice['word']}'{meant}"
        if message.startswith("unrecognized arguments: "):
            word = message.removeprefix("unrecognized arguments: ")
            options = re.findall(r"(?<![\w-])--[a-z][\w-]*", self.format_usage())
            return f"{word}: is not known here{suggestion(word.partition('=')[0], options) or see}"
        for pattern, words in _SENTENCES:
            if re.fullmatch(pattern, message):
                sentence = re.sub(pattern, words, message)
                for ours, plain in _TYPES.items():
                    sentence = sentence.replace(ours, plain)
                return sentence + see
        return message + see
