"""What a generation measured, by name, and which names a configuration will measure, told before anything runs."""

from fnmatch import fnmatchcase

from evaluator.config import LoopConfig
from evaluator.generation import Generation
from evaluator.metrics import MEASURES

SIDES = ("raw", "published")
OF_MARKS = ("mark_sd", "mark", "auc", "tpr", "z")
OF_PICTURES = ("found", "residual", "band_1", "band_2", "band_3", "band_4")


def values_of(step: Generation) -> dict[str, float]:
    """Everything that one generation measured: metrics, readings of the mark, shares of the filter."""
    shares = {} if step.filter is None else step.filter.to_dict()
    counted = {name: share for name, share in shares.items() if isinstance(share, float)}
    return {**step.metrics, **step.mark, **counted}


def names_of(config: LoopConfig, generation: int) -> list[str]:
    """Names that `values_of` may have at `generation`; `class_*` stands for as many as there are classes.

    Nothing else is measured. A share of the filter may still be missing, where it is one of nothing.
    """
    measured = [name for metric in config.metrics for name in MEASURES.get(metric, ("*",))]
    if config.labels and config.metrics.keys() & {"class_entropy", "class_counts"}:
        measured.append("label_agreement")
    if config.moment_draws:
        measured.append("moment_stretch")
    return [*measured, *_of_marks(config, generation), *(_of_filters(config) if generation > 1 else ())]


def among(name: str, names: list[str]) -> bool:
    """Whether `name` is one of the names of `names_of`."""
    return any(fnmatchcase(name, each) for each in names)


def _of_marks(config: LoopConfig, generation: int) -> list[str]:
    """`probes.mark_probes`, and beside it what `Marking` and the codecs of pictures read."""
    tagging, wrong = config.tagging, config.probe_keys > 0
    if tagging.mode == "none":
        return []
    names = [f"{side}_{each}" for side in SIDES for each in OF_MARKS]
    names += ["wrong_key_z", "wrong_key_auc"] * wrong
    if tagging.codec != "vectors":
        names += [f"{side}_{each}" for side in SIDES for each in (*OF_PICTURES, *["keyed"] * wrong)]
        names += ["coherence", *["wrong_key_mark_sd"] * wrong]
    names += ["withheld"] * tagging.verify
    return names + ["last_key_mark"] * (tagging.rotate and generation > 1)


def _of_filters(config: LoopConfig) -> list[str]:
    """Shares that `FilterCounts` can have: none of real samples where the loop has none, none of what is not done."""
    return [
        *["tpr"] * (config.tagging.adoption > 0),
        *["fpr"] * (config.loop != "fully_synthetic"),
        *["ppv"] * (config.filter.mode != "none"),
        "residual_synthetic",
    ]
