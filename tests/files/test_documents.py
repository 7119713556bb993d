"""A damaged file is one sentence that names it and says what to do."""

from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.files.documents import read_json, recalled_json, remember_json


@pytest.mark.parametrize("content", [b"", b"null", b"[1]", b'"text"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}{'])
def test_what_is_no_json_object_is_told_with_its_remedy_and_is_no_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"file\.json: (is not valid JSON|holds no JSON object).*; fetch it again\.$"):
        read_json(path, "fetch it again")
    assert recalled_json(path) is None


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    assert recalled_json(tmp_path / "file.json") is None
    remember_json(tmp_path / "file.json", {"a": [1, None]})
    assert recalled_json(tmp_path / "file.json") == {"a": [1, None]}


def test_what_is_remembered_under_another_name_is_not_recalled(tmp_path: Path) -> None:
    remember_json(tmp_path / "file.json", {"a": 1})
    (tmp_path / "file.json").rename(tmp_path / "other.json")
    assert recalled_json(tmp_path / "other.json") is None
