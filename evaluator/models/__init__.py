"""Generators: a new family is one new file and one line in MODELS."""

from collections.abc import Callable
from typing import Any

from evaluator.models.base import GenerativeModel
from evaluator.models.ddpm_mlp import DdpmMlp
from evaluator.models.ddpm_unet import DdpmUnet
from evaluator.models.flow import Flow
from evaluator.models.gaussian import Gaussian
from evaluator.models.kde import Kde
from evaluator.models.mixture import Mixture
from evaluator.models.pca_gaussian import PcaGaussian
from evaluator.models.pipeline import Pipeline
from evaluator.models.plugged import Imported
from evaluator.models.stylegan2 import StyleGan2
from evaluator.models.vae import Vae
from evaluator.models.wgan_gp import WganGp
from evaluator.models.wgan_gp_images import WganGpImages
from evaluator.tables import build

__all__ = ["MODELS", "PLUGGED", "GenerativeModel", "make_model"]

MODELS: dict[str, Callable[..., GenerativeModel]] = {
    "gaussian": Gaussian,
    "mixture": Mixture,
    "kde": Kde,
    "pca_gaussian": PcaGaussian,
    "ddpm_mlp": DdpmMlp,
    "ddpm_unet": DdpmUnet,
    "flow": Flow,
    "vae": Vae,
    "stylegan2": StyleGan2,
    "wgan_gp": WganGp,
    "wgan_gp_images": WganGpImages,
}

PLUGGED: dict[str, Callable[..., GenerativeModel]] = {
    "callable": Imported,
    "pipeline": Pipeline,
}
"""What users bring themselves."""


def make_model(name: str, /, **parameters: Any) -> GenerativeModel:
    """A new, unfitted model called `name` in MODELS or PLUGGED; unknown names and parameters are refused by name."""
    return build({**MODELS, **PLUGGED}, "model", name, parameters)
