"""The search of a study: what was tried, what was chosen, and what that is worth on fresh seeds."""

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
    Text,
    code,
    plain,
)
from m2pt.analysis.figures.trials import drawing, words
from m2pt.analysis.sections.wording import numeric, of_difference, of_planned, of_score, word
from m2pt.analysis.tables.search import Row, Story
from m2pt.config import Study

_SAMPLERS = {"random": "random draws", "tpe": "a tree-structured Parzen estimator (TPE)"}


def section(study: Study, story: Story | None) -> Section | None:
    """None for a study without a search."""
    if story is None:
        return None
    blocks: list[Block] = [Paragraph(plain(f"{_progress(story)} {_outcome(study, story)}")), _ranges(story)]
    blocks += [_confirmations(story)] if story.confirmations else []
    if story.picture:
        title = "Mean validation score of each trial, and the best so far"
        blocks.append(Gallery((Figure(words(story.picture), title, svg=drawing(story.picture)),), look="narrow"))
    blocks += [_trials(story)] if story.rows else []
    return Section("Search", "search", tuple(blocks))


def _progress(story: Story) -> str:
    search = story.search
    states = [f"{story.count(state)} {state}" for state in ("complete", "failed", "unfinished")]
    states = states if story.count("unfinished") else states[:2]
    seeds = ", ".join(map(str, search.seeds))
    return (
        f"{len(story.rows)} of {search.trials} trials {'was' if len(story.rows) == 1 else 'were'} proposed by "
        f"{_SAMPLERS[search.sampler]} with seed {search.seed}: {', '.join(states)}. A trial is judged by the mean validation "
        f"score of {search.method} over all targets and auxiliaries on seed{'' if len(search.seeds) == 1 else 's'} {seeds}; "
        "the search reads no test score, and the trials' runs are in no other section."
    )


def _outcome(study: Study, story: Story) -> str:
    if story.chosen and story.same:
        return "The declared values themselves had the best score, so there is nothing else to confirm."
    if story.chosen:
        fresh = ", ".join(map(str, study.sweep.seeds))
        return (
            f"Trial {story.chosen.number} has the best validation score and is chosen. The best of many is too high because "
            "it was selected: the scores of the part chosen, compared with those of the part declared, say what the chosen "
            f"values are worth. Both are on test data and on fresh seeds ({fresh}) that no trial has seen."
        )
    if len(story.rows) == story.search.trials and not story.count("unfinished"):
        return "No trial is complete, so nothing is chosen."
    return "Nothing is chosen before all trials have ended."


def _ranges(story: Story) -> Table:
    chosen = next((row for row in story.rows if row.is_chosen), None)
    names = ["range", "declared", *(["chosen"] if chosen else [])]
    columns = (Column(plain("key"), head=True), *(Column(plain(name)) for name in names))
    rows = tuple(
        (
            Entry(code(key), key), word(values), word(declared),
            *([_strong(chosen.values[place])] if chosen else []),
        )
        for place, (key, values, declared) in enumerate(story.ranges)
    )  # fmt: skip
    return Table("Ranges of the search", plain("What was searched"), columns, (Group(rows),))


def _strong(text: str) -> Entry:
    return Entry(plain(text), text, strong=True)


def _confirmations(story: Story) -> Table:
    names = ("declared", "chosen", "chosen − declared", "seeds")
    columns = (Column(plain("method"), head=True), *(Column(plain(name), number=True) for name in names))
    rows = tuple(
        (
            Entry(code(row.method), row.method), of_score(row.declared), of_score(row.chosen), of_difference(row.difference),
            Entry(plain(of_planned(row.difference)), row.difference.n),
        )
        for row in story.confirmations
    )  # fmt: skip
    caption = (
        "Test scores on fresh seeds, mean over all targets and auxiliaries, with 95 % t interval; differences in points, "
        "paired by seed, not corrected for multiple comparisons"
    )
    return Table("Confirmation of the chosen values", plain(caption), columns, (Group(rows),))


def _trials(story: Story) -> Table:
    columns = (
        Column(plain("trial"), head=True, number=True),
        Column(plain("validation"), number=True),
        Column(plain("best so far"), number=True),
        *(Column(code(key)) for key, _, _ in story.ranges),
        Column(plain("state")),
    )
    caption = plain("Trials, with the mean validation score of their runs")
    return Table("Trials", caption, columns, (Group(tuple(map(_trial, story.rows))),))


def _trial(row: Row) -> tuple[Entry, ...]:
    score = numeric(row.trial.score, 2)
    state = "chosen" if row.is_chosen else row.trial.state
    reason: Text = plain(f": {row.trial.reason}") if row.trial.reason else ()
    return (
        Entry(plain(row.trial.number), row.trial.number),
        Entry(score.text, score.value, strong=row.is_chosen),
        numeric(row.best, 2),
        *map(word, row.values),
        Entry((*plain(state), *reason), state, strong=row.is_chosen),
    )
