"""`predict`: the classes of files, by the final model of a run."""

import csv
import io
import json
from argparse import Namespace
from collections.abc import Sequence

from m2pt.config import UserError
from m2pt.config.base import visible
from m2pt.files.documents import write_atomic
from m2pt.inference.predict import Scored
from m2pt.inference.predict import predict as scores
from m2pt.inference.trained import trained
from pipelines.planning.folders import run_named


def predict(options: Namespace) -> int:
    """Print the classes of highest score of each file as a table, or as JSON; or write them as CSV, a row for each."""
    if options.top < 1:
        raise UserError(f"--top: {options.top} is no number of classes; name at least 1.")
    if options.csv is not None and options.csv.exists():
        raise UserError(f"{options.csv}: is there already; give another name with --csv, or remove it.")
    model = trained(run_named(options.run))
    scored = [(item.name, best(item, model.classes, options.top)) for item in scores(model, options.files)]
    if options.csv is not None:
        write_atomic(options.csv, _csv(scored), durable=False)
        print(f"{options.csv}: has the classes of {len(scored)} sample{'s' if len(scored) > 1 else ''}.")
    elif options.json:
        print(
            json.dumps(
                [{"file": name, "classes": [{"class": label, "score": score} for label, score in of]} for name, of in scored]
            )
        )
    else:
        print("\n".join(_table(scored)))
    return 0


Best = Sequence[tuple[str, float]]
"""Classes with their scores, the highest first."""

_FIELDS = ("class", "score")


def best(item: Scored, classes: Sequence[str], count: int) -> Best:
    """The `count` classes of highest score; of equal ones the first in the order of the classes."""
    order = sorted(range(len(classes)), key=lambda index: -item.scores[index])
    return [(classes[index], item.scores[index]) for index in order[:count]]


def _table(scored: Sequence[tuple[str, Best]]) -> list[str]:
    places = max(len(of) for _, of in scored)
    head = ["file", *(word for _ in range(places) for word in _FIELDS)]
    rows = [
        head,
        *([visible(name), *(word for label, value in of for word in (visible(label), f"{value:.4f}"))] for name, of in scored),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _csv(scored: Sequence[tuple[str, Best]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "rank", *_FIELDS])
    for name, of in scored:
        writer.writerows([name, rank, label, repr(score)] for rank, (label, score) in enumerate(of, start=1))
    return text.getvalue().encode()
