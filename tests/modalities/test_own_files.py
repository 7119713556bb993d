"""One's own files: how they are listed and split."""

import os
from collections import Counter, defaultdict
from pathlib import Path
from unittest.mock import Mock

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2pt.config import FilesConfig, UserError
from m2pt.modalities.own.dataset import OwnFiles, contradicted, contradictions, own_split, split_files
from m2pt.modalities.own.described import LOOKED_AT, Spread, described
from m2pt.modalities.own.listing import OwnFile
from m2pt.modalities.own.splits import assigned

SUFFIXES = (".bin", ".dat")


def place(folder: Path, *names: str, content: str | None = None) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.fsencode(name if content is None else content))
    return folder


def splits_of(folder: Path, config: FilesConfig | None = None) -> dict[str, str]:
    files, splits = split_files(folder, config or FilesConfig(), SUFFIXES)
    return {file.name: split for file, split in zip(files, splits, strict=True)}


def test_class_folders_are_split_class_by_class_and_the_same_each_time(tmp_path: Path) -> None:
    place(tmp_path, *(f"{name}/{number}.bin" for name in "ab" for number in range(20)))
    splits = splits_of(tmp_path)
    counts = Counter((name[0], split) for name, split in splits.items())
    assert counts == {(name, split): n for name in "ab" for split, n in (("train", 14), ("val", 3), ("test", 3))}
    assert splits == splits_of(tmp_path)
    assert splits != splits_of(tmp_path, FilesConfig(seed=1))


def test_classes_groups_and_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    rows = ["file,label,split,group"]
    for number, split in enumerate(["train"] * 5 + ["val"] * 2 + ["test"] * 3):
        place(tmp_path, f"{number}.bin", content="x" * (number + 1))
        rows.append(f"{number}.bin,{'ab'[number % 2]},{split},{split}{number // 2}")
    (tmp_path / "files.csv").write_text("\n".join(rows))
    config = FilesConfig(table="files.csv", file="file", label="label", split="split", group="group")

    def sizes(path: Path) -> dict[str, float]:
        if path.name == "9.bin":
            raise ValueError("damaged")
        return {"bytes": path.stat().st_size}

    data = described(tmp_path, config, OwnFiles(SUFFIXES, Mock(), Mock(), sizes))
    assert data.files == {"train": 5, "val": 2, "test": 3}
    assert data.classes == {"a": {"train": 3, "val": 1, "test": 1}, "b": {"train": 2, "val": 1, "test": 2}}
    assert data.groups == {"train": 3, "val": 2, "test": 2}
    assert data.sizes == {"bytes": Spread(1, 5, 9)} and (data.looked_at, data.unreadable) == (10, 1)


def test_of_many_files_some_are_measured(tmp_path: Path) -> None:
    place(tmp_path, *(f"a/{number:03}.bin" for number in range(230)))
    data = described(tmp_path, FilesConfig(), OwnFiles(SUFFIXES, Mock(), Mock(), lambda _: {"bytes": 1}))
    assert data.looked_at == 77 <= LOOKED_AT < sum(data.files.values()) == 230
    assert data.groups is None


def test_a_further_file_moves_few_others(tmp_path: Path) -> None:
    place(tmp_path, *(f"a/{number}.bin" for number in range(100)), *(f"b/{number}.bin" for number in range(100)))
    before = splits_of(tmp_path)
    after = splits_of(place(tmp_path, "a/new.bin"))
    assert sum(before[name] != after[name] for name in before) <= 2


def test_files_within_a_class_folder_may_lie_deeper_and_what_file_managers_leave_is_passed_over(tmp_path: Path) -> None:
    place(tmp_path, "a/2024/x.bin", "a/y.bin", "a/Thumbs.db", "a/.DS_Store", "b/z.DAT")
    assert set(splits_of(tmp_path)) == {"a/2024/x.bin", "a/y.bin", "b/z.DAT"}


def test_folders_of_splits_are_kept_and_those_that_lack_are_drawn_from_the_training_files(tmp_path: Path) -> None:
    place(
        tmp_path,
        *(f"train/{name}/{number}.bin" for name in "ab" for number in range(20)),
        "Validation/a/v.bin",
        "Validation/b/w.bin",
    )
    splits = splits_of(tmp_path)
    assert {name for name, split in splits.items() if split == "val"} == {"Validation/a/v.bin", "Validation/b/w.bin"}
    assert Counter(splits.values()) == {"train": 34, "val": 2, "test": 6}
    assert own_split(tmp_path, "val", FilesConfig(), SUFFIXES) is not None
    nothing = FilesConfig(test=0.0)
    assert own_split(tmp_path, "test", nothing, SUFFIXES) is None


def test_small_classes_are_trained_then_tested_then_validated(tmp_path: Path) -> None:
    place(tmp_path, *(f"{count}/{number}.bin" for count in range(1, 5) for number in range(count)))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, split in splits_of(tmp_path).items():
        counts[name[0]][split] += 1
    assert counts["1"] == {"train": 1}
    assert counts["2"] == {"train": 1, "test": 1}
    assert counts["3"] == {"train": 1, "test": 1, "val": 1}
    assert counts["4"] == {"train": 2, "test": 1, "val": 1}


@given(
    sizes=st.lists(st.integers(1, 6), min_size=3, max_size=40),
    labels=st.randoms(use_true_random=False),
    shares=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
)
@settings(max_examples=60, deadline=None)
def test_no_group_and_no_content_is_in_two_splits_and_the_shares_are_met_as_far_as_groups_allow(sizes, labels, shares) -> None:
    files = [
        OwnFile(f"{group}-{number}", (labels.choice("abc"),), None, str(group), "")
        for group, size in enumerate(sizes)
        for number in range(size)
    ]
    content = {file.name: str(labels.randrange(10 * len(files))) for file in files}
    config = FilesConfig(val=shares[0], test=shares[1])
    splits = assigned(files, content, config)
    for of in ({file.name: file.group for file in files}, content):
        together = defaultdict(set)
        for file, split in zip(files, splits, strict=True):
            together[of[file.name]].add(split)
        assert all(len(each) == 1 for each in together.values())
    assert splits == assigned(files, content, config)
    assert (shares[1] > 0) or "test" not in splits
    assert "train" in splits


def test_groups_of_one_size_meet_the_shares(tmp_path: Path) -> None:
    place(tmp_path, *(f"{name}/p{group:02d}_{number}.bin" for name in "ab" for group in range(20) for number in range(5)))
    splits = splits_of(tmp_path, FilesConfig(group_until="_"))
    assert Counter(splits.values()) == {"train": 140, "val": 30, "test": 30}
    patients = defaultdict(set)
    for name, split in splits.items():
        patients[name.split("/")[1].split("_")[0]].add(split)
    assert all(len(each) == 1 for each in patients.values())


def test_equal_files_are_drawn_into_one_split_and_refused_in_given_ones(tmp_path: Path) -> None:
    place(tmp_path / "drawn", *(f"a/{number}.bin" for number in range(30)))
    place(tmp_path / "drawn", *(f"b/{number}.bin" for number in range(30)), content="the same")
    splits = splits_of(tmp_path / "drawn")
    assert len({split for name, split in splits.items() if name.startswith("b/")}) == 1
    place(tmp_path / "given", "train/a/1.bin", "train/b/2.bin", "test/a/3.bin")
    place(tmp_path / "given", "train/a/copy.bin", "test/b/copy.bin", content="copied")
    with pytest.raises(
        UserError, match=r"train/a/copy.bin: is in the train split, and a file with the same content is in the test"
    ):
        splits_of(tmp_path / "given", FilesConfig(val=0))


def test_equal_files_with_different_labels_are_told(tmp_path: Path) -> None:
    place(tmp_path, "a/1.bin", "a/2.bin", "b/3.bin")
    place(tmp_path, "a/copy.bin", "a/same.bin", content="copied")
    assert contradictions(tmp_path, FilesConfig(), SUFFIXES) == [] and contradicted([]) is None
    place(tmp_path, "b/copy.bin", content="copied")
    pairs = contradictions(tmp_path, FilesConfig(), SUFFIXES)
    assert [(one.name, other.name) for one, other in pairs] == [("a/copy.bin", "b/copy.bin")]
    told = (
        "a file has the content of another one and another label: a/copy.bin with a and b/copy.bin with b; one of them is wrong"
    )
    assert contradicted(pairs) == told
    assert described(tmp_path, FilesConfig(), OwnFiles(SUFFIXES, Mock(), Mock())).contradicted == told
    place(tmp_path, "c/copy.bin", content="copied")
    assert str(contradicted(contradictions(tmp_path, FilesConfig(), SUFFIXES))).startswith("2 files have the content of another")


HEADING = "file,species,place,bird,note"
ROWS = ["x 1.bin,owl,train,o1,", 'y.bin,"tit, great",train,o2,"two\nlines"', "sub\\z.bin,owl,test,o3,!"]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return place(tmp_path, "x 1.bin", "y.bin", "sub/z.bin")


def table(folder: Path, *lines: str, name: str = "t.csv", encoding: str = "utf-8") -> FilesConfig:
    (folder / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return FilesConfig(table=name, label="species", split="place", group="bird", val=0)


@pytest.mark.parametrize(("separator", "name"), [(",", "t.csv"), (";", "t.csv"), ("\t", "t.tsv")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_may_have_any_usual_separator_and_encoding(sounds: Path, separator: str, name: str, encoding: str) -> None:
    rows = [row if separator == "," else row.replace("tit, great", "tit§ great").replace(",", separator) for row in ROWS]
    config = table(
        sounds, HEADING.replace(",", separator), *(row.replace("§", ",") for row in rows), name=name, encoding=encoding
    )
    files, splits = split_files(sounds, config, SUFFIXES)
    assert [(file.name, file.labels, file.group) for file in files] == [
        ("sub/z.bin", ("owl",), "o3"), ("x 1.bin", ("owl",), "o1"), ("y.bin", ("tit, great",), "o2"),
    ]  # fmt: skip
    assert splits == ["test", "train", "train"]


def test_a_parquet_table_says_the_same(sounds: Path) -> None:
    columns = {
        "file": ["x 1.bin", "y.bin", "sub/z.bin"],
        "species": [2, 10, 2],
        "place": ["train", "train", "test"],
        "bird": [1, 2, 3],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), sounds / "t.parquet")
    config = FilesConfig(table="t.parquet", label="species", split="place", group="bird", val=0)
    train = own_split(sounds, "train", config, SUFFIXES)
    assert train is not None
    assert (train.names, train.classes, train.labels) == (("x 1.bin", "y.bin"), ("2", "10"), ((0,), (1,)))


def test_several_labels_stand_in_one_column(sounds: Path) -> None:
    (sounds / "t.csv").write_text("file,tags\nx 1.bin,rain; wind\ny.bin,\nsub/z.bin,wind;wind\n")
    config = FilesConfig(table="t.csv", label="tags", separator=";", val=0, test=0)
    train = own_split(sounds, "train", config, SUFFIXES)
    assert train is not None
    assert (train.classes, train.labels) == (("rain", "wind"), ((1,), (0, 1), ()))


FAULTY_TABLES = {
    "a column that is not there": (["file,kind,place,bird", "y.bin,owl,train,1"], "has no column 'species'"),
    "a column twice": (["file,species,species,place,bird", "y.bin,owl,owl,train,1"], "has the column 'species' twice"),
    "a line with more values": ([HEADING, "y.bin,tit, great,train,o1,"], "line 2: has 6 values under a heading of 5"),
    "a file without a label": ([HEADING, "y.bin,,train,o1,"], "line 2: has no species"),
    "an unknown split": ([HEADING, "y.bin,owl,fold1,o1,"], "line 2: place is 'fold1'; it must be train, val or test"),
    "a file twice": ([HEADING, "y.bin,owl,train,o1,", "./y.bin,owl,train,o1,"], "line 3: names 'y.bin', as"),
    "a file elsewhere": ([HEADING, "../y.bin,owl,train,o1,"], "names '../y.bin', which is outside the data folder"),
    "a file elsewhere, with its line": (
        [HEADING, "y.bin,owl,train,o1,", "/etc/y.bin,owl,train,o1,"],
        "line 3: names '/etc/y.bin'",
    ),
    "a file of the folder from the root": (
        [HEADING, "FOLDER/sub/z.bin,owl,test,o1,"],
        "line 2: names 'FOLDER/sub/z.bin'; write its",
    ),
    "another separator": (["file|species|place|bird", "y.bin|owl|train|o1"], "If '|' separates them, save the table with commas"),
    "a dotfile": ([HEADING, ".y.bin,owl,train,o1,"], "dotfiles belong to no data set"),
    "a file of another kind": ([HEADING, "y.doc,owl,train,o1,"], "line 2: y.doc: is not of a kind that is read here"),
    "a group in two splits": ([HEADING, "y.bin,owl,train,o1,", "x 1.bin,owl,test,o1,"], "a file of the group 'o1' is in the"),
    "a heading in the middle": ([HEADING, "y.bin,owl,train,o1,", HEADING], "line 3: repeats the heading"),
    "no rows": ([HEADING], "holds no files"),
    "nothing": ([""], "has no column 'file'"),
    "an open quote": ([HEADING, '"y.bin,owl,train,o1,'], "is not a line of a table"),
}


@pytest.mark.parametrize("fault", FAULTY_TABLES)
def test_a_faulty_table_is_refused_with_its_line(sounds: Path, fault: str) -> None:
    lines, sentence = FAULTY_TABLES[fault]
    lines, sentence = [line.replace("FOLDER", str(sounds)) for line in lines], sentence.replace("FOLDER", str(sounds))
    with pytest.raises(UserError) as refused:
        split_files(sounds, table(sounds, *lines), SUFFIXES)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_table_in_an_old_encoding_is_refused_with_what_to_do(sounds: Path) -> None:
    with pytest.raises(UserError, match=r"t.csv: is not a text file in UTF-8; save it as CSV in UTF-8 .*iconv -f LATIN1"):
        split_files(sounds, table(sounds, HEADING, "y.bin,Käuzchen,train,o1,", encoding="latin-1"), SUFFIXES)


FAULTY_FOLDERS = {
    "a file beside the class folders": (("a/1.bin", "stray.bin"), "stray.bin: is next to the class folders"),
    "a file of another kind": (("a/1.bin", "a/readme.md"), "a/readme.md: is not of a kind that is read here"),
    "a class beside the splits": (("train/a/1.bin", "b/2.bin"), "b: is next to the folder of the training split"),
    "two folders of one split": (("train/a/1.bin", "val/a/2.bin", "valid/a/3.bin"), "which both mean the split val"),
    "nothing": ((), "holds no files"),
    "splits without a training split": (("trian/a/1.bin", "test/a/2.bin"), "has a folder 'test', as if files were split"),
    "a name that is no text": (("a/1.bin", "b\udce9/2.bin"), "has characters in its name that are not text"),
}


@pytest.mark.parametrize("fault", FAULTY_FOLDERS)
def test_a_folder_of_another_form_is_refused_by_name(tmp_path: Path, fault: str) -> None:
    names, sentence = FAULTY_FOLDERS[fault]
    with pytest.raises(UserError) as refused:
        splits_of(place(tmp_path, *names))
    assert sentence in str(refused.value)


def test_a_link_that_leads_back_is_named(tmp_path: Path) -> None:
    place(tmp_path, "a/1.bin", "b/2.bin")
    (tmp_path / "b" / "loop").symlink_to("..")
    with pytest.raises(UserError, match="b/loop: leads back to a folder above it"):
        splits_of(tmp_path)


@pytest.mark.parametrize(("label", "sentence"), [(float("nan"), "row 2: has no label"), (["x"], "row 2: holds list where")])
def test_a_parquet_value_that_is_no_label_is_refused(tmp_path: Path, label: object, sentence: str) -> None:
    place(tmp_path, "1.bin", "2.bin")
    first = ["y"] if isinstance(label, list) else 1.0
    pyarrow.parquet.write_table(pyarrow.table({"file": ["1.bin", "2.bin"], "label": [first, label]}), tmp_path / "t.parquet")
    with pytest.raises(UserError) as refused:
        split_files(tmp_path, FilesConfig(table="t.parquet"), SUFFIXES)
    assert sentence.replace("row 2", "row 1" if isinstance(label, list) else "line 2") in str(refused.value)


def test_an_empty_class_folder_and_a_name_without_a_group_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="is a class folder without a file"):
        splits_of(place(tmp_path, "a/1.bin"))
    (tmp_path / "b").rmdir()
    with pytest.raises(UserError, match=r"a/1\.bin: has no '_' in its name"):
        splits_of(tmp_path, FilesConfig(group_until="_"))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"label": "x"}, "label: is for files that a table lists"),
        ({"table": "t.csv", "group_until": "_"}, "group_until: is for class folders"),
        ({"val": 0.5, "test": 0.5}, "leave nothing to train with"),
        ({"table": "t.csv", "group": "label"}, "name the same column"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FilesConfig.model_validate(keys)


def test_what_is_written_into_a_spec_is_read_back() -> None:
    for config in (FilesConfig(), FilesConfig(table="t.csv", group="g")):
        assert FilesConfig.model_validate_json(config.model_dump_json()) == config


def test_names_with_every_unusual_character_are_listed(tmp_path: Path) -> None:
    names = [f"a/{sign}x.bin" for sign in " ä'\"#%&;,()[]{}$"]
    assert set(splits_of(place(tmp_path, *names))) == set(names)
