"""Bootstrap resamples of agreement figures, all at once.

A resample of n photos is a row of counts: how often each was drawn. Every figure below is computed
from such rows with matrix products, exactly as if the drawn photos stood there (tests compare it
with scipy on the drawn photos), so that a thousand resamples of three thousand photos take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK = 250  # resamples at a time: 250 x n float64
_ROWS = 1024  # rows of the n x n pair table at a time
_WIDTHS = np.geomspace(0.05, 10.0, 14)
_MIDDLES = np.linspace(-4.0, 4.0, 17)


def draw_counts(photos: int, resamples: int, *, seed: int) -> Iterator[Floats]:
    """Draw resamples in chunks of rows, (b, photos), every row summing to `photos`."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        yield np.stack(
            [np.bincount(rng.integers(0, photos, photos), minlength=photos) for _ in range(rows)]
        ).astype(np.float64)


def pearson(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Pearson's correlation in every resample.

    Args:
        x: (n,) or one row a resample, (b, n).
        y: The same.
        counts: (b, n).

    Returns:
        (b,); NaN where a resample has only equal values.
    """
    total = counts.sum(axis=1, keepdims=True)
    a = x - (counts * x).sum(axis=1, keepdims=True) / total  # (b, n)
    b = y - (counts * y).sum(axis=1, keepdims=True) / total
    norm = np.sqrt((counts * a * a).sum(axis=1) * (counts * b * b).sum(axis=1))
    return _divide((counts * a * b).sum(axis=1), norm)


def spearman(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Spearman's correlation in every resample, (b,); ties share their mean rank."""
    return pearson(_ranks(x, counts), _ranks(y, counts), counts)


def kendall(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Kendall's tau-b in every resample, (b,)."""
    agree = np.zeros(len(counts))
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        signs = np.sign(x[rows, None] - x) * np.sign(y[rows, None] - y)  # (rows, n)
        product = counts.astype(np.float32) @ signs.T.astype(np.float32)  # whole numbers: exact
        agree += (product * counts[:, rows]).sum(axis=1)
    pairs = counts.sum(axis=1) ** 2
    free = (pairs - _tied(x, counts)) * (pairs - _tied(y, counts))
    return _divide(agree, np.sqrt(free))


def rms(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Root of the mean squared difference in every resample, (b,)."""
    return np.asarray(np.sqrt(counts @ (x - y) ** 2 / counts.sum(axis=1)), dtype=np.float64)


def mean_abs(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Mean absolute difference in every resample, (b,)."""
    return np.asarray(counts @ np.abs(x - y) / counts.sum(axis=1), dtype=np.float64)


def logistic_pearson(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Pearson's correlation after the best logistic of `logistic_grid` in every resample, (b,).

    The two ends of a 4-parameter logistic are linear and leave a correlation alone up to its sign,
    so the least-squares fit is the (middle, width) of the largest absolute correlation. Over
    hundreds of photos the grid stands 0.001 from the true fit, far below the interval it serves.
    """
    curves = logistic_grid(x)  # (g, n)
    # Centred, so that float32 is enough for the products (half the time).
    curves = (curves - curves.mean(axis=1, keepdims=True)).astype(np.float32)
    y = standardise(y).astype(np.float32)
    counts = counts.astype(np.float32)
    total = counts.sum(axis=1, keepdims=True)
    mean = counts @ curves.T / total  # (b, g)
    target = (counts @ y)[:, None] / total
    cross = counts @ (curves * y).T / total - mean * target
    spread = counts @ (curves * curves).T / total - mean**2
    power = (counts @ (y * y))[:, None] / total - target**2
    spread = np.where(spread > 1e-6, spread, np.inf)  # curves flat over the photos drawn
    power = np.where(power > 1e-6, power, 0.0)  # one photo drawn again and again: rounding is left
    best = np.max(np.abs(cross) / np.sqrt(spread), axis=1).astype(np.float64)
    return np.minimum(_divide(best, np.sqrt(power[:, 0].astype(np.float64))), 1.0)


def logistic_grid(x: Floats) -> Floats:
    """Sigmoids over x for every middle and width of a grid in units of x's spread, (g, n)."""
    middles, widths = (a.reshape(-1, 1) for a in np.meshgrid(_MIDDLES, _WIDTHS, indexing="ij"))
    return _sigmoid((standardise(x) - middles) / widths)


def best_of_grid(x: Floats, y: Floats) -> tuple[float, float]:
    """Middle and width, in units of x's spread, of the grid's best logistic."""
    curves = logistic_grid(x)
    curves = curves - curves.mean(axis=1, keepdims=True)
    power = (curves**2).sum(axis=1)
    fit = np.abs(curves @ (y - y.mean())) / np.sqrt(np.where(power > 1e-12, power, np.inf))
    row, column = divmod(int(np.argmax(fit)), len(_WIDTHS))
    return float(_MIDDLES[row]), float(_WIDTHS[column])


def standardise(x: Floats) -> Floats:
    """x at zero mean and unit spread."""
    return np.asarray((x - x.mean()) / x.std(), dtype=np.float64)


def _sigmoid(t: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * t)), dtype=np.float64)


def _ranks(x: Floats, counts: Floats) -> Floats:
    """Mean rank of every value inside its resample, (b, n)."""
    _, group = np.unique(x, return_inverse=True)
    drawn = _per_value(group, counts)  # (b, g)
    below = np.cumsum(drawn, axis=1) - drawn
    ranks: Floats = (below + (drawn + 1) / 2)[:, group]
    return ranks


def _tied(x: Floats, counts: Floats) -> Floats:
    _, group = np.unique(x, return_inverse=True)
    tied: Floats = (_per_value(group, counts) ** 2).sum(axis=1)
    return tied


def _per_value(group: NDArray[np.intp], counts: Floats) -> Floats:
    """Sums of the counts of equal values, (b, distinct values) in ascending order."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    return np.asarray(np.add.reduceat(counts[:, order], starts, axis=1), dtype=np.float64)


def _divide(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
