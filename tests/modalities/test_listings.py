"""Lists in every form in which people have them, and what is said of names that are missing."""

import csv
import io
import json
import unicodedata

import pytest

from m2pt.config import UserError
from m2pt.modalities.shared.listed import member
from m2pt.modalities.shared.listings import read_document, read_lines, read_list, read_rows, require_unique
from m2pt.modalities.shared.missing import advice, needed

LINES = ["wav/a b.wav", "wav/größe,1.wav", "wav/c\u2028d.wav", "#e.wav", "f\tg.wav"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_the_same_however_they_were_written(tmp_path, encoding, end):
    text = end.join(["", *LINES[:2], "  ", *(f" {line}  " for line in LINES[2:]), "", ""])
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "list").write_bytes(mark + text.encode(encoding))
    assert read_list(tmp_path / "list") == LINES
    assert [number for number, _ in read_lines(tmp_path / "list")] == [2, 3, 5, 6, 7]
    (tmp_path / "list").write_bytes(mark + json.dumps({"data": LINES}, ensure_ascii=False).encode(encoding))
    assert read_document(tmp_path / "list") == {"data": LINES}


@pytest.mark.parametrize("content", [b"\xff\xff", "ä".encode("latin-1"), "a\nb".encode("utf-16-le"), b"a\0b"])
def test_what_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "list").write_bytes(content)
    for read in (read_list, read_document):
        with pytest.raises(UserError, match="list: is not a text file in UTF-8"):
            read(tmp_path / "list")


@pytest.mark.parametrize("dialect", [{}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\r\n"}])
def test_tables_are_the_same_however_they_were_written(tmp_path, dialect):
    rows = [{"index": "0", "mid": "/m/0", "display_name": 'Bark, "loud"'}, {"index": "1", "mid": "/m/1", "display_name": "Rain"}]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["index", "mid", "display_name"], **dialect)
    writer.writeheader()
    writer.writerows(rows)
    for mark in ("", "\ufeff"):
        (tmp_path / "t.csv").write_bytes((mark + stream.getvalue() + "\n \n").encode())
        assert [row for _, row in read_rows(tmp_path / "t.csv")] == rows
    (tmp_path / "t.csv").write_text('index , "mid",display_name\n 0, /m/0 , "Bark, ""loud"""\n1 ,/m/1,Rain\n')
    assert read_rows(tmp_path / "t.csv") == [(2, rows[0]), (3, rows[1])]
    (tmp_path / "t.csv").write_text("index,mid,display_name\n0,/m/0,Bark, loud\n")
    with pytest.raises(UserError, match=r"t\.csv: line 2 has 4 values under a heading of 3"):
        read_rows(tmp_path / "t.csv")


def test_a_name_that_is_listed_twice_is_named(tmp_path):
    require_unique(["a/b.wav", "a/c.wav", "ab/.wav", "a..b"], tmp_path)
    for again in ("a/b.wav", "./a/b.wav", "a//b.wav", "a/./b.wav"):
        with pytest.raises(UserError, match="twice; remove one"):
            require_unique(["a/b.wav", again], tmp_path)


def test_a_name_that_is_written_otherwise_is_pointed_out(tmp_path):
    composed, apart = (unicodedata.normalize(form, "é.wav") for form in ("NFC", "NFD"))
    (tmp_path / "Audio").mkdir()
    for name, asked in (("Bark.WAV", "audio/bark.wav"), (apart, f"Audio/{composed}"), ("x .wav", "Audio/X .wav")):
        (tmp_path / "Audio" / name).write_bytes(b"x")
        with pytest.raises(UserError, match=r"is missing, though list\.txt lists it; .* differs in capitals or in the form"):
            member(tmp_path, asked, tmp_path / "list.txt")
        assert str(tmp_path / "Audio" / name) in advice(tmp_path, asked)
    assert member(tmp_path, f"Audio/{apart}", tmp_path / "list.txt").is_file()
    with pytest.raises(UserError, match=r"lists it; restore the file or remove the entry\.$"):
        member(tmp_path, "Audio/other.wav", tmp_path / "list.txt")
    (tmp_path / "Audio" / "BARK.wav").write_bytes(b"x")
    assert advice(tmp_path, "Audio/bark.wav") == ""  # which of the two?


def test_a_folder_one_level_off_is_pointed_out(tmp_path):
    for home in ("ESC-50-master", "a/b/c"):
        top = tmp_path / home.split("/")[0] / "top"
        (tmp_path / "root" / home / "meta").mkdir(parents=True)
        (tmp_path / "root" / home / "meta" / "esc50.csv").write_text("x")
        with pytest.raises(UserError, match=rf"root/meta/esc50\.csv: is missing.*root/{home} holds it: let the path lead there"):
            needed(tmp_path / "root", "meta/esc50.csv")
        assert needed(tmp_path / "root" / home, "meta/esc50.csv").is_file()
        (tmp_path / "root" / home.split("/")[0]).rename(top.parent)
    (tmp_path / "above" / "audio").mkdir(parents=True)
    (tmp_path / "above" / "list.csv").write_text("x")
    assert "above holds it" in advice(tmp_path / "above" / "audio", "list.csv")
    for name in ("one", "two"):
        (tmp_path / "both" / name).mkdir(parents=True)
        (tmp_path / "both" / name / "list.csv").write_text("x")
    assert advice(tmp_path / "both", "list.csv") == ""  # which of the two?
