"""`gc`: what can be removed from the project's folder, with its size; with `--delete` it is removed."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from m2pt.config import UserError
from pipelines.execution.program import as_called
from pipelines.housekeeping.garbage import MEANING, Garbage, Kind, Listing
from pipelines.housekeeping.project import garbage, no_study_runs, remove
from pipelines.housekeeping.sizes import in_words
from pipelines.planning import study_file
from pipelines.planning.plan import resolve
from pipelines.reporting.rendering import study_option


def gc(options: Namespace) -> int:
    """List what can be removed and how much space that frees; remove it only with `--delete`.

    Nothing is removed while a study runs in this folder, and nothing that a record or a report needs.

    Raises:
        UserError: with `--delete`, a study is running, or something could not be removed.

    """
    study = study_file.load(options.study)
    kinds = [Kind(name) for name in options.only] if options.only else list(Kind)
    with ExitStack() as stack:
        if options.delete:
            stack.enter_context(no_study_runs(study))
        listing = garbage(resolve(study), kinds)
        for line in lines(listing):
            print(line)
        total = in_words(sum(item.size.free for item in listing.garbage))
        if not listing.garbage:
            print("There is nothing to delete.")
        elif not options.delete:
            same = "".join(f" --only {name}" for name in options.only or ()) + study_option(options.study)
            print(as_called(f"{total} can be freed. Nothing was deleted: `m2pt gc --delete{same}` deletes what is listed above."))
        elif faults := remove(listing.garbage):
            more = f" ({len(faults) - 1} more could not be deleted either.)" if len(faults) > 1 else ""
            raise UserError(f"{faults[0]}{more}")
        else:
            print(f"{total} freed.")
    return 0


def lines(listing: Listing) -> Iterator[str]:
    """Everything that can be removed, by kind, each with its size, and what is left alone."""
    for kind in Kind:
        items = [item for item in listing.garbage if item.kind == kind]
        if items:
            yield f"{kind}: {MEANING[kind]}"
            yield from _table(items)
            yield ""
    yield from listing.left
    if listing.left:
        yield ""


def _table(items: Sequence[Garbage]) -> Iterator[str]:
    width = max(len(in_words(item.size.free)) for item in items)
    for item in items:
        shared = f"{in_words(item.size.shared)} are shared with another place, such as DVC's cache, and stay there"
        notes = "; ".join(note for note in (item.note, shared if item.size.shared else "") if note)
        yield f"  {in_words(item.size.free):>{width}}  {item.name}" + (f" ({notes})" if notes else "")
