"""The option `--verify`: the files of a study are read again before a command trusts what is remembered of them."""

import sys
from argparse import Namespace

from m2pt.config import Study


def verify_first(options: Namespace, study: Study) -> None:
    """With `--verify`, read all data and weights of a study, and say which had changed without a sign.

    Raises:
        UserError: as `pipelines.planning.verification.verify`.

    """
    if not options.verify:
        return
    from pipelines.planning.verification import verify  # few ask for it

    for sentence in verify(study):
        if options.display is None:
            print(f"m2pt: {sentence}", file=sys.stderr)
        else:
            options.display.say(f"{study.study}: {sentence}")
