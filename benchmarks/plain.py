"""The references: what one would write without us, with Pillow, SciPy, scikit-learn and prdc."""

import io
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.ndimage import uniform_filter
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hygiene.codecs.layouts import Layout, searched_layouts
from hygiene.codecs.planes import FLOOR, WINDOW, faint
from hygiene.keys import Key
from hygiene.statistics import cosine_log10_p

Rows = NDArray[np.float64]


def spread_log10_p(picture: NDArray[np.uint8], key: Key) -> float:
    """The score of one grey picture [h, w]: the same statistic by general tools, one picture at a time."""
    layouts = searched_layouts(min(picture.shape))
    best = min(_shift_log10_p(picture, layout, key) for layout in layouts)
    return min(best + math.log10(sum(layout.searches for layout in layouts)), 0.0)


def _shift_log10_p(picture: NDArray[np.uint8], layout: Layout, key: Key) -> float:
    plane = _resized(Image.fromarray(picture.astype(np.float32)), layout.short)
    centred = plane - uniform_filter(plane, WINDOW, mode="nearest")
    variance = np.maximum(uniform_filter(centred**2, WINDOW, mode="nearest"), 0)  # its running sums may end below 0
    whitened = centred / (np.sqrt(variance) + FLOOR)
    rows, columns = (side // layout.tile for side in whitened.shape)
    half = np.fft.rfft2(whitened.reshape(rows, layout.tile, columns, layout.tile).sum(axis=(0, 2)))
    amplitude = np.abs(half)
    share = faint(layout)
    vector = np.where(layout.bins, half / np.maximum(amplitude, share * amplitude[layout.bins].mean()), 0)
    product = vector / np.linalg.norm(vector) * np.conj(layout.pattern(key))
    product[:, 0] *= 2  # the half spectrum's first column is its own mirror
    cosines = np.fft.irfft2(product, s=(layout.tile, layout.tile)) * layout.tile**2 / 2
    return float(cosine_log10_p(cosines.max(), layout.dimension))


def _resized(image: Image.Image, short: int) -> NDArray[np.float32]:
    factor = min(image.size) // short
    image = image.reduce(factor) if factor > 1 else image
    return np.asarray(image.resize((short, short), Image.Resampling.BILINEAR))


def grey_levels(encoded: bytes) -> NDArray[np.uint8]:
    """Pillow's full decode."""
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("L"))


def frechet(real: Rows, synthetic: Rows) -> dict[str, float]:
    """The formula as published (Heusel et al. 2017), with a general matrix root."""
    gap = real.mean(axis=0) - synthetic.mean(axis=0)
    a, b = np.cov(real, rowvar=False), np.cov(synthetic, rowvar=False)
    return {"frechet_distance": float(gap @ gap + np.trace(a + b - 2 * np.real(sqrtm(a @ b))))}


def manifold(real: Rows, synthetic: Rows) -> dict[str, float]:
    values = compute_prdc(real, synthetic, nearest_k=5)
    names = {"precision": "manifold_precision", "recall": "manifold_recall"}
    return {names.get(name, name): float(value) for name, value in values.items()} | {"k": 5.0}


def diversity(real: Rows, synthetic: Rows) -> dict[str, float]:
    """Vendi score by singular values, and log-determinants of covariances that share one small ridge."""
    unit = synthetic / np.linalg.norm(synthetic, axis=1, keepdims=True)
    shares = np.linalg.svd(unit, compute_uv=False) ** 2 / len(unit)
    shares = shares[shares > 0]
    a, b = np.cov(real, rowvar=False), np.cov(synthetic, rowvar=False)
    ridge = 1e-6 * np.trace(a) / len(a) * np.eye(len(a))
    log_det = np.linalg.slogdet(b + ridge)[1] - np.linalg.slogdet(a + ridge)[1]
    return {"vendi": float(np.exp(-(shares * np.log(shares)).sum())), "log_det": float(log_det)}


METRICS = {"frechet": frechet, "manifold": manifold, "diversity": diversity}


def gaussian(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    return rng.multivariate_normal(rows.mean(axis=0), np.cov(rows, rowvar=False), n)


def mixture(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Twenty full covariances in the data space."""
    from sklearn.mixture import GaussianMixture

    return _sampled(GaussianMixture(20, max_iter=50, random_state=_seed(rng)).fit(rows).sample(n)[0])


def kde(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    from sklearn.neighbors import KernelDensity

    return _sampled(KernelDensity(bandwidth=0.05 * rows.std()).fit(rows).sample(n, random_state=_seed(rng)))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _sampled(rows: Any) -> Rows:
    return np.asarray(rows, dtype=np.float64)


GENERATORS = {"gaussian": gaussian, "mixture": mixture, "kde": kde}


def gaussian_chains(chains: int, n: int, dimension: int, generations: int, rng: np.random.Generator) -> Rows:
    """Fully synthetic loops that draw every sample, all chains at once: covariances [chains, d, d] at the end."""
    samples = rng.standard_normal((chains, n, dimension))
    for generation in range(generations):
        mean = samples.mean(axis=1, keepdims=True)
        centred = samples - mean
        covariance = centred.transpose(0, 2, 1) @ centred / n
        if generation < generations - 1:
            noise = rng.standard_normal((chains, n, dimension))
            samples = mean + noise @ np.linalg.cholesky(covariance).transpose(0, 2, 1)
    return covariance


class DenoisingNetwork(nn.Module):
    """The small diffusion model's network, as one writes it with torch.nn."""

    def __init__(self, d: int, width: int, depth: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(d + 16, width), nn.Linear(width, d)
        self.between = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        angles = math.pi * time[:, None] * torch.logspace(-1, 4, 8, base=2)
        hidden = nn.functional.silu(self.first(torch.cat([x, angles.sin(), angles.cos()], dim=1)))
        for layer in self.between:
            hidden = hidden + nn.functional.silu(layer(hidden))
        return self.last(hidden)


def ddpm(rows: Rows, steps: int, width: int, depth: int, batch: int, seed: int) -> float:
    """Train one small diffusion model, running mean of the weights included; the mean loss of the last quarter."""
    torch.manual_seed(seed)
    data = torch.from_numpy((rows - rows.mean(axis=0)) / rows.std()).float()
    network = DenoisingNetwork(data.shape[1], width, depth)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    losses = []
    for _ in range(steps):
        clean = data[torch.randint(len(data), (batch,))]
        time, noise = torch.rand(batch), torch.randn_like(clean)
        cosine, sine = torch.cos(math.pi / 2 * time)[:, None], torch.sin(math.pi / 2 * time)[:, None]
        target = cosine * noise - sine * clean
        loss = torch.square(network(cosine * clean + sine * noise, time) - target).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        losses.append(loss.item())
    return float(np.mean(losses[-steps // 4 :]))
