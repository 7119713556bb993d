"""Files of clouds that end early, in which a reader would find zeros or numbers that are cut short."""

import contextlib
import io

import h5py
import numpy as np
import pytest

from m2pt.config import PointInput, UserError
from m2pt.modalities.point.decoding.hdf5 import Rows, read_labels
from m2pt.modalities.point.decoding.text import read_table
from m2pt.modalities.point.small import read

CLOUDS = np.random.default_rng(0).standard_normal((12, 32, 3)).astype(np.float32)
LABELS = np.arange(12)[:, None] % 2


def by_each_reader(folder):
    """What the reader of tasks and that of small sets make of `a.h5`."""
    (folder / "train_files.txt").write_text("a.h5\n")
    (folder / "shape_names.txt").write_text("chair\ntable\n")
    path = folder / "a.h5"
    return (
        lambda: (read_labels(path, "label", each_point=False), Rows([path], [12]).read(11, "data")),
        lambda: read(folder, "train", PointInput(points=32, groups=4, neighbours=4)),
    )


@pytest.mark.parametrize("options", [{}, {"chunks": (4, 32, 3)}, {"chunks": (5, 32, 2), "compression": "gzip"}])
def test_a_whole_file_is_read_and_a_cut_one_refused(tmp_path, options):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=CLOUDS, **options)
        file["label"] = LABELS
    stored, small = by_each_reader(tmp_path)
    np.testing.assert_array_equal(stored()[1], CLOUDS[11])
    assert len(small().y) == 12
    whole = (tmp_path / "a.h5").read_bytes()
    for share in (0.2, 0.7, 0.99):
        (tmp_path / "a.h5").write_bytes(whole[: int(len(whole) * share)])
        for reader in (stored, small):
            with pytest.raises(UserError, match=r"a\.h5: is not a complete HDF5 file"):
                reader()


@pytest.mark.parametrize(("chunks", "written"), [(False, 0), (True, 0), (True, 8)])
def test_a_file_whose_writer_stopped_is_refused(tmp_path, chunks, written):
    """HDF5 reads zeros where nothing was written: whole clouds at the origin, or labels of class 0."""
    for name in ("data", "label"):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            for key, values in (("data", CLOUDS), ("label", LABELS)):
                if key != name:
                    file[key] = values
                    continue
                pieces = (4, *values.shape[1:]) if chunks else None
                dataset = file.create_dataset(key, values.shape, values.dtype, chunks=pieces)
                if written:
                    dataset[:written] = values[:written]
        for reader in by_each_reader(tmp_path):
            with pytest.raises(UserError, match=rf"a\.h5: `{name}` was not written to its end"):
                reader()


def test_a_file_that_leads_into_another_is_refused(tmp_path):
    """The fingerprint of the data would not see what changes there; and what is missing there reads as zeros."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = CLOUDS

    def link(file):
        file["data"] = h5py.ExternalLink("other.h5", "data")

    def layout(file):
        virtual = h5py.VirtualLayout(CLOUDS.shape, CLOUDS.dtype)
        virtual[:] = h5py.VirtualSource("other.h5", "data", CLOUDS.shape)
        file.create_virtual_dataset("data", virtual)

    def outside(file):
        (tmp_path / "raw").write_bytes(CLOUDS.tobytes())
        file.create_dataset("data", CLOUDS.shape, CLOUDS.dtype, external=[(str(tmp_path / "raw"), 0, CLOUDS.nbytes)])

    for way in (link, layout, outside):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            way(file)
            file["label"] = LABELS
        for reader in by_each_reader(tmp_path):
            with pytest.raises(UserError, match=r"a\.h5: `data` is in another file"):
                reader()


@pytest.mark.parametrize("delimiter", [",", " "])
def test_a_text_file_gives_whole_lines_or_is_refused_wherever_it_is_cut(tmp_path, delimiter):
    """A number that is cut short is another number: 0.123456 becomes 0.1."""
    stream = io.StringIO()
    np.savetxt(stream, CLOUDS[0], fmt="%.6f", delimiter=delimiter)
    whole = stream.getvalue()
    truth = np.loadtxt(io.StringIO(whole), delimiter=delimiter)
    path, refused = tmp_path / "a.txt", 0
    for length in range(len(whole) - 70, len(whole) + 1):
        path.write_text(whole[:length])
        try:
            table = read_table(path, 3, "," if delimiter == "," else None)
        except UserError:
            refused += 1
            continue
        np.testing.assert_array_equal(table, truth[: len(table)])
    assert 0 < refused < 70
    path.write_text(whole.rstrip("\n"))
    np.testing.assert_array_equal(read_table(path, 3, "," if delimiter == "," else None), truth)
    with contextlib.suppress(UserError):
        path.write_text(whole.split("\n")[0])
        read_table(path, 3, "," if delimiter == "," else None)
        pytest.fail("one line without an end may be cut")


def test_a_dataset_of_nothing_is_refused(tmp_path):
    with h5py.File(tmp_path / "clouds.h5", "w") as file:
        file["data"], file["label"] = h5py.Empty("f"), np.arange(3)
    with pytest.raises(UserError, match=r"clouds\.h5: `data` is float32 of shape None"):
        read_labels(tmp_path / "clouds.h5", "label", each_point=False)
