"""Rows fewer than their numbers, as pictures are: by the rows themselves, against the matrix of d² numbers."""

import numpy as np
import pytest

from evaluator.covariances import Full, moments
from evaluator.metrics.frechet import frechet, gaussian_frechet
from evaluator.sources import make_source

ROWS = 200
WORK = {
    "draw": (lambda covariance, noise: covariance.coloured(noise), 1e-6),
    "components": (lambda covariance, noise: covariance.principal()[0][:ROWS], 1e-9),
    "log_det": (lambda covariance, noise: covariance.log_det(1e-6), 1e-6),
}


@pytest.fixture(scope="module")
def pictures():
    """Squares of photographs in colour, 20 pixels a side, 1200 numbers; and as many others."""
    source = make_source("crops", size=20, count=ROWS)
    return source.all_rows, source.held_out.all_rows


def by_matrix(rows):
    centred = rows - rows.mean(axis=0)
    return rows.mean(axis=0), Full(centred.T @ centred / (len(rows) - 1))


@pytest.mark.parametrize("what", WORK)
def test_covariance(compare, pictures, what):
    work, tolerance = WORK[what]
    rows, _ = pictures
    noise = np.random.default_rng(0).standard_normal(rows.shape)
    ours, expected = compare(
        lambda: work(moments(rows)[1], noise),
        lambda: work(by_matrix(rows)[1], noise),
        f"the same by the covariance of {rows.shape[1]}² numbers",
        ROWS,
        "samples",
    )
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def test_frechet_of_pictures(compare, pictures):
    def plainly():
        (mean, of_real), (other, covariance) = (by_matrix(rows) for rows in pictures)
        return gaussian_frechet(mean, of_real.matrix, other, covariance.matrix)

    ours, expected = compare(
        lambda: frechet(*pictures)["frechet_distance"],
        plainly,
        f"the same by covariances of {pictures[0].shape[1]}² numbers",
        ROWS,
        "samples",
    )
    # what the matrix has of rounding errors, in the 1001 directions in which the rows do not vary, comes in by its root
    assert ours == pytest.approx(expected, rel=1e-3)
