"""Medians, spreads, and intervals of ratios by bootstrap."""

import random
import statistics

RESAMPLES = 2000


def median(values):
    return statistics.median(values)


def spread(values):
    """Half the distance between the quartiles, as a part of the median: what a run differs by."""
    if len(values) < 3 or not median(values):
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / abs(median(values))


def interval(values, seed=1):
    """The 95 % interval of the median: resampled with replacement, always from the same seed."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (None, None)
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


def change_interval(old, new, seed=1):
    """The 95 % interval of median(new) / median(old), both resampled."""
    draw = random.Random(seed)
    ratios = sorted(
        median(draw.choices(new, k=len(new))) / median(draw.choices(old, k=len(old))) for _ in range(RESAMPLES)
    )
    return ratios[int(0.025 * RESAMPLES)], ratios[int(0.975 * RESAMPLES) - 1]
