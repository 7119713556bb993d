"""The tables of a report as LaTeX, one file each: a `tabular` for a paper to `input`.

It needs the package booktabs and nothing else, and every file compiles with any engine: what LaTeX gives a meaning is escaped,
symbols are written as commands, and a letter that LaTeX's own fonts lack is shown by its code point.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

from m2pt.analysis.content import Block, Column, Details, Entry, Group, Page, SideBySide, Span, Table, Text, string

FOLDER = "tables"

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': "''",
}  # fmt: skip
_SYMBOLS = {
    "\N{MINUS SIGN}": "$-$", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\to$",
    "–": "--", "—": "---", "…": r"\ldots{}", "‘": "`", "’": "'", "“": "``", "”": "''", "\N{NO-BREAK SPACE}": "~",
    "°": r"$^\circ$", "²": "$^2$", "½": "$1/2$", "µ": r"$\mu$", "›": r"$\rightarrow$",
}  # fmt: skip
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)$")
_NAMED = {"LAMDA": "lambda"}
"""Unicode's spellings that are not LaTeX's."""

_UNLIKE_LATIN = ("alpha", "beta", "epsilon", "zeta", "eta", "iota", "kappa", "mu", "nu", "omicron", "rho", "tau", "chi")
"""Greek letters whose capitals LaTeX does not name, because they look like Latin ones."""

_ACCENTS = {0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x30A, 0x30B, 0x30C, 0x327}
_FURTHER = set("ßæÆœŒøØłŁıçÇ")
"""What LaTeX's own fonts can set beyond ASCII: these letters, and those with one of these accents."""

_COMMANDS = {"strong": "textbf", "emphasis": "emph", "code": "texttt"}


def tables(page: Page) -> dict[str, bytes]:
    """Every table of a page, by the name of its file: that of its section and its own, numbered where it is not the only one."""
    files: dict[str, bytes] = {}
    for section in page.sections:
        for table in _tables(section.blocks):
            stem = "-".join(part for part in (section.anchor, _slug(table.label)) if part)
            taken = sum(bool(re.fullmatch(rf"{re.escape(stem)}(-\d+)?\.tex", name)) for name in files)
            files[f"{stem}-{taken + 1}.tex" if taken else f"{stem}.tex"] = tabular(table)
    return files


def tabular(table: Table) -> bytes:
    """One table; its caption is a comment in the first line."""
    columns = table.columns
    aligned = "".join("r" if column.number else "l" for column in columns)
    lines = [
        f"% {_comment(string(table.caption))}",
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{{aligned}}}",
        "\\toprule",
        *_heads(columns),
        "\\midrule",
    ]
    for number, group in enumerate(table.groups):
        lines += ["\\midrule"] if number and not group.title else []
        lines += _title(group, len(columns), first=number == 0) if group.title else []
        lines += [_row([entry(item) for item in row]) for row in _unmerged(group, columns)]
    lines += ["\\midrule", _row([entry(item) for item in table.foot])] if table.foot else []
    return ("\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n").encode()


def entry(item: Entry) -> str:
    """An entry of a table in one line."""
    words = text(item.text)
    words = (f"\\textbf{{{words}}}" if item.strong and words else words) + ("$^{*}$" if item.holds else "")
    for line in item.lines:
        joined = text(line)
        words += f" {joined}" if string(line).startswith(("±", "(")) else f", {joined}"
    return words + (f" ({'; '.join(map(text, item.under))})" if item.under else "")


def text(spans: Text) -> str:
    """A sentence; links are their words alone."""
    return "".join(map(_span, spans))


def escaped(words: str) -> str:
    """Text that LaTeX sets as it is; white space of any kind is one space."""
    return "".join(map(_letter, re.sub(r"[ \t\r\n\f\v]+", " ", words)))


def _span(span: Span) -> str:
    words = escaped(span.text)
    if span.kind == "sub" and words:
        return f"$_{{\\mathrm{{{words}}}}}$" if span.text.isalnum() else words
    command = _COMMANDS.get(span.kind)
    return f"\\{command}{{{words}}}" if command and words else words


def _letter(letter: str) -> str:
    known = _SPECIAL.get(letter) or _SYMBOLS.get(letter)
    if known:
        return known
    if letter.isascii():
        return letter if letter.isprintable() else ""
    name = unicodedata.name(letter, "")
    if match := _GREEK.match(name):
        spelled = _NAMED.get(match[2], match[2].lower())
        if spelled == "omicron" or (match[1] == "CAPITAL" and spelled in _UNLIKE_LATIN):
            return f"\\texttt{{U+{ord(letter):04X}}}"
        return f"$\\{spelled.capitalize() if match[1] == 'CAPITAL' else spelled}$"
    parts = unicodedata.normalize("NFD", letter)
    if letter in _FURTHER or (len(parts) == 2 and parts[0].isascii() and ord(parts[1]) in _ACCENTS):
        return letter
    return f"\\texttt{{U+{ord(letter):04X}}}"


def _tables(blocks: Sequence[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Details | SideBySide):
            yield from _tables(block.blocks)


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _comment(words: str) -> str:
    return " ".join(words.split())


def _heads(columns: Sequence[Column]) -> Iterator[str]:
    """The titles of the columns, below what heads several of them."""
    if any(column.over for column in columns):
        cells, rules, place = [], [], 1
        for name, members in groupby(columns, key=lambda column: column.over):
            span = len(list(members))
            cells.append(f"\\multicolumn{{{span}}}{{c}}{{{escaped(name)}}}")
            rules += [f"\\cmidrule(lr){{{place}-{place + span - 1}}}"] if name else []
            place += span
        yield _row(cells)
        yield " ".join(rules)
    yield _row([f"{text(column.title)} {escaped(column.under)}".strip() for column in columns])


def _title(group: Group, columns: int, *, first: bool) -> Iterator[str]:
    if not first:
        yield "\\addlinespace"
    yield _row([f"\\multicolumn{{{columns}}}{{l}}{{\\emph{{{escaped(group.title)}}}}}"])


def _unmerged(group: Group, columns: Sequence[Column]) -> Iterator[list[Entry]]:
    """The rows; an entry that says the same as the one above it is empty in a column that merges them."""
    above: tuple[Entry, ...] | None = None
    for row in group.rows:
        shown = list(row)
        for number, column in enumerate(columns):
            if column.merged and above is not None and above[number] == row[number]:
                shown[number] = Entry(())
        yield shown
        above = row


def _row(cells: Sequence[str]) -> str:
    """One row. An empty group before a bracket: after a line break LaTeX would take it for a distance."""
    line = " & ".join(cells)
    return f"{'{}' if line.startswith('[') else ''}{line} \\\\"
