"""How far a marked picture is from the one it was."""

import numpy as np
from numpy.typing import NDArray

from hygiene.images.opening import Bytes8, Pixels


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio of two uint8 or two uint16 pictures of one shape, dB; infinite for equal ones."""
    error = float(np.mean(np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64))
    return float(20 * np.log10(np.iinfo(a.dtype).max) - 10 * np.log10(error)) if error else float("inf")


def ssim(a: Bytes8, b: Bytes8) -> float:
    """Structural similarity (Wang et al. 2004) of two uint8 pictures [H, W] or [H, W, 3], −1..1, 1 = equal.

    Gaussian window of σ = 1.5 truncated at 5 pixels, K1 = .01, K2 = .03; the mean over pixels at least 5 from
    the border and over channels. Needs a short side of at least 11.
    """
    from scipy.ndimage import gaussian_filter

    if a.shape != b.shape or min(a.shape[:2]) < 11:
        raise ValueError(f"expected two pictures of one shape, at least 11 pixels wide, got {a.shape}, {b.shape}")

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(x, (1.5, 1.5) + (0,) * (x.ndim - 2), truncate=3.5))

    x, y = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(index[5:-5, 5:-5].mean())
