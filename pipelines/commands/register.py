"""`register`: write down what a study asks, before it has results."""

import glob
from argparse import Namespace

from m2pt.analysis.numbers.cells import ROLES, cells
from m2pt.analysis.numbers.claims import Kind, claims
from m2pt.analysis.numbers.comparisons import Summary, summaries
from m2pt.analysis.numbers.rules import Rule
from m2pt.analysis.sections.wording import counted
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
from pipelines.planning.plan import Plan, resolve, sweep_id

_MOST_NAMED = 3
_ABOUT: dict[Kind, str] = {
    "others": "the average of other modalities over random weights",
    "pair": "a pair over random weights",
    "control": "a positive control over random weights",
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
        UserError: the study does not compare auxiliaries of other modalities with random weights.

    """
    summary = _main(plan)
    first, study = summary.select("random", "pair")[0], plan.study
    contrast = Contrast(
        methods=(first.cell.method, first.reference.method),
        setting=summary.condition.setting,
        tuning=summary.condition.tuning,
        score=plan.compared[0].finetune.score,
    )
    return Registration(
        study=study.study,
        date=now(),
        question=_question(summary, contrast),
        contrast=contrast,
        primary_family=_family(summary, Rule(study.design.planned, study.design.smallest_difference)),
        seeds=study.sweep.seeds,
        encoder_seeds=encoder_seeds(study),
        smallest_difference=study.design.smallest_difference,
        recipe_version=RECIPE_VERSION,
        sweep_id=sweep_id(study),
        declared=declared(study),
        older_runs=(),
    )


def _main(plan: Plan) -> Summary:
    """The condition that the claims at the top of the report are about."""
    table = read_table(plan.compared, runs_folder(plan.study), plan.parts)
    asked = [item for item in summaries(cells(table)) if item.select("random", "pair")]
    if not asked:
        needed = " and ".join(name for name, role in ROLES.items() if role in ("pair", "random"))
        raise UserError(
            f"{plan.study.study}: asks no question that can be registered; its runs need the methods {needed} (sweep.methods)."
        )
    return asked[0]


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


def _family(summary: Summary, rule: Rule) -> tuple[RegisteredClaim, ...]:
    """The claims that share the error rate of 5 %."""
    known = claims([summary], rule=rule)[summary.condition]
    return tuple(
        RegisteredClaim(
            about=_ABOUT[claim.kind],
            metric=claim.metric,
            pairs=tuple(f"{item.target} from {item.auxiliary}" for item in claim.comparisons),
            share=round(claim.share, 6),
        )
        for claim in (*known.others, *known.pairs, *known.controls)
    )


def _exists(plan: Plan, spec: RunSpec) -> bool:
    """Whether a run was begun. One whose id is not known yet, for lack of data or weights, is looked for by its name."""
    if plan.is_ready(spec):
        return plan.state(spec) != RunState.MISSING
    return any(runs_folder(plan.study).glob(f"{glob.escape(spec.name)}-????????"))
