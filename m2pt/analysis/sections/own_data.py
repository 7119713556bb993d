"""A user's own data: the classes of each split, and how large the files are."""

from collections.abc import Iterator, Mapping

from m2pt.analysis.content import Block, Column, Entry, Group, Heading, Paragraph, Section, Table, plain
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import word
from m2pt.analysis.tables.phrases import counted, listed
from m2pt.modalities.own.described import SPLITS, Described
from m2pt.modalities.shared.wanted import Split

MOST_CLASSES = 40
"""So many classes have a row; of more, the largest have."""


def section(facts: Facts) -> Section | None:
    """None for a study without such data."""
    own = facts.source.own
    if not own:
        return None
    several = {spec.target for spec in facts.source.specs if spec.goal != "classification"}
    blocks: list[Block] = []
    for target, data in own.items():
        blocks += [Heading(plain(target))] if len(own) > 1 else []
        blocks += _of(target, data, target in several)
    return Section("Your own data", "own-data", tuple(blocks))


def _of(target: str, data: Described | None, has_several: bool) -> Iterator[Block]:
    if data is None:
        yield Paragraph(plain(f"The files of {target} are not here any more, so nothing can be said of their classes and sizes."))
        return
    yield Paragraph(plain(_words(data, has_several)))
    yield _classes(target, data)
    if data.sizes:
        yield _sizes(target, data)


def _words(data: Described, has_several: bool) -> str:
    splits = listed([f"{counted(data.files[split], 'file')} in {split}" for split in SPLITS if data.files[split]])
    groups = data.groups
    of_groups = "" if groups is None else f" ({listed([f'{groups[split]} in {split}' for split in SPLITS if groups[split]])})"
    words = f"{splits}{'' if groups is None else f'; no group is in two splits{of_groups}'}."
    if not has_several:
        words += _largest(data.classes, data.files["test"])
    if data.contradicted is not None:
        words += f" {data.contradicted[0].upper()}{data.contradicted[1:]}."
    return words + " This is what the files are now; the runs know them by their content."


def _largest(classes: Mapping[str, Mapping[Split, int]], tested: int) -> str:
    """What a model scores that always answers with the most frequent class of the training split."""
    most = max(classes, key=lambda name: classes[name]["train"])
    if not tested or not classes[most]["train"]:
        return ""
    return (
        f" Always to answer {most}, the most frequent class of the training split, would score "
        f"{rounded(100 * classes[most]['test'] / tested, 1)} % of accuracy on test."
    )


def _classes(target: str, data: Described) -> Table:
    names = list(data.classes)
    if len(names) > MOST_CLASSES:
        by_size = sorted(names, key=lambda name: (-sum(data.classes[name].values()), name))
        names = [name for name in names if name in set(by_size[:MOST_CLASSES])]
    shown = f"the {MOST_CLASSES} largest of {len(data.classes)} classes" if len(names) < len(data.classes) else "all classes"
    columns = (Column(plain("class"), head=True), *(Column(plain(split), number=True) for split in SPLITS))
    rows = tuple((word(name), *(_count(data.classes[name][split]) for split in SPLITS)) for name in names)
    caption = f"Files of {target} by class and split; {shown}"
    return Table(f"Classes of {target}", plain(caption), columns, (Group(rows),))


def _sizes(target: str, data: Described) -> Table:
    columns = (
        Column(plain("of a file"), head=True),
        *(Column(plain(name), number=True) for name in ("smallest", "middle", "largest")),
    )
    rows = tuple(
        (word(name), *(Entry(plain(_number(value)), value) for value in (spread.low, spread.middle, spread.high)))
        for name, spread in data.sizes.items()
    )
    unread = f", of which {data.unreadable} cannot be read" if data.unreadable else ""
    caption = f"Sizes of {target}, of {counted(data.looked_at, 'file')} evenly spaced in the order of names{unread}"
    return Table(f"Sizes of {target}", plain(caption), columns, (Group(rows),))


def _count(value: int) -> Entry:
    return Entry(plain(value), value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else rounded(value, 2)
