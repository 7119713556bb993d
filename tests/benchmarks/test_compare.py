"""Two tables beside each other, against values computed by hand."""

import json
import subprocess
import sys

import pytest

from benchmarks.compare import NotComparableError, beyond_spreads, comparison

MACHINE = {"processor": "P", "cores": "2", "torch": "2.13.0", "m2pt": "aaaa"}


def row(what, number, spread=None, value="said"):
    return {"what": what, "value": value, "limit": "", "holds": None, "number": number, "spread": spread}


def document(*rows, tiny=False, **machine):
    return {"machine": MACHINE | machine, "tiny": tiny, "parts": {"part": {"rows": list(rows), "error": None, "seconds": 1.0}}}


@pytest.mark.parametrize(
    ("before", "after", "beyond"),
    [
        ((100.0, 0.02), (105.0, 0.02), True),  # 98 to 102, 102.9 to 107.1
        ((100.0, 0.02), (104.0, 0.02), False),  # 98 to 102, 101.92 to 106.08
        ((105.0, 0.02), (100.0, 0.02), True),
        ((1.00, 0.0), (1.01, 0.01), False),  # 0.9999 to 1.0201
        ((1.00, 0.0), (1.02, 0.01), True),  # 1.0098 to 1.0302
        ((100.0, None), (100.05, None), False),
        ((100.0, None), (100.2, None), True),
    ],
)
def test_a_difference_is_beyond_the_spreads_if_the_ranges_do_not_meet(before, after, beyond):
    assert beyond_spreads(row("a", *before), row("a", *after)) is beyond


def test_rows_are_put_side_by_side_with_their_ratio():
    before = document(row("step", 50.0, 0.01, "50 ms"), row("rate", 10.0, 0.2, "10"), row("gone", 1.0), row("yes", None))
    after = document(row("rate", 9.0, 0.2, "9"), row("step", 40.0, 0.01, "40 ms"), row("new", 1.0), row("yes", None))
    assert list(comparison(before, after)) == [
        "Machine, versions and commit are the same.\n",
        "| what | A | B | B / A | difference |",
        "|---|---|---|---|---|",
        "| step | 50 ms | 40 ms | 0.800 | **less** |",
        "| rate | 10 | 9 | 0.900 | within the spreads |",
        "\nOnly in A: gone",
        "\nOnly in B: new",
    ]


def test_another_machine_or_version_is_told_first():
    lines = list(comparison(document(row("a", 1.0)), document(row("a", 2.0), torch="2.14.0", m2pt="bbbb", GPU="G")))
    assert lines[:4] == ["torch: A 2.13.0, B 2.14.0", "m2pt: A aaaa, B bbbb", "GPU: A unknown, B G", ""]
    assert lines[-1] == "| a | said | said | 2.000 | **more** |"


def test_a_table_in_small_is_not_compared_with_one_in_full():
    with pytest.raises(NotComparableError, match="--tiny"):
        list(comparison(document(row("a", 1.0)), document(row("a", 1.0), tiny=True)))


def test_the_command_prints_it_and_says_what_is_no_table(tmp_path):
    def called(*names):
        command = [sys.executable, "-m", "benchmarks.compare", *(str(tmp_path / name) for name in names)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    (tmp_path / "a.json").write_text(json.dumps(document(row("step", 2.0, 0.01))))
    done = called("a.json", "a.json")
    assert (done.returncode, done.stderr) == (0, "") and "| step | said | said | 1.000 | within the spreads |" in done.stdout
    for content in ("[]", "{", '{"parts": {}}', '{"machine": {}, "tiny": false, "parts": {"a": {"rows": [{}]}}}'):
        (tmp_path / "b.json").write_text(content)
        done = called("a.json", "b.json")
        assert done.returncode == 1
        assert (
            done.stderr
            == f"{tmp_path / 'b.json'}: is not the table of a benchmark with numbers; `make bench` writes build/cpu/cpu.json.\n"
        )
    assert called("a.json", "c.json").stderr == f"{tmp_path / 'c.json'}: cannot be read (No such file or directory).\n"
