"""Models of pictures on a device that is not the CPU: torch's meta device, which holds shapes and no numbers.

A GPU is not at every hand. What most often breaks on one alone, numbers of two devices in one operation and numbers
drawn by another device's generator, breaks on the meta device as well.
"""

import contextlib
import warnings
from functools import partial

import numpy as np
import pytest
import torch

from evaluator.models import ddpm_unet, denoising, make_model, pictures, pipeline, stylegan2, wgan_gp_images

MODULES = (pictures, ddpm_unet, denoising, pipeline, stylegan2, wgan_gp_images)
ROWS = np.random.default_rng(3).random((24, 64))
MODELS = [
    ("ddpm_unet", {"steps": 1, "sampling_steps": 2, "clusters": 3, "width": 8}),
    ("ddpm_unet", {"steps": 1, "sampling_steps": 2, "eta": 1.0, "width": 8}),
    ("wgan_gp_images", {"steps": 1, "width": 4}),
    ("stylegan2", {"steps": 1, "batch": 4}),  # the first step has both of the lazy regularisations
    ("stylegan2", {"steps": 1, "batch": 4, "mixing": 0.5}),
]


class Source:
    """Stands for torch.Generator, which knows no meta device: it only says where it is."""

    def __init__(self, device):
        self.device = torch.device(device)

    def initial_seed(self):
        return 0


def drawn(draw):
    """`draw` without its generator, which has to be where the numbers are wanted."""

    def checked(*shape, generator=None, device="cpu", **options):
        assert generator is None or generator.device == torch.device(device)
        return draw(*shape, device=device, **options)

    return checked


def brought(bring):
    """`.cpu()` and `.to("cpu")` of what has no numbers: zeros."""

    def back(tensor, *args, **options):
        if tensor.is_meta and args in ((), ("cpu",)) and not options:
            return torch.zeros(tensor.shape, dtype=tensor.dtype)
        return bring(tensor, *args, **options)

    return back


@pytest.fixture
def meta(monkeypatch):
    """Lets "meta" pass for a device that this machine has."""
    for name in ("rand", "randn", "randint", "randperm"):
        monkeypatch.setattr(torch, name, drawn(getattr(torch, name)))
    for name in ("cpu", "to"):
        monkeypatch.setattr(torch.Tensor, name, brought(getattr(torch.Tensor, name)))
    adam = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda *args, fused, **options: adam(*args, **options))
    for module in MODULES:
        here = {
            "check_device": lambda device: None,
            "check_machine": lambda device: None,
            "source_on": lambda device, rng: Source(device),
            "new_network": lambda source, make: make(),
            "precision": lambda device: contextlib.nullcontext(),
        }
        for name in here.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, here[name])


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.parametrize(("name", "parameters"), MODELS, ids=str)
def test_a_model_stays_on_its_device(meta, name, parameters):
    rng = np.random.default_rng(0)
    model = make_model(name, device="meta", **parameters)
    model.fit(ROWS, rng)
    assert model.sample(5, 0.7, rng).shape == (5, 64)
    weights = model.weights()
    again = make_model(name, device="meta", **parameters)
    again.restore(weights)
    assert again.sample(5, 1.0, rng).shape == (5, 64)
    make_model(name, device="meta", **parameters).fit(ROWS, rng, weights)


def tensors(told):
    """Of a table of tables."""
    for value in told.values():
        yield from tensors(value) if isinstance(value, dict) else [value]


TEXTS = {"labels": 2, "prompts": ["a", "b"]}
PROMPTS = {
    "stable_diffusion": TEXTS,
    "stable_diffusion_xl": TEXTS,
    "stable_diffusion_3": TEXTS,
    "flux": {**TEXTS, "size": 8},
    "pixart": TEXTS,
    "dit": {"labels": 2},
    "ldm": {},
}


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.parametrize("kind", PROMPTS)
def test_a_pretrained_pipeline_stays_on_its_device(meta, kind, request, monkeypatch):
    ask = torch.Tensor.__bool__  # as transformers does: whether all words are any
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda tensor: not tensor.is_meta and ask(tensor))
    parameters = {"path": str(request.getfixturevalue(kind)), "device": "meta", "steps": 2, **PROMPTS[kind]}
    rng, told = np.random.default_rng(0), len(PROMPTS[kind]) > 0
    rows = rng.random((6, 192 + told)).round()
    for fit_steps in (0, 1):
        model = make_model("pipeline", fit_steps=fit_steps, **parameters)
        model.fit(rows, rng)
        assert model.sample(5, 0.7, rng).shape == (5, 192 + told)
        told_of = model._denoiser.conditions  # a GPU would not look up what lies elsewhere, as the meta device does
        assert told_of is None or all(value.is_meta for value in tensors(told_of.values))
        again = make_model("pipeline", fit_steps=fit_steps, **parameters)
        again.restore(model.weights())
        assert again.sample(5, 1.0, rng).shape == (5, 192 + told)


@pytest.mark.parametrize(("name", "parameters"), MODELS[1::2], ids=str)
def test_what_stays_on_the_cpu_is_seen(meta, monkeypatch, name, parameters):
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *args, **options: tensor)
    with pytest.raises(RuntimeError, match=r"(?i)device|meta"):
        make_model(name, device="meta", **parameters).fit(ROWS, np.random.default_rng(0))


@pytest.fixture
def bfloat16():
    """Sets the precision of the models to a GPU's, or back; to a GPU's at first."""
    with pytest.MonkeyPatch.context() as patch:

        def choose(half):
            patch.undo()
            for module in MODULES:
                if half and hasattr(module, "precision"):
                    patch.setattr(module, "precision", lambda _: torch.autocast("cpu", dtype=torch.bfloat16))

        choose(True)
        yield choose


HALVED = [
    ("ddpm_unet", {"order": 1}),
    ("ddpm_unet", {"order": 1, "eta": 1.0, "clusters": 3}),
    ("ddpm_unet", {"order": 2}),
    ("stylegan2", {}),
    ("stylegan2", {"mixing": 0.5}),
    ("pipeline", {"path": "ldm", "steps": 2, "fit_steps": 1, "batch": 2}),
    ("pipeline", {"path": "pixart", "prompts": ["a cat"], "steps": 2, "fit_steps": 1, "batch": 2}),
    ("pipeline", {"path": "flux", "prompts": ["a cat"], "size": 8, "steps": 2, "fit_steps": 1, "batch": 2}),
]
TRAINED = {
    "ddpm_unet": {"steps": 4, "batch": 8, "sampling_steps": 3, "width": 8},
    "stylegan2": {"steps": 4, "batch": 4},
}


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")  # of FLUX's RMS norms
@pytest.mark.parametrize(("name", "parameters"), HALVED, ids=str)
def test_a_gpus_precision_is_that_of_network_passes_alone(bfloat16, name, parameters, request):
    """What is learned, stored and sampled stays float32, near what float32 samples of the same weights."""
    rows, told = ROWS, TRAINED.get(name, {}) | parameters
    if name == "pipeline":
        rows = np.random.default_rng(3).random((6, 192))
        told = told | {"path": str(request.getfixturevalue(told["path"]))}

    def restored(weights):
        model = make_model(name, **told)
        model.restore(weights)
        return model.sample(16, 0.8, np.random.default_rng(1))

    model = make_model(name, **told)
    model.fit(rows, np.random.default_rng(0))
    made, weights = model.sample(16, 0.8, np.random.default_rng(1)), model.weights()
    assert made.dtype == np.float64
    assert np.isfinite(made).all()
    assert {value.dtype for value in weights.values()} <= {np.dtype("float32"), np.dtype("float64")}
    np.testing.assert_array_equal(restored(weights), made)
    bfloat16(False)
    gap = np.abs(restored(weights) - made).mean() / made.std()
    assert 0 < gap < 0.02  # 2⁻⁹ is what bfloat16 rounds by


DYNAMO = "Dynamo detected a call to a `functools.lru_cache`-wrapped function"


def test_a_compiled_network_leaves_out_one_warning_and_no_other(monkeypatch):
    from diffusers.models.upsampling import Upsample2D

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # traced, and not made into kernels
    network = denoising.Denoiser(Upsample2D(8, use_conv=True), None, "cuda")
    with warnings.catch_warnings(record=True) as found, torch.autocast("cpu", dtype=torch.bfloat16):
        warnings.simplefilter("always")
        network.compiled(torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16))
        warnings.warn(f"{DYNAMO} at 'mine.py:1'", stacklevel=1)
    assert [str(each.message) for each in found if DYNAMO in str(each.message)] == [f"{DYNAMO} at 'mine.py:1'"]
