"""Reads the words of a command line; what is wrong with them is told in one sentence, with the word that was meant."""

import argparse
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
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


def add_first_study(init: argparse.ArgumentParser) -> None:
    """The options of `init`."""
    init.add_argument("--to", type=Path, default=Path("study.yaml"), metavar="FILE", help="the new file (default: study.yaml)")
    init.add_argument("--target", type=Path, metavar="PATH", help="your data: a folder of class folders, or a table of files")
    init.add_argument("--name", help="what the study is called (default: the name of the folder)")
    init.add_argument("--modality", metavar="MODALITY", help="of the files, if their names do not say")
    init.add_argument("--start", type=Path, metavar="FILE", help="weights that the target starts from (default: from scratch)")
    init.add_argument("--auxiliary", metavar="WHAT", help="a modality to be pretrained here, or MODALITY=FILE, weights or a run")
    init.add_argument("--heads", type=int, metavar="N", help="attention heads, if they are not of width 64")
    init.add_argument("--minutes", type=float, metavar="N", help="how long the study may take on this machine")
    for name, words in (
        ("file", "the column of a table with the paths"),
        ("label", "the column with the labels"),
        ("separator", "what stands between several labels of a file"),
        ("split", "the column with train, val or test"),
        ("group", "the column with what must not be in two splits, such as patients"),
        ("group-until", "in class folders, a file's group is its name up to this text"),
    ):
        init.add_argument(f"--{name}", metavar="TEXT", help=words)


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
