"""Tables in the form that `dvc plots` draws: one row per epoch (or per comparison), one column per line."""

import pandas as pd

from m2pt.analysis.study import Analysis
from m2pt.analysis.tables.summaries import Arm, Condition, Summary


def frames(found: Analysis) -> dict[str, pd.DataFrame]:
    """The tables by name: `accuracy-…`, `scales-…` (per target and condition) and `gains-…` (per condition)."""
    tables: dict[str, pd.DataFrame] = {}
    curves, scales = _by_target(found.curves), _by_target(found.scales)
    for summary in found.summaries:
        slug = summary.condition.slug
        for target in summary.targets:
            arms = [arm for arm in summary.arms if arm.target == target]
            key = (summary.condition, target)
            tables[f"accuracy-{target}-{slug}"] = _accuracy(curves[key], arms) if key in curves else pd.DataFrame()
            tables[f"scales-{target}-{slug}"] = _scales(scales[key]) if key in scales else pd.DataFrame()
        tables[f"gains-{slug}"] = _gains(summary)
    return {name: table for name, table in tables.items() if len(table)}


def column(arm: Arm) -> str:
    """The name of an arm's column: letters and underscores alone, which every plotting tool accepts."""
    names = {"baseline": "baseline", "random": "from_random", "own": "own_modality"}
    return names.get(arm.role, f"from_{arm.auxiliary}")


def _by_target(means: pd.DataFrame) -> dict[tuple[Condition, str], pd.DataFrame]:
    """The rows of each condition and target, looked for once."""
    grouped = means.groupby(["part", "setting", "tuning", "target"], sort=False)
    return {(Condition(str(setting), str(tuning), str(part)), str(name)): rows for (part, setting, tuning, name), rows in grouped}


def _accuracy(curves: pd.DataFrame, arms: list[Arm]) -> pd.DataFrame:
    rows = curves[curves["metric"] == f"val/{arms[0].metric}"]
    lines = {key: mine.set_index("epoch")["mean"] for key, mine in rows.groupby(["method", "auxiliary"], sort=False)}
    columns = {column(arm): lines[arm.method, arm.auxiliary] for arm in arms if (arm.method, arm.auxiliary) in lines}
    return pd.DataFrame(columns).rename_axis("epoch").reset_index() if columns else pd.DataFrame()


def _scales(scales: pd.DataFrame) -> pd.DataFrame:
    """Mean |scale| over depths, per layer type, of the auxiliaries of other modalities and of the random control."""
    rows = scales[scales["method"].isin(("pathway", "random_auxiliary"))]
    if rows.empty:
        return pd.DataFrame()
    kinds = rows["method"].map({"pathway": "", "random_auxiliary": "random_"})
    names = kinds + rows["layer"].str.replace(".", "_")
    return rows.assign(name=names).pivot_table(index="epoch", columns="name", values="scale", aggfunc="mean").reset_index()


def _gains(summary: Summary) -> pd.DataFrame:
    rows = [
        {
            "comparison": f"{item.target} from {item.auxiliary}",
            "against": item.against,
            "role": item.role,
            "gain": item.estimate.mean,
            "low": item.estimate.low,
            "high": item.estimate.high,
            "seeds": item.estimate.n,
            "holm_p": item.adjusted_p,
        }
        for item in summary.comparisons
        if item.estimate.n
    ]
    return pd.DataFrame(rows)
