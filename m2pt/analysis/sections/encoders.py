"""The encoders of a study: where they come from, how good they are, how they were read."""

from collections.abc import Sequence

from m2pt.analysis.content import (
    Block,
    Column,
    Entry,
    Figure,
    Gallery,
    Group,
    Paragraph,
    Section,
    Table,
    code,
    codes,
    plain,
    prose,
)
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import NONE, word
from m2pt.analysis.tables import as_run, materials
from m2pt.analysis.tables.materials import EncoderRow
from m2pt.analysis.tables.origins import origins
from m2pt.runs.spec import PretrainSpec

_KINDS = {"mae": "masked autoencoding", "labels": "labels", "procedural": "nested brackets", "file": "a file", "run": "a run"}
_DIGITS = 12


def section(facts: Facts) -> Section:
    """The encoders, and what those with reconstructions make of their samples."""
    source = facts.source
    targets, auxiliaries = as_run.sources(source.specs)
    words = f"Targets start from {codes(targets)}"
    words += f"; auxiliaries are {codes(auxiliaries)}." if auxiliaries else "."
    rows = materials.encoders(source.study, source.specs, source.pretraining, source.encoders)
    blocks: list[Block] = [Paragraph(prose(words)), *([_table(rows)] if rows else [])]
    blocks += [Paragraph(prose(sentence)) for sentence in origins(source.study, source.specs)]
    blocks += [Paragraph(plain(sentence)) for sentence in materials.readings(facts.analysis.records.values())]
    drawn = tuple(_figure(spec, content) for spec, content in facts.reconstructions)
    return Section("Encoders", "encoders", (*blocks, *((Gallery(drawn),) if drawn else ())))


def sha256(digest: str | None) -> Entry:
    """The first digits of a fingerprint; all of them where a reader points at it."""
    return Entry(code(digest[:_DIGITS], digest), digest) if digest else NONE


def reconstruction_name(spec: PretrainSpec) -> str:
    """The name of the figure of an encoder's reconstructions, without its ending."""
    return f"reconstructions-{spec.modality}-{spec.source.replace('+', '-')}"


def _figure(spec: PretrainSpec, content: bytes) -> Figure:
    words = (
        f"Reconstructions by the {spec.modality} encoder {spec.source}: samples, what was left of them, and what the encoder "
        "made of it"
    )
    return Figure(words, f"{spec.modality} ({spec.source})", reconstruction_name(spec), png=content)


def _table(rows: Sequence[EncoderRow]) -> Table:
    columns = (
        Column(plain("source"), head=True),
        Column(plain("modality")),
        Column(plain("made by")),
        Column(plain("seed"), number=True),
        Column(plain("steps"), number=True),
        *(Column(plain(name)) for name in ("validation", "status", "SHA-256")),
    )
    entries = tuple(
        (
            word(row.source), word(row.modality), _made_by(row), _seed(row),
            Entry(plain(row.steps or "–"), row.steps), _validation(row), word(row.status), sha256(row.sha256),
        )
        for row in rows
    )  # fmt: skip
    return Table("Encoders", plain("Encoders of the study"), columns, (Group(entries),))


def _made_by(row: EncoderRow) -> Entry:
    kind = _KINDS.get(row.kind, row.kind)
    return word(row.instead if row.instead == "random labels" else f"{kind}, on noise" if row.instead else kind)


def _seed(row: EncoderRow) -> Entry:
    return NONE if row.seed is None else Entry(plain(row.seed), row.seed)


def _validation(row: EncoderRow) -> Entry:
    if row.val_score is None or row.metric is None:
        return NONE
    unit = " %" if row.metric == "accuracy" else ""
    return Entry(plain(f"{row.metric.replace('_', ' ')} {row.val_score:.4g}{unit}"), row.val_score)
