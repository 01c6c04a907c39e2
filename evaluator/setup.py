"""What all generations, seeds and arms of one study share: the real source, the features, the reference."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np

from evaluator import metrics
from evaluator.config import LoopConfig
from evaluator.features import FEATURES, GIVEN, Features, check_range, classifier_of, features_of
from evaluator.geometry import check_spread
from evaluator.metrics import Reference
from evaluator.metrics.classes import label_agreement
from evaluator.models.base import Rows
from evaluator.models.labels import parted
from evaluator.models.pictures import check_machine
from evaluator.sources import SOURCES, ArraySource, OracleSource, RealSource, make_source
from evaluator.streams import stream
from evaluator.tables import check_parameters
from evaluator.training_sets import initial_set
from evaluator.warm_start import check_model
from hygiene.errors import ConfigurationError

TOGETHER = 16  # runs that go on side by side, at most
CLASS_METRICS = ("class_entropy", "class_counts")
MOST_LABELS = 2048  # whole numbers from 0 on, in float16


@dataclass(frozen=True)
class Setup:
    """The fixed ground of a loop; one serves every configuration with the same `setup_key`.

    held_out   real rows [n, d] that no model and no feature network was trained on
    reference  their features, with what the metrics keep of them
    learnt     the reference with a run's training rows, by seed and sizes, of the last runs
    """

    source: RealSource
    features: Features
    held_out: Rows
    reference: Reference
    learnt: dict[tuple[int, ...], Reference] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def rows_digest(self) -> str | None:
        """SHA-256 of real rows that exist, hexadecimal; None of a distribution, whose last bits machines round."""
        if not isinstance(self.source, ArraySource):
            return None
        digest = hashlib.sha256()
        for array in (self.source.rows, self.source.labels, self.held_out):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def setup_key(config: LoopConfig) -> str:
    """Equal for configurations that can share a Setup: everything but these fields may differ."""
    names = ("source", "reference", "features", "n_reference")
    values = asdict(config)
    return json.dumps({name: values[name] for name in names}, sort_keys=True)


def prepare(config: LoopConfig, features: Features | None = None) -> Setup:
    """Build the source, train the feature network if there is one, and draw the reference (the same for all seeds).

    features  one that was made elsewhere, which then counts instead of the configuration's
    """
    if device := config.model.parameters.get("device"):
        check_machine(device)  # not after the features were trained
    source = make_source(config.source.name, **config.source.parameters)
    carrying(config, source)  # not after the features were trained
    other_half = _other_half(config, source)
    held_out = _draw_up_to(other_half, config.n_reference, stream(0, 0, "reference"))
    if len(held_out) < 2:
        raise ConfigurationError("the metrics' side of the real data holds 1 sample, expected 2 or more: give it more")
    check_spread(held_out, "the real rows")
    chosen = features or features_of(source, config.features.name, config.features.parameters)
    for each in (source, other_half):
        check_range(chosen, each)
    classify = classifier_of(source, chosen)
    asked = [name for name in CLASS_METRICS if name in config.metrics]
    if asked and classify is None:
        raise ConfigurationError(
            f"{' and '.join(asked)}: the source {config.source.name!r} has no labels, so nothing names classes: use a "
            "source with labels"
        )
    return Setup(source, chosen, held_out, Reference(chosen(held_out), classify=classify))


def carrying(config: LoopConfig, source: RealSource) -> RealSource:
    """`source`, whose draws are of the type that the loop keeps, and bring their labels along where the model is
    conditioned on labels.

    Refuses a source that has none, or others than 0 … labels − 1, or more than the type can tell apart.
    """
    if isinstance(source, ArraySource) and source.drawn != config.rows:
        source = replace(source, drawn=config.rows)
    if not config.labels:
        return source
    known = source.fitted_to if isinstance(source, OracleSource) else source
    labels = known.labels if isinstance(known, ArraySource) else None
    if labels is None or not isinstance(source, ArraySource | OracleSource):
        raise ConfigurationError(
            f"labels = {config.labels} in the model {config.model.name!r}: the source {config.source.name!r} has no "
            "labels, use a source with labels, or a model without"
        )
    if labels.max() >= config.labels:
        raise ConfigurationError(
            f"labels = {config.labels} in the model {config.model.name!r}: the source {config.source.name!r} has the "
            f"label {labels.max()}, give labels = {labels.max() + 1}"
        )
    if config.rows == "float16" and config.labels > MOST_LABELS:
        raise ConfigurationError(
            f"labels = {config.labels} in the model {config.model.name!r}: rows = float16 tells {MOST_LABELS} apart, "
            "keep rows in float32"
        )
    return source.with_labels()


def _other_half(config: LoopConfig, source: RealSource) -> RealSource:
    """Where the real side of the metrics is drawn from. An oracle is the truth of its own world: it is drawn again."""
    if config.reference is not None:
        learnt_from, dimension = source, source.dimension
        source = make_source(config.reference.name, **config.reference.parameters)
        if source.dimension != dimension:
            raise ConfigurationError(
                f"the reference holds rows of {source.dimension} numbers, the source of {dimension}: expected the same"
            )
        if _same_rows(source, learnt_from):
            raise ConfigurationError(
                "the reference holds the rows of the source: metrics must not see what models are trained on, so put "
                "some of the rows in a file of their own"
            )
    elif isinstance(source, ArraySource):
        if source.held_out is None:
            raise ConfigurationError(
                f"the source {config.source.name!r} has no other half that nothing learns from: give a [reference]"
            )
        source = source.held_out
    return source


def _same_rows(a: RealSource, b: RealSource) -> bool:
    if not (isinstance(a, ArraySource) and isinstance(b, ArraySource)):
        return False
    alike = (a.rows.shape, a.rows.dtype) == (b.rows.shape, b.rows.dtype)
    return alike and all(map(np.array_equal, a.rows, b.rows))  # row by row: most differ in the first


def _draw_up_to(source: RealSource, n: int, rng: np.random.Generator) -> Rows:
    """`n` rows, or all of a source that holds fewer."""
    return source.draw(min(n, len(source.rows)) if isinstance(source, ArraySource) else n, rng)


def measure(config: LoopConfig, setup: Setup, carried: Rows) -> dict[str, float]:
    """The configured metrics of rows [n, d] against the held-out real rows.

    Where rows bring labels, [n, d + 1], and the metrics look at classes, also their `label_agreement`.
    """
    rows, labels = parted(carried, config.labels)
    reference, features = _reference(config, setup), setup.features(rows)
    values = metrics.measure(reference, features, config.metrics)
    if config.labels and config.metrics.keys() & set(CLASS_METRICS):
        values |= label_agreement(reference, features, labels)
    return values


def floors(config: LoopConfig, setup: Setup) -> dict[str, float]:
    """The same metrics of other real rows, as many as a generation is measured on: what no model can beat.

    Memorisation has its floor in the held-out rows: those of a limited source may be the training rows themselves.
    """
    real = carrying(config, setup.source)
    values = measure(config, setup, _draw_up_to(real, config.measured, stream(0, 0, "floor")))
    if "memorisation" in config.metrics:
        values |= metrics.measure(_reference(config, setup), setup.reference.features, {"memorisation": {}})
    return values


def _reference(config: LoopConfig, setup: Setup) -> Reference:
    """The reference; with what generation 1 of this seed learns from, where a metric asks for it."""
    if "memorisation" not in config.metrics:
        return setup.reference
    key = (config.seed, config.n_ini, config.n_r)
    if key not in setup.learnt:
        if len(setup.learnt) == TOGETHER:
            del setup.learnt[next(iter(setup.learnt))]
        setup.learnt[key] = setup.reference.learnt_from(
            setup.features(np.asarray(initial_set(config, setup.source).rows))
        )
    return setup.learnt[key]


def check_choices(config: LoopConfig) -> None:
    """Refuse unknown sources, models, feature maps, metrics and settings before anything expensive starts."""
    for source in (config.source, config.reference):
        if source is not None:
            check_parameters(SOURCES, "source", source.name, source.parameters)
    check_model(config)
    check_parameters(FEATURES, "feature map", config.features.name, config.features.parameters, given=GIVEN)
    metrics.check_metrics(config.metrics)
