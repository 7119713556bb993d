"""WebDataset shards: random access, both label members, both layouts, and what is said of a shard that is not as it should be."""

import io
import json
import pickle
import tarfile

import pytest
import torch
from PIL import Image

from m2pt.config import UserError
from m2pt.modalities.registry import dataset as declared

read = declared("webdataset").open


def write_shard(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.fixture
def encoded(photo):
    def encode(seed, kind="JPEG"):
        stream = io.BytesIO()
        photo(seed).save(stream, kind)
        return stream.getvalue()

    return encode


@pytest.fixture
def folder(tmp_path, encoded):
    """Three classes; three pictures a shard; two shards for training and one for the test."""
    for number in range(3):
        home = tmp_path / ("train" if number < 2 else "val")
        members = []
        for place in range(3):
            members += [
                (f"{number}/{place:04d}.cls", b"%d\n" % place),
                (f"{number}/{place:04d}.jpg", encoded(10 * number + place)),
            ]
        write_shard(home / f"{number:05d}.tar", members)
    return tmp_path


def test_samples_are_found_by_number(folder, plain, encoded, photo):
    train, test = read(folder, "train", plain), read(folder, "test", plain)
    assert read(folder, "val", plain) is None
    assert (len(train), len(test)) == (6, 3)
    assert train.classes == test.classes == ("0", "1", "2")
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert train.name(4) == f"{folder / 'train' / '00001.tar'}, member 1/0001.jpg"
    for index in (4, 0, 5, 2):  # any order
        stream = io.BytesIO()
        train.picture(index).save(stream, "PNG")
        other = io.BytesIO()
        Image.open(io.BytesIO(encoded(10 * (index // 3) + index % 3))).save(other, "PNG")
        assert stream.getvalue() == other.getvalue()
    assert train.test(4)["x"].shape == (1, 3, 32, 32)
    assert train.test(4)["y"].tolist() == 1


def test_seeds_and_pickling_give_equal_samples(folder, wanted):
    items = read(folder, "train", wanted)
    copy = pickle.loads(pickle.dumps(items))
    for index in range(6):
        assert torch.equal(items.train(index, index)["x"], copy.train(index, index)["x"])
    assert not torch.equal(items.train(0, 1)["x"], items.train(0, 2)["x"])


def test_one_folder_and_labels_in_json(folder, tmp_path, plain, encoded):
    home = tmp_path / "flat"
    members = []
    for label in range(2):
        facts = json.dumps({"label": label, "filename": "x"}).encode()
        members += [(f"{label}.png", encoded(label, "PNG")), (f"{label}.json", facts), (f"{label}.txt", b"a fish")]
    write_shard(home / "imagenet1k-train-0000.tar", members)
    write_shard(home / "imagenet1k-validation-00.tar", members[3:])
    train, test = read(home, "train", plain), read(home, "test", plain)
    assert train.labels.tolist() == [0, 1]
    assert test.labels.tolist() == [1]
    assert train.classes == test.classes == ("0", "1")


def by_the_formats_rule(names):
    """The samples of a shard: members with one key, the path up to the first dot of the file name; parts by what follows."""
    samples = {}
    for name in names:
        folder, slash, file = name.rpartition("/")
        key, dot, part = file.partition(".")
        if key and dot:
            samples.setdefault(folder + slash + key, {})[part.lower()] = name
    return samples


def test_members_are_samples_by_the_formats_own_rule(tmp_path, plain, encoded):
    """Folders with dots, capitals, further parts, members in any order, what archivers leave behind."""
    names = ["b.tar/x.CLS", "a.JPG", "a.cls", "a.seg.png", "b.tar/x.jpeg", "n0.1/c.cls", "n0.1/c.WebP", "a.small.jpg"]
    contents = {"b.tar/x.CLS": b"1", "a.cls": b"0", "n0.1/c.cls": b"2"}
    members = [(name, contents.get(name) or encoded(0, "WEBP" if name.endswith("P") else "JPEG")) for name in names]
    members += [
        ("._a.jpg", b"junk"),
        ("n0.1/.c.cls", b"junk"),
        ("LICENSE", b"text"),
        ("__index__.json__", b"{}"),
        ("__a.b__", b""),
    ]
    for split in ("train", "val"):
        write_shard(tmp_path / split / "0.tar", members)
    items = read(tmp_path, "train", plain)
    indexed = {items.name(index).split("member ")[1]: int(items.labels[index]) for index in range(len(items))}
    truth = {}
    for parts in by_the_formats_rule(names).values():
        (picture,) = [parts[part] for part in ("jpg", "jpeg", "png", "webp") if part in parts]
        truth[picture] = int(contents[parts["cls"]])
    assert indexed == truth and len(truth) == 3
    for index in range(3):
        assert items.test(index)["x"].shape == (1, 3, 32, 32)


def test_links_are_no_members(folder, plain):
    path = folder / "val" / "00002.tar"
    with tarfile.open(path, "a") as archive:
        for suffix in ("jpg", "cls"):
            link = tarfile.TarInfo(f"2/0009.{suffix}")
            link.type, link.linkname = tarfile.LNKTYPE, f"2/0000.{suffix}"
            archive.addfile(link)
    with pytest.raises(UserError, match=r"00002\.tar, member 2/0009\.jpg: is a link"):
        read(folder, "test", plain)


def test_labels_must_not_compete(tmp_path, plain, encoded):
    for facts, fault in (({"label": 7}, "is of class 0 by .cls, of 7 by .json"), ({"label": 0, "cls": 1}, "two classes")):
        members = [("a.json", json.dumps(facts).encode()), ("a.jpg", encoded(0)), ("a.cls", b"0")]
        for split in ("train", "val"):
            write_shard(tmp_path / split / "0.tar", members)
        with pytest.raises(UserError, match=rf"0\.tar, member a.*{fault}"):
            read(tmp_path, "train", plain)


def test_shards_lie_in_one_place_whole_and_without_gaps(folder, plain, encoded):
    whole = (folder / "train" / "00001.tar").read_bytes()
    (folder / "train" / "00003.tar").write_bytes(whole)
    with pytest.raises(UserError, match=r"the shard 2 is missing \(numbers 0 to 3\)"):
        read(folder, "train", plain)
    (folder / "train" / "00003.tar").unlink()
    for number in (0, 1):
        (folder / "train" / f"0000{number}.tar").rename(folder / "train" / f"x-{number}-of-3.tar")
    with pytest.raises(UserError, match=r"2 of 3 shards are there \(numbers 0 to 1\)"):
        read(folder, "train", plain)
    write_shard(
        folder / "train" / "x-2-of-3.tar",
        [
            (f"{label}.{part}", content)
            for label in range(3)
            for part, content in (("jpg", encoded(label)), ("cls", b"%d" % label))
        ],
    )
    assert len(read(folder, "train", plain)) == 9
    for name in ("00002.tar.gz", "00002.tar.part", "00002.tgz", "00002.TAR"):
        (folder / "train" / name).write_bytes(whole)
        with pytest.raises(UserError, match=rf"{name}: is not a plain \.tar file"):
            read(folder, "train", plain)
        (folder / "train" / name).unlink()
    for other in (folder / "validation" / "0.tar", folder / "x-val-0.tar"):
        write_shard(other, [("a.jpg", b"x"), ("a.cls", b"0")])
        with pytest.raises(UserError, match=r"has shards of val at .* and at .*; keep one"):
            read(folder, "test", plain)
        other.unlink()


def test_a_list_of_classes_names_them_and_bounds_labels(folder, plain):
    (folder / "classes.txt").write_text("tench\ngoldfish\nshark\n")
    assert read(folder, "test", plain).classes == ("tench", "goldfish", "shark")
    (folder / "classes.txt").write_text("tench\ngoldfish\n")
    with pytest.raises(UserError, match=r"00002\.tar, member 2/0002\.jpg: has the class 2, but classes\.txt lists 2"):
        read(folder, "test", plain)


def test_classes_that_count_from_one_are_refused(tmp_path, plain, encoded):
    for split in ("train", "val"):
        write_shard(tmp_path / split / "0.tar", [("a.jpg", encoded(0)), ("a.cls", b"1")])
    with pytest.raises(UserError, match=r"train: has no picture of class '0'; .* numbered from 0"):
        read(tmp_path, "train", plain)


def test_a_shard_cut_anywhere_is_named(folder, plain):
    path = folder / "val" / "00002.tar"
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        starts = [member.offset for member in archive]
        end = archive.offset
    for length in (0, 100, 700, *starts[1:], starts[3] + 600, end - 300, end, end + 200):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"00002\.tar: is (not a complete|cut short)"):
            read(folder, "test", plain)


def test_a_damaged_header_is_not_taken_for_the_end(folder, plain):
    path = folder / "val" / "00002.tar"
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        start = list(archive)[2].offset
    content[start] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"00002\.tar: is cut short or damaged at byte {start}"):
        read(folder, "test", plain)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ([("a.jpg", b"x")], r"member a: has a picture but no label"),
        ([("a.cls", b"1")], r"member a: has a label but no picture"),
        ([("a.jpg", b"x"), ("a.cls", b"cat")], r"member a\.cls: holds 'cat' where the number of a class is expected"),
        ([("a.jpg", b"x"), ("a.cls", b"-1")], r"member a\.cls: holds '-1'"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": "cat"}')], r"member a: has a picture but no label"),
        ([("a.jpg", b"x"), ("a.json", b"{")], r"member a: has a picture but no label"),
        ([("a.jpg", b"x"), ("a.png", b"x"), ("a.cls", b"1")], r"member a: comes twice"),
        ([("a.1.jpg", b"x"), ("a.1.cls", b"1")], r"holds no pictures"),
        ([("b.jpg", b"x"), ("b.cls", b"1"), ("a.1.jpg", b"x")], r"member a\.1\.jpg: .*is the part '1\.jpg' of the sample 'a'"),
        ([("a.1.jpg", b"x"), ("a.cls", b"1")], r"member a: has a label but no picture; .*is the part '1\.jpg' of the sample 'a'"),
        ([("b.jpg", b"x"), ("b.cls", b"1"), ("readme.txt", b"x")], r"member readme\.txt: belongs to no picture"),
        ([("readme.txt", b"x")], r"holds no pictures"),
    ],
)
def test_mislabelled_members_are_named(folder, plain, members, fault):
    write_shard(folder / "val" / "00002.tar", members)
    with pytest.raises(UserError, match=r"00002\.tar.*" + fault):
        read(folder, "test", plain)


def test_an_unreadable_picture_is_named_when_it_is_read(folder, wanted, encoded):
    write_shard(folder / "val" / "00002.tar", [("a.jpg", encoded(0)[:200]), ("a.cls", b"0"), ("b.jpg", b""), ("b.cls", b"1")])
    items = read(folder, "test", wanted)
    for index, member in enumerate("ab"):
        with pytest.raises(UserError, match=rf"00002\.tar, member {member}\.jpg: is not a complete image"):
            items.test(index)


def test_a_shard_lost_after_listing_is_named(folder, plain):
    items = read(folder, "test", plain)
    (folder / "val" / "00002.tar").write_bytes(b"x")
    with pytest.raises(UserError, match=r"00002\.tar: ends before"):
        items.test(0)
    (folder / "val" / "00002.tar").unlink()
    with pytest.raises(UserError, match=r"00002\.tar: cannot be read"):
        items.test(0)


def test_missing_shards_are_told(folder, plain, tmp_path):
    (folder / "val" / "00002.tar").unlink()
    with pytest.raises(UserError, match=r"has no shards of val; they belong into"):
        read(folder, "test", plain)
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        read(tmp_path / "nowhere", "train", plain)


@pytest.mark.parametrize(("copy", "split"), [("train/00000 (1).tar", "train"), ("val/00003.tar", "test")])
@pytest.mark.parametrize("named", [True, False])
def test_a_copy_of_a_shard_is_refused(folder, plain, copy, split, named):
    """Fetched twice, its pictures would count twice; in the other split, they would be tested on after the training."""
    if named:
        (folder / "classes.txt").write_text("tench\ngoldfish\nshark\n")
    read(folder, split, plain)
    (folder / copy).write_bytes((folder / "train" / "00000.tar").read_bytes())
    with pytest.raises(UserError, match=r"holds the same members as .*; remove one of the two"):
        read(folder, split, plain)


def test_a_number_that_no_class_has_makes_no_classes(folder, plain, encoded):
    write_shard(folder / "val" / "00003.tar", [("x.jpg", encoded(0)), ("x.cls", b"999999999")])
    for split in ("train", "test"):
        with pytest.raises(UserError, match=r"00003\.tar: has the class 999999999, more than there are pictures"):
            read(folder, split, plain)
