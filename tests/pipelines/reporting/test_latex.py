"""Tables as LaTeX: read back by a small strict reader of what a `tabular` may hold."""

import re
from pathlib import Path

import pytest

from m2pt.analysis.content import Column, Details, Entry, Group, Page, Section, SideBySide, Span, Table, plain, prose
from pipelines.reporting import as_latex, report
from tests.analysis import synthetic

_KNOWN = {
    "multicolumn": 3, "textbf": 1, "emph": 1, "texttt": 1, "cmidrule": 1, "toprule": 0, "midrule": 0, "bottomrule": 0,
    "addlinespace": 0, "textbackslash": 0, "textasciitilde": 0, "textasciicircum": 0, "textless": 0, "textgreater": 0,
    "textbar": 0, "ldots": 0, "pm": 0, "times": 0, "lambda": 0, "leq": 0, "geq": 0, "to": 0, "mathrm": 1, "cdot": 0, "mu": 0,
    "Delta": 0, "rightarrow": 0, "circ": 0,
}  # fmt: skip


def rows_of(source: str) -> list[list[str]]:
    """The cells of each row; fails on whatever would not compile, or would give a row other columns than the table has."""
    lines = [line for line in source.splitlines() if not line.startswith("%")]
    assert (begin := re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[0])) and lines[-1] == r"\end{tabular}"
    rows: list[list[str]] = []
    for line in lines[1:-1]:
        _check(line)
        if not line.endswith(r"\\"):
            assert re.fullmatch(r"(\\(toprule|midrule|bottomrule|addlinespace)|(\\cmidrule\(lr\)\{\d+-\d+\} ?)+)", line), line
            continue
        cells = re.split(r"(?<!\\)&", line.removesuffix(r"\\"))
        spans = [int(match[1]) if (match := re.match(r"\s*\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells]
        assert sum(spans) == len(begin[1]), line
        rows.append([cell.strip() for cell in cells])
    return rows


def _check(line: str) -> None:
    """Known commands alone, balanced braces and dollars, no letter that a plain document cannot set."""
    assert {name for name in re.findall(r"\\([A-Za-z]+)", line)} <= _KNOWN.keys(), line
    bare = re.sub(r"\\[\\{}$&#%_]", "", line)
    assert not re.search(r"[#%~^_<>|\"]", re.sub(r"\$[^$]*\$", "", bare).replace("~", "")), line
    assert bare.count("$") % 2 == 0, line
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0, line
    assert depth == 0, line
    assert all(letter.isascii() or letter in "éüß" for letter in line), line


def table(*rows: tuple[Entry, ...], columns: tuple[Column, ...] | None = None, **more: object) -> Table:
    made = columns or tuple(Column(plain(name), number=number > 0) for number, name in enumerate("abc"[: len(rows[0])]))
    return Table(label="A table", caption=plain("All\nof 5 %"), columns=made, groups=(Group(rows),), **more)  # type: ignore[arg-type]


def test_whatever_a_name_holds_is_shown_and_not_obeyed() -> None:
    nasty = r"50% of $x_1$ & \input{f} #2 ~^ <a|b> {" + '"q"'
    ((_, shown),) = rows_of(as_latex.tabular(table((Entry(plain("r")), Entry(plain(nasty))))).decode())[1:]
    assert shown == (
        r"50\% of \$x\_1\$ \& \textbackslash{}input\{f\} \#2 \textasciitilde{}\textasciicircum{} "
        r"\textless{}a\textbar{}b\textgreater{} \{''q''"
    )


@pytest.mark.parametrize(
    ("letter", "shown"),
    [
        ("−", "$-$"), ("±", r"$\pm$"), ("λ", r"$\lambda$"), ("Δ", r"$\Delta$"), ("é", "é"), ("ü", "ü"), ("ß", "ß"), ("–", "--"),
        ("中", r"\texttt{U+4E2D}"), ("ą", r"\texttt{U+0105}"), ("Ж", r"\texttt{U+0416}"), ("\x07", ""), ("\t", " "),
        ("\N{GREEK CAPITAL LETTER ALPHA}", r"\texttt{U+0391}"), ("\U0001f600", r"\texttt{U+1F600}"), ("μ", r"$\mu$"),
    ],
)  # fmt: skip
def test_every_letter_compiles(letter: str, shown: str) -> None:
    assert as_latex.escaped(letter) == shown


def test_numbers_keep_their_intervals_their_weight_and_their_mark() -> None:
    entry = Entry(
        plain("−0.12"), -0.12, lines=(plain("± 1.41"), plain("n=4")), under=(plain("missing 1"),), strong=True, holds=True
    )
    assert as_latex.entry(entry) == r"\textbf{$-$0.12}$^{*}$ $\pm$ 1.41, n=4 (missing 1)"
    assert as_latex.entry(Entry()) == "--"
    assert (
        as_latex.text(prose("`a_b` **c** *d* [e](f.html) λ~0~"))
        == r"\texttt{a\_b} \textbf{c} \emph{d} e $\lambda$$_{\mathrm{0}}$"
    )


def test_heads_over_columns_groups_merged_entries_and_the_foot_have_their_places() -> None:
    columns = (
        Column(plain("target"), merged=True),
        Column(plain("audio"), under="(%)", over="from", number=True),
        Column(plain("point"), over="from", number=True),
    )
    rows = tuple((Entry(plain("image")), Entry(plain(str(n))), Entry((Span("x", "code"),))) for n in range(2))
    made = Table(
        "t", plain("t"), columns, (Group(rows, "First"), Group(rows, "Second")), foot=(Entry(plain("all")), Entry(), Entry())
    )
    lines = as_latex.tabular(made).decode().splitlines()
    assert r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{from} \\" in lines and r"\cmidrule(lr){2-3}" in lines
    assert rows_of("\n".join(lines))[1:] == [
        ["target", r"audio (\%)", "point"],
        [r"\multicolumn{3}{l}{\emph{First}}"], ["image", "0", r"\texttt{x}"], ["", "1", r"\texttt{x}"],
        [r"\multicolumn{3}{l}{\emph{Second}}"], ["image", "0", r"\texttt{x}"], ["", "1", r"\texttt{x}"],
        ["all", "--", "--"],
    ]  # fmt: skip


def test_a_row_that_starts_with_a_bracket_is_no_distance() -> None:
    assert "\n{}[a] & b \\\\\n" in as_latex.tabular(table((Entry(plain("[a]")), Entry(plain("b"))))).decode()


def test_tables_are_found_wherever_they_stand_and_named_apart() -> None:
    one = table((Entry(plain("r")),))
    blocks = (one, Details(plain("more"), (SideBySide((one, one)),)))
    page = Page("p", "p", plain(""), (Section("Gains", "gains", blocks), Section("Costs", "costs", (one,))))
    files = as_latex.tables(page)
    assert list(files) == ["gains-a-table.tex", "gains-a-table-2.tex", "gains-a-table-3.tex", "costs-a-table.tex"]
    assert files["costs-a-table.tex"].startswith(
        b"% All of 5 %\n% needs \\usepackage{booktabs}\n\\begin{tabular}{l}\n\\toprule\n"
    )


def test_every_table_of_a_report_is_a_file_that_can_be_read(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, 3, targets=("image", "audio"), epochs=2))
    out = report.render(planned.source, tmp_path / "reports").parent
    pages = "".join(path.read_text() for path in out.glob("*.html"))
    files = sorted(out.glob("tables/*.tex"))
    assert len(files) == pages.count("<table") > 5
    for path in [*files, *out.glob("local/tables/*.tex")]:
        assert len(rows_of(path.read_text())) > 1, path.name
    (gains,) = (path for path in files if path.name == "gains-gain-over-random-weights.tex")
    shown = rows_of(gains.read_text())
    assert shown[1] == ["target", "image", "audio", "own lineage"] and re.match(r"(\\textbf\{)?[+$]", shown[2][2])
    (out / "tables" / "old.tex").write_text("")
    report.render(planned.source, out)
    assert sorted(out.glob("tables/*.tex")) == files, "those of an earlier report are removed"
