"""The WGAN-GP of pictures: the paper's networks where they are the paper's, and what the whole learns."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluator.models.wgan_gp_images import WganGpImages
from evaluator.models.wgan_gp_networks import critic, generator, sides
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


@pytest.mark.parametrize(
    ("side", "expected"),
    [(28, [28, 14, 7, 4]), (8, [8, 4, 4, 4]), (2, [2, 2, 2, 2]), (64, [64, 32, 16, 8, 4]), (9, [9, 5, 3, 3])],
)
def test_sides(side: int, expected: list[int]) -> None:
    assert sides(side) == expected


def test_the_papers_networks() -> None:
    """gan_mnist.py with DIM = 64: convolutions of 5 × 5 with stride 2, 64, 128, 256 channels."""
    judge, maker = critic(64, 1, 28, 5, smooth=False), generator(128, 64, 1, 28, 5, smooth=False)
    of_critic = [64 * (1 * 25 + 1), 128 * (64 * 25 + 1), 256 * (128 * 25 + 1), 4 * 4 * 256 + 1]
    of_generator = [(128 + 1) * 4 * 4 * 256, 128 * 256 * 25 + 128, 64 * 128 * 25 + 64, 1 * 64 * 25 + 1]
    assert sum(weight.numel() for weight in judge.parameters()) == sum(of_critic)
    assert sum(weight.numel() for weight in maker.parameters()) == sum(of_generator)
    for body, rectifier in ((judge.body, torch.nn.LeakyReLU), (maker.body, torch.nn.ReLU)):
        assert [isinstance(layer, rectifier) for layer in body].count(True) == 3


def test_a_smooth_critic_bends_where_rectifiers_do_not() -> None:
    """Second derivatives along a line: none, away from kinks, unless the layers are smooth."""
    rows = torch.randn(1, 20, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-4 * torch.ones_like(rows)
    for smooth in (False, True):
        judge = critic(4, 1, 8, 3, smooth).double()
        bend = (judge(rows + step) - 2 * judge(rows) + judge(rows - step)).abs().median().item()
        assert (bend > 1e-12) == smooth


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (9, 2), (28, 1), (64, 3)])
def test_rows_in_and_out(side: int, channels: int) -> None:
    latent = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0))
    rows = generator(5, 2, channels, side, 3, smooth=True)(latent)
    assert rows.shape == (1, 3, channels * side**2)
    assert critic(2, channels, side, 3, smooth=True)(rows).shape == (1, 3, 1)


def test_the_critic_sees_pictures_in_the_order_of_rows() -> None:
    """A convolution of one pixel's neighbourhood: a change in the picture's first corner moves that corner only."""
    judge = critic(2, 3, 8, 3, smooth=True)
    rows = torch.zeros(1, 1, 192)
    changed = rows.clone()
    changed[0, 0, :3] = 1.0  # the three colours of the first pixel
    first = judge.body[0]
    seen = [first(each.reshape(1, 8, 8, 3).permute(0, 3, 1, 2)) for each in (rows, changed)]
    inside = [torch.nn.Sequential(*list(judge.body)[1:])(each) for each in seen]
    torch.testing.assert_close(torch.stack([judge(rows)[0], judge(changed)[0]]), torch.stack(inside))
    assert ((seen[0] - seen[1]).abs().sum(dim=1)[0] > 0).nonzero().tolist() == [[0, 0]]


def test_a_distribution_of_pictures_is_learned_and_bias_narrows_it(stripes) -> None:
    rng = np.random.default_rng(0)
    model = WganGpImages(latent=8, width=4, steps=200, batch=32, rate=2e-2)
    model.fit(stripes.rows(400, rng), rng)
    stripes.check(model.sample(1_000, 1.0, rng))
    spreads = [model.sample(400, bias, rng).var(axis=0).sum() for bias in (1.0, 0.3)]
    assert spreads[1] < 0.9 * spreads[0]


def test_what_is_no_picture_and_no_device() -> None:
    rng = np.random.default_rng(0)
    for parameters, d in (({}, 60), ({"channels": 3}, 64)):
        with pytest.raises(ConfigurationError, match=f"rows of {d} numbers are no square images"):
            WganGpImages(**parameters).fit(rng.standard_normal((9, d)), rng)
    with pytest.raises(ConfigurationError, match="device is 'tpu': choose one of cpu, cuda"):
        WganGpImages(device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigurationError, match="torch sees no CUDA device"):
            WganGpImages(device="cuda").fit(rng.standard_normal((9, 64)), rng)
