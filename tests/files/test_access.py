"""What is said of a path that cannot be read or written, by what is in its place."""

from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.files.access import unreadable
from m2pt.files.documents import write_atomic


def reading(path: Path) -> str:
    with pytest.raises(OSError) as error:
        path.read_bytes()
    return str(unreadable(path, error.value))


def test_a_folder_in_the_place_of_a_file_is_no_matter_of_permissions(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "folder: cannot be read (Is a directory); it is a folder where a file has to be" in reading(tmp_path / "folder")
    with pytest.raises(UserError, match=r"folder: cannot be written \(.+\); a folder is where a file has to be: move it away"):
        write_atomic(tmp_path / "folder", b"")


def test_a_file_in_the_place_of_a_folder_is_none_either(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file/below: cannot be read (Not a directory); a file is where one of its folders has to be" in reading(
        tmp_path / "file" / "below"
    )
    for name in ("file/below", "file/below/deeper"):
        with pytest.raises(UserError, match=r"cannot be written \(.+\); a file is where a folder has to be: move it away"):
            write_atomic(tmp_path / name, b"")


def test_everything_else_is_a_matter_of_permissions_or_space(tmp_path: Path) -> None:
    assert str(unreadable("x", PermissionError(13, "Permission denied"))) == (
        "x: cannot be read (Permission denied); fix its permissions."
    )
