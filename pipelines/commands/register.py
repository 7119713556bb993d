"""`register`: write down what a study asks, before it has results."""

import glob
from argparse import Namespace
from collections.abc import Sequence

from m2pt.analysis.numbers.cells import ROLES, cells
from m2pt.analysis.numbers.claims import Claim, Kind, claims
from m2pt.analysis.numbers.comparisons import Summary, summaries
from m2pt.analysis.numbers.questions import Answer, Question, answers, asked
from m2pt.analysis.numbers.rules import Rule
from m2pt.analysis.tables.phrases import counted
from m2pt.config import UserError
from m2pt.runs.attempts import now
from m2pt.runs.folder import RunState
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.looks import encoder_seeds
from m2pt.runs.registration import (
    Contrast,
    RegisteredClaim,
    Registration,
    declared,
    read_registration,
    registration_file,
    write_registration,
)
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from pipelines.planning import study_file
from pipelines.planning.folders import runs_folder
from pipelines.planning.grid import distinct, part_specs, plugins_used
from pipelines.planning.plan import Plan, resolve, sweep_id

_MOST_NAMED = 3
_ABOUT: dict[Kind, str] = {
    "others": "the average of other modalities over random weights",
    "pair": "a pair over random weights",
    "control": "the positive control {} over random weights",
}


def register(options: Namespace) -> int:
    """Write the registration of a study; it never replaces one."""
    plan = resolve(study_file.load(options.study))
    path = registration_file(plan.study)
    if (known := read_registration(path)) is not None:
        raise UserError(
            f"{path}: the study was registered on {known.day}, and a registration is never replaced; to ask another question, "
            "give the study another name (study) and fresh seeds."
        )
    existing = [run_id(spec) if plan.is_ready(spec) else spec.name for spec in plan.compared if _exists(plan, spec)]
    if existing and not options.despite_runs:
        named = ", ".join(existing[:_MOST_NAMED]) + (f" and {len(existing) - _MOST_NAMED} more" if existing[_MOST_NAMED:] else "")
        raise UserError(
            f"{options.study}: a study is registered before it has runs, but {named} exist in {runs_folder(plan.study)}; use "
            "fresh seeds and another name, or --despite-runs to register it as exploratory, with these runs named."
        )
    written = write_registration(path, content(plan).model_copy(update={"older_runs": tuple(existing)}))
    print(f"{plan.study.study}: registered in {path} (hash {written.short}); commit this file before the study runs.")
    return 0


def content(plan: Plan) -> Registration:
    """What is written down of a study, but for the runs that exist and the hash.

    Raises:
        UserError: the study does not compare auxiliaries of other modalities with random weights and declares no question, or
            one of those that it declares has no runs.

    """
    planned = _planned(plan)
    summary, answered = _main(plan, planned)
    study, pairs = plan.study, summary.select("random", "pair")
    first = pairs[0] if pairs else answered[0].comparisons[0]
    contrast = Contrast(
        methods=(first.cell.method, first.reference.method),
        setting=summary.condition.setting,
        tuning=summary.condition.tuning,
        score=next(iter(planned.values()))[0].finetune.score,
    )
    return Registration(
        study=study.study,
        date=now(),
        question=" ".join([*([_question(summary, contrast)] if pairs else []), *map(_declared, answered)]),
        contrast=contrast,
        primary_family=_family(summary, answered, Rule(study.design.planned, study.design.smallest_difference)),
        seeds=study.sweep.seeds,
        encoder_seeds=encoder_seeds(study),
        smallest_difference=study.design.smallest_difference,
        recipe_version=RECIPE_VERSION,
        sweep_id=sweep_id(study),
        declared=declared(study, plugins_used(study)),
        older_runs=(),
    )


def _planned(plan: Plan) -> dict[str, list[RunSpec]]:
    """The runs of each part that will be compared; in a tuned study, their rates need not be chosen yet."""
    if plan.arms:
        return part_specs(plan.study, plan.prints)
    compared = {spec.model_dump_json() for spec in plan.compared}
    return {name: [spec for spec in specs if spec.model_dump_json() in compared] for name, specs in plan.parts.items()}


def _main(plan: Plan, planned: dict[str, list[RunSpec]]) -> tuple[Summary, Sequence[Answer]]:
    """The condition that the claims at the top of the report are about, and what it has on the declared questions."""
    specs = distinct([spec for members in planned.values() for spec in members])
    of_study = cells(read_table(specs, runs_folder(plan.study), planned))
    questions = asked(plan.study)
    known = answers(questions, of_study)
    asking = [item for item in summaries(of_study) if item.select("random", "pair") or item.condition in known]
    if not asking:
        needed = " and ".join(name for name, role in ROLES.items() if role in ("pair", "random"))
        raise UserError(
            f"{plan.study.study}: asks no question that can be registered; its runs need the methods {needed} (sweep.methods)."
        )
    main, answered = asking[0], known.get(asking[0].condition, ())
    if lacking := [item for item in questions if item not in {answer.question for answer in answered}]:
        raise UserError(
            f"{plan.study.study}: design.questions: {_words(lacking[0])} has no runs in {main.condition.label}, which the claims "
            "are about; add the two methods to sweep.methods there."
        )
    return main, answered


def _words(question: Question) -> str:
    return f"{question.method} over {question.over}"


def _declared(answer: Answer) -> str:
    """A declared question in words."""
    question, count, measure = answer.question, len(answer.comparisons), answer.comparisons[0].cell.measure
    return (
        f"Does `{question.method}` score otherwise than `{question.over}`? The mean difference in test {measure} between them, "
        f"in percentage points, paired by seed, over {counted(count, 'pair')} of target and auxiliary."
    )


def _question(summary: Summary, contrast: Contrast) -> str:
    """The question in words."""
    pairs = summary.select("random", "pair")
    measures = " and ".join(dict.fromkeys(item.cell.measure for item in pairs))
    of = "target and auxiliary" if len(pairs) == 1 else "targets and auxiliaries"
    return (
        "Do auxiliary encoders of other modalities do more than encoders of random weights in their place? The mean difference "
        f"in test {measures} between `{contrast.methods[0]}` and `{contrast.methods[1]}`, in percentage points, paired by seed, "
        f"over {counted(len(pairs), 'pair')} of {of} ({summary.condition.label})."
    )


def _family(summary: Summary, answered: Sequence[Answer], rule: Rule) -> tuple[RegisteredClaim, ...]:
    """The claims that share the error rate of 5 %."""
    known = claims([summary], rule=rule, answers={summary.condition: answered} if answered else {})[summary.condition]
    return tuple(
        RegisteredClaim(
            about=_about(claim),
            metric=claim.metric,
            pairs=tuple(f"{item.target} from {item.auxiliary}" for item in claim.comparisons),
            share=round(claim.share, 6),
        )
        for claim in (*known.others, *known.pairs, *known.controls, *known.questions)
    )


def _about(claim: Claim) -> str:
    """What a claim compares, in words."""
    if claim.question is not None:
        return _words(claim.question)
    return _ABOUT[claim.kind].format(claim.comparisons[0].cell.method)


def _exists(plan: Plan, spec: RunSpec) -> bool:
    """Whether a run was begun. One whose id is not known yet, for lack of data or weights, is looked for by its name."""
    if plan.is_ready(spec):
        return plan.state(spec) != RunState.MISSING
    return any(runs_folder(plan.study).glob(f"{glob.escape(spec.name)}-????????"))
