"""Tables in the form that `dvc plots` draws: one row per epoch (or per comparison), one column per line."""

import pandas as pd

from m2pt.analysis.study import Analysis
from m2pt.analysis.tables import Arm, Summary


def frames(found: Analysis) -> dict[str, pd.DataFrame]:
    """The tables by name: `accuracy-…`, `scales-…` (per target and condition) and `gains-…` (per condition)."""
    tables: dict[str, pd.DataFrame] = {}
    for summary in found.summaries:
        slug = summary.condition.slug
        for target in summary.targets:
            arms = [arm for arm in summary.arms if arm.target == target]
            tables[f"accuracy-{target}-{slug}"] = _accuracy(found.curves, summary, arms)
            tables[f"scales-{target}-{slug}"] = _scales(found.scales, summary, target)
        tables[f"gains-{slug}"] = _gains(summary)
    return {name: table for name, table in tables.items() if len(table)}


def column(arm: Arm) -> str:
    """The name of an arm's column: letters and underscores alone, which every plotting tool accepts."""
    names = {"baseline": "baseline", "random": "from_random", "own": "own_modality"}
    return names.get(arm.role, f"from_{arm.auxiliary}")


def _accuracy(curves: pd.DataFrame, summary: Summary, arms: list[Arm]) -> pd.DataFrame:
    rows = summary.condition.rows(curves[curves["metric"] == f"val/{arms[0].metric}"])
    columns = {}
    for arm in arms:
        mine = rows[(rows["target"] == arm.target) & (rows["method"] == arm.method) & (rows["auxiliary"] == arm.auxiliary)]
        if len(mine):
            columns[column(arm)] = mine.set_index("epoch")["mean"]
    return pd.DataFrame(columns).rename_axis("epoch").reset_index() if columns else pd.DataFrame()


def _scales(scales: pd.DataFrame, summary: Summary, target: str) -> pd.DataFrame:
    """Mean |scale| over depths, per layer type, of the auxiliaries of other modalities and of the random control."""
    rows = summary.condition.rows(scales[scales["target"] == target])
    rows = rows[rows["method"].isin(("pathway", "random_auxiliary"))]
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
