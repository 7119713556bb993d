"""How strongly a gain is coloured, in tables and figures alike: no colour for 0, and the same strength for gains and losses."""

from m2pt.analysis.numbers.comparisons import Summary

_STRONGEST = 0.6  # opacity of the largest gain: numbers stay readable on it
_SMALLEST_LIMIT = 0.5  # points; a study without any gain must not look colourful


def colour_limit(summary: Summary) -> float:
    """The gain, in points, that has the full colour: the largest of the summary, but at least half a point."""
    means = [abs(item.estimate.mean) for item in summary.comparisons if item.estimate.mean is not None]
    return max([_SMALLEST_LIMIT, *means])


def intensity(value: float, limit: float) -> float:
    """The opacity of a gain's colour: 0 for 0, and never so strong that a number on it is hard to read."""
    return round(_STRONGEST * min(1.0, abs(value) / limit), 3)
