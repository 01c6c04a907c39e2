"""What each generation's model is made with, and what its training starts from."""

from typing import Any

from evaluator.config import LoopConfig
from evaluator.models import GenerativeModel, make_model
from evaluator.models.base import Trainable, Weights
from evaluator.models.matched import matched
from hygiene.errors import ConfigurationError


def new_model(config: LoopConfig, generation: int) -> GenerativeModel:
    """The generator of `generation`, untrained."""
    model = make_model(config.model.name, **parameters_of(config, generation))
    return matched(model, config.moment_draws, config.labels)


def parameters_of(config: LoopConfig, generation: int) -> dict[str, Any]:
    """The parameters of the generator of `generation`."""
    warm = config.warm_parameters if config.warm_start and generation > 1 else {}
    return {**config.model.parameters, **warm}


def check_model(config: LoopConfig) -> None:
    """Refuse parameters that the model does not take, and a warm start of what has no weights."""
    model = new_model(config, 1)
    if "labels" in config.warm_parameters:
        raise ConfigurationError("warm_parameters.labels: whether rows have labels is said once, in the model's labels")
    if config.warm_start:
        trainable(model)
        new_model(config, 2)
    elif config.warm_parameters:
        raise ConfigurationError("warm_parameters count in a warm start only: set warm_start = true, or leave them out")


def trainable(model: GenerativeModel) -> Trainable:
    """The model, if it can start from weights."""
    if not isinstance(model, Trainable):
        raise ConfigurationError(f"warm_start: the model {model.name!r} has no weights to go on from, leave it out")
    return model


def warm_weights(generation: int, last: GenerativeModel | None) -> Weights:
    """What `generation` ≥ 2 starts from: the weights of the `last` one."""
    if last is None:
        raise ConfigurationError(f"a warm start needs the model of generation {generation - 1}, not only its state")
    return trainable(last).weights()
