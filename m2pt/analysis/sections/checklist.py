"""A filled-in reproducibility checklist: what a reviewer asks of every study, answered from its declaration and its records.

The questions are those of the Machine Learning Reproducibility Checklist (J. Pineau and others, arXiv 2003.12206, figure 8) that
a study can answer by itself. What differs between executions is answered on the page of costs.
"""

from collections.abc import Iterable, Sequence

import pandas as pd

from m2pt.analysis.content import Definitions, Paragraph, Section, Text, plain, prose
from m2pt.analysis.numbers.draws import layout
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import ABOUT_COSTS
from m2pt.analysis.sections.wording import capital, duration, energy, memory
from m2pt.analysis.tables import as_run, left_out, materials
from m2pt.analysis.tables.phrases import counted
from m2pt.modalities.registry import SPECS
from m2pt.runs.folder import FILE_STATES
from m2pt.runs.identity import RECIPE_VERSION
from m2pt.runs.spec import Spec

_INTRODUCTION = (
    "What reviewers ask of every study (*Machine Learning Reproducibility Checklist*, arXiv 2003.12206), answered from the "
    f"study's declaration and its records. What differs between executions is [kept apart]({ABOUT_COSTS})."
)
_UNKNOWN_LICENCE = "licence to be stated by whoever publishes this: the files do not say"
_LAYOUTS = {
    "nested": "each fine-tuning seed has one of them, and several seeds share one",
    "crossed": "each fine-tuning seed is run with each of them",
    "one level": "each fine-tuning seed has one of its own",
}
"""How fine-tuning seeds and pretraining seeds are combined."""


def section(facts: Facts) -> Section | None:
    """The answers that are the same after every identical execution; None before there is a run."""
    if facts.analysis.table.empty:
        return None
    answers = (
        ("Seeds", _seeds(facts)),
        ("Runs", plain(_runs(facts.analysis.table))),
        ("Error bars", prose(_ERROR_BARS)),
        ("Hyperparameters", prose(_hyperparameters(facts))),
        ("Evaluation", plain(_evaluation(facts))),
        ("Data and licences", plain(" ".join(_data(facts)))),
        ("Models", plain(_models(facts))),
        ("Integrity", prose(_integrity(facts))),
        ("Code", prose(_CODE)),
        ("Compute", prose(f"Devices, times, energy, memory, versions and commits: [kept apart]({ABOUT_COSTS}).")),
    )
    items = tuple((plain(name), text) for name, text in answers)
    return Section("Checklist", "checklist", (Paragraph(prose(_INTRODUCTION)), Definitions(items)))


def compute(facts: Facts) -> Section:
    """The answers that differ between executions."""
    timings = facts.analysis.timings
    known = timings[timings["device_seconds"].notna()] if len(timings) else timings
    if known.empty:
        return Section("Checklist: compute", "checklist", (Paragraph(plain("Compute: not recorded here.")),))
    answers = (
        (
            "Devices",
            _listed(f"{name} ({counted(len(rows), 'run')})" for name, rows in known.groupby("device_name", dropna=False)),
        ),
        ("Device time, with all attempts", duration(float(known["device_seconds"].sum()))),
        ("Energy", _energy(known)),
        ("Largest peak of memory", memory(_largest(known["peak_memory_bytes"]))),
        ("Attempts", f"{int(known['attempts'].sum())} for {counted(len(known), 'run')}"),
        ("Versions", _listed(f"{name} {', '.join(sorted(set(map(str, known[name].dropna()))))}" for name in _PACKAGES)),
        ("Last verified", facts.source.verified or "never: `m2pt verify` reads every file, weights and data too"),
        ("Commits", _listed(sorted({str(commit)[:12] for commit in known["git_commit"].dropna()})) or "not recorded"),
    )
    items = tuple((plain(name), plain(text)) for name, text in answers)
    return Section("Checklist: compute", "checklist", (Definitions(items),))


_PACKAGES = ("python", "torch", "timm", "numpy")

_ERROR_BARS = (
    "95 % t intervals of mean differences over paired draws, with the number of draws in every cell; where encoders have several "
    "pretraining seeds, over both levels. What an interval covers beside seeds is said where it stands."
)
_CODE = (
    "A run's id is a hash of its settings, its data and its weights: equal ids mean equal numbers on the same kind of hardware "
    f"(recipe version {RECIPE_VERSION}). `m2pt study` runs a study from its file, and `m2pt plan` says what it costs."
)


def _seeds(facts: Facts) -> Text:
    seeds = sorted({spec.seed for spec in facts.source.specs})
    count = facts.study.replicates
    encoders = "one pretraining seed of each encoder"
    if count:
        layouts = {layout(cell.runs) for cell in facts.analysis.cells}
        how = _listed(words for name, words in _LAYOUTS.items() if name in layouts)
        encoders = f"{counted(count, 'pretraining seed')} of the encoders ({how})"
    words = (
        "A seed decides the draw of samples, their order, augmentation, and the initialisation of head and tokenizer; all "
        "methods share them, so that differences are paired."
    )
    return plain(f"Fine-tuning seeds {', '.join(map(str, seeds))}; {encoders}. {words}")


def _runs(table: pd.DataFrame) -> str:
    counts = table["status"].value_counts()
    states = ", ".join(f"{int(counts[name])} {name}" for name in FILE_STATES if name in counts)
    return f"{len(table)} planned; {states}. All of them are listed; a run that is missing from an average is counted there."


def _hyperparameters(facts: Facts) -> str:
    study = facts.study
    words = ["All values that runs read are in [the settings](#provenance)."]
    if study.search is not None:
        words.append(f"A search of {counted(study.search.trials, 'trial')} chose some on validation data, on seeds of its own.")
    if facts.source.arms:
        trials = " or ".join(map(str, sorted({len(arm.runs) for arm in facts.source.arms})))
        words.append(f"The rates of each arm were chosen on validation data from {trials} values, on seeds of their own.")
    if len(words) == 1:
        words.append("The study's file declares them; no run of the study chose any.")
    return " ".join(words)


def _evaluation(facts: Facts) -> str:
    metrics = " and ".join(sorted({cell.measure for cell in facts.analysis.cells}))
    weights = as_run.scored_weights(facts.source.specs)
    return f"Test {metrics} of {weights}. Test data are read once, at the end of a run; they choose nothing."


def _data(facts: Facts) -> list[str]:
    """A sentence for each data set: its samples and its licence."""
    specs: list[Spec] = [*facts.source.specs, *facts.source.pretraining]
    samples = left_out.of_targets(list(facts.splits))
    sentences = []
    for row in materials.datasets(facts.study, specs):
        made_here = facts.study.data.embedded is not None and row.name in SPECS
        rights = SPECS[row.name].rights if made_here else _UNKNOWN_LICENCE
        used = f" ({samples[row.name]} samples)" if row.name in samples else ""
        sentences.append(f"{capital(row.name)}{used}: {rights}.")
    return sentences


def _models(facts: Facts) -> str:
    records = list(facts.analysis.records.values())
    if not records:
        return "No run is complete yet."
    final, trained = ([getattr(record, name) for record in records] for name in ("parameters", "trainable_parameters"))
    return f"Final models have {_range(final)} parameters; in training, {_range(trained)} had gradients, auxiliaries included."


def _integrity(facts: Facts) -> str:
    """What of the runs' files was looked at for this report, which is the same after each identical execution."""
    records = list(facts.analysis.records.values())
    sealed = sum(record.seal is not None for record in records)
    whom = "itself" if sealed == 1 else "themselves"
    words = (
        f"{counted(sealed, 'complete run')} vouched for {whom} when this report was made: the seal of the record fitted, and so "
        "did the SHA-256 that it holds of each file that numbers are made from. A run for which that is not so counts as failed. "
        "`m2pt verify` reads weights and data too."
    )
    older = len(records) - sealed
    return f"{words} {counted(older, 'record')} of older code without a seal." if older else words


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _energy(known: pd.DataFrame) -> str:
    values = known["energy_joules"].dropna()
    if values.empty:
        return "not reported by the devices"
    some = "" if len(values) == len(known) else f" ({len(values)} of {len(known)} runs report it)"
    return energy(float(values.sum())) + some


def _largest(values: "pd.Series[float]") -> float | None:
    known = values.dropna()
    return None if known.empty else float(known.max())


def _listed(words: Iterable[str]) -> str:
    return "; ".join(words)
