"""Which split each of one's own files is in: as given, or drawn class by class, with groups and equal files kept together."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from m2pt.config import FilesConfig, UserError
from m2pt.modalities.own.listing import OwnFile


def assigned(files: Sequence[OwnFile], content: Mapping[str, str], config: FilesConfig) -> list[str]:
    """The split of each file.

    Where a split is given for no file, its share is drawn from the training files (or from all, where nothing is given): units of
    files that belong together, in an order that `config.seed` draws from their names, fill the test split, then the validation
    split, class by class; the others are trained with. So a further file moves few others. A class of two units is trained and
    tested, one of three also validated.

    Args:
        files: all files of the data set.
        content: a digest of the content of each file that may be another's copy, by its name.
        config: the shares, and the seed.

    Raises:
        UserError: files of one group, or with the same content, are given as being in different splits.

    """
    splits = [file.split for file in files]
    units = _units(files, content)
    given = {split for split in splits if split is not None}
    drawn = {split: share for split, share in (("val", config.val), ("test", config.test)) if split not in given and share > 0}
    _require_together(files, units, content)
    pool = [unit for unit in units if all(splits[place] in (None, "train") for place in unit)]
    taken = _drawn(files, pool, drawn, config.seed) if drawn else {}
    return [taken.get(place, split or "train") for place, split in enumerate(splits)]


def _units(files: Sequence[OwnFile], content: Mapping[str, str]) -> list[list[int]]:
    """The places of files that must stay together, in the order of their first file."""
    leader = list(range(len(files)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    first: dict[Hashable, int] = {}
    for place, file in enumerate(files):
        keys: list[Hashable] = [] if file.group is None else [("group", file.group)]
        keys += [("content", content[file.name])] if file.name in content else []
        for key in keys:
            one, other = sorted((find(first.setdefault(key, place)), find(place)))
            leader[other] = one
    units: dict[int, list[int]] = defaultdict(list)
    for place in range(len(files)):
        units[find(place)].append(place)
    return list(units.values())


def _require_together(files: Sequence[OwnFile], units: Iterable[Sequence[int]], content: Mapping[str, str]) -> None:
    """Refuse given splits that share a group or a content: what is tested would have been trained with."""
    for unit in units:
        seen: dict[Hashable, OwnFile] = {}
        for file in (files[place] for place in unit):
            for key in (("group", file.group), ("content", content.get(file.name))):
                other = seen.setdefault(key, file) if key[1] is not None else file
                if other.split != file.split:
                    why = f"of the group {file.group!r}" if key[0] == "group" else "with the same content"
                    raise UserError(
                        f"{file.where}: is in the {file.split} split, and a file {why} is in the {other.split} split "
                        f"({other.where}); what is tested must not be trained with: put both into one split, or remove one."
                    )


def _drawn(files: Sequence[OwnFile], pool: Sequence[Sequence[int]], shares: Mapping[str, float], seed: int) -> dict[int, str]:
    labels = {unit[0]: Counter(label for place in unit for label in files[place].labels or ("",)) for unit in pool}
    lacking = _lacking(list(labels.values()), shares)
    to_come = sum((Counter(dict.fromkeys(counts, 1)) for counts in labels.values()), Counter[str]())
    trained = set[str]()
    taken: dict[int, str] = {}
    for unit in sorted(pool, key=lambda unit: _rank(seed, files[unit[0]].name)):
        counts = labels[unit[0]]
        to_come -= Counter(dict.fromkeys(counts, 1))
        spared = all(label in trained or to_come[label] for label in counts)
        enters = (split for split in lacking if spared and _fills(lacking[split], counts))
        split = next(enters, "train")
        if split == "train":
            trained |= counts.keys()
        else:
            lacking[split].subtract(counts)
        taken |= dict.fromkeys(unit, split)
    return taken


def _fills(lacking: Mapping[str, int], counts: Mapping[str, int]) -> bool:
    """Whether at least half of a unit's files are of labels that a split still lacks."""
    return 2 * sum(min(max(lacking[label], 0), count) for label, count in counts.items()) >= sum(counts.values())


def _lacking(labels: Sequence[Counter[str]], shares: Mapping[str, float]) -> dict[str, Counter[str]]:
    """How many files of each label the drawn splits are to have: the test split first."""
    total, units = Counter[str](), Counter[str]()
    for counts in labels:
        total += counts
        units += Counter(dict.fromkeys(counts, 1))
    return {
        split: Counter({n: max(round(shares[split] * count), 1) if units[n] >= least else 0 for n, count in total.items()})
        for split, least in (("test", 2), ("val", 3))
        if split in shares
    }


def _rank(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogateescape")).hexdigest()
