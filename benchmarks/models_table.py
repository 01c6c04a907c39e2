"""What every generator's first generation is worth, beside other real rows: docs/models.md.

    python -m benchmarks.models_table                      # on digits, all of MODELS, λ = 1 and .7
    python -m benchmarks.models_table flow vae --seeds 5
    python -m benchmarks.models_table flow --moments 9000  # models brought to the moments of their training rows
    python -m benchmarks.models_table --banana flow        # 10 000 points of a Rosenbrock density, no feature network;
                                                           # without a title all models but those of pictures
    python -m benchmarks.models_table --pictures /usr/share/datasets/fashion-mnist --grid generators.png

One thread. Metrics are medians over seeds, times processor seconds. `variance` is that of all pixels together over that
of the training rows; `off`, of pictures, how far pixels lie out of 0..1, root mean square, in levels of 255.
"""

import argparse
import inspect
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw

from benchmarks.models_worlds import Rows, Settings, World, digits, pictures, plane
from evaluator.metrics import measure
from evaluator.models import MODELS, make_model
from evaluator.models.labels import parted, with_labels
from evaluator.models.matched import matched
from evaluator.pictures import LEVELS
from evaluator.run_pictures import REAL, grid
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

METRICS = ("frechet_distance", "manifold_precision", "manifold_recall", "density", "coverage", "vendi")
ON_ROWS = ("variance", "off")
ACROSS, ENLARGED, MARGIN = 10, 2, 160  # a grid's pictures in a row, screen pixels of each pixel, and left of the row


class Sampled(NamedTuple):
    rows: Rows
    fitting: float
    sampling: float


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def numbers(values: Mapping[str, float], columns: tuple[str, ...]) -> list[str]:
    return [f"{values[name]:.3g}" for name in columns]


def rounded(seconds: float) -> str:
    return f"{float(f'{seconds:.2g}'):g}"


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([run[name] for run in runs])) for name in runs[0]}


def generation(
    name: str, parameters: dict[str, Any], world: World, biases: list[float], seed: int, moments: int = 0
) -> list[Sampled]:
    """Samples at every bias, with the processor seconds of fitting (once) and of sampling.

    moments  samples by which the model is matched, 0 for none
    """
    rng, labels = np.random.default_rng([51, seed]), parameters.get("labels", 0)
    model = matched(make_model(name, **parameters), moments, labels)
    rows = with_labels(*world.training) if labels else world.training.rows
    begun = time.process_time()
    model.fit(rows, rng)
    fitting, found = time.process_time() - begun, []
    for bias in biases:
        begun = time.process_time()
        drawn = model.sample(world.samples, bias, rng)
        found.append(Sampled(parted(drawn, labels)[0], fitting, time.process_time() - begun))
    return found


def measured(world: World, rows: Rows) -> dict[str, float]:
    spread = rows.var(axis=0).sum() / world.training.rows.var(axis=0).sum()
    off = LEVELS * np.sqrt(np.square(rows - rows.clip(0, 1)).mean())
    values = measure(world.reference, world.features(rows))
    return values | dict(zip(ON_ROWS, (float(spread), float(off)), strict=True))


def draw(path: Path, strips: Mapping[str, Rows], world: World) -> None:
    """A row of pictures for each title of `strips`, in 32 shades of grey, cut off to the range of real ones."""
    canvas = Image.fromarray(grid([rows[:ACROSS] for rows in strips.values()], world.shape, world.training.rows))
    shaded = canvas.convert("L").point([level // 8 * 255 // 31 for level in range(256)])
    shown = shaded.resize((ENLARGED * canvas.width, ENLARGED * canvas.height), Image.Resampling.NEAREST)
    page = Image.new("L", (MARGIN + shown.width, shown.height), 255)
    page.paste(shown, (MARGIN, 0))
    for at, title in enumerate(strips):
        middle = (at + 0.5) * shown.height / len(strips)
        ImageDraw.Draw(page).text((4, middle), title, fill=0, anchor="lm", font_size=12)
    page.save(path, optimize=True)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", nargs="*", metavar="MODEL", help="all when none is given")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--biases", type=float, nargs="+", default=[1.0, 0.7])
    parser.add_argument("--moments", type=int, default=0, metavar="DRAWS", help="match moments by so many samples")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--banana", action="store_true", help="the plane instead of digits")
    where.add_argument("--pictures", type=Path, metavar="FOLDER", help="IDX files instead of digits")
    parser.add_argument("--grid", type=Path, metavar="FILE", help="draw samples of each at the first bias, a PNG")
    options = parser.parse_args()
    if options.seeds < 1 or options.moments < 0:
        parser.error("seeds must be at least 1, moments 0 or more")
    if options.banana and options.grid:
        parser.error("points of the plane are no pictures")
    return options


def main() -> None:
    torch.set_num_threads(1)
    options = asked()
    try:
        with one_thread():
            world = plane() if options.banana else pictures(options.pictures) if options.pictures else digits()
            tell(world, options)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


def titles_of(world: World) -> Settings:
    """All that can learn from this world's rows: models of pictures, which take `channels`, need rows that are some."""
    named = [name for name in MODELS if world.shape or "channels" not in inspect.signature(MODELS[name]).parameters]
    return {name: (name, {}) for name in named} | dict(world.settings)


def tell(world: World, options: argparse.Namespace) -> None:
    titles = titles_of(world)
    if other := sorted(set(options.titles) - set(titles)):
        raise ConfigurationError(f"not for these rows: {', '.join(other)}; choose from {'; '.join(titles)}")
    columns = METRICS if options.banana else (*METRICS, *ON_ROWS[: 2 if options.pictures else 1])
    header = ["model", "λ", *columns, "fit, s", f"{world.samples} samples, s"]
    print(line(header), "| --- |" + " ---: |" * (len(header) - 1), sep="\n")
    print(line([f"other {REAL} rows", "", *numbers(measured(world, world.other), columns), "", ""]), flush=True)
    strips = {REAL: world.other}
    for title in options.titles or titles:
        runs = [generation(*titles[title], world, options.biases, s, options.moments) for s in range(options.seeds)]
        for bias, each in zip(options.biases, zip(*runs, strict=True), strict=True):
            found = medians([measured(world, run.rows) for run in each])
            seconds = [rounded(float(np.median([getattr(run, at) for run in each]))) for at in Sampled._fields[1:]]
            print(line([title, f"{bias:g}", *numbers(found, columns), *seconds]), flush=True)
        strips[title] = runs[0][0].rows
        if options.grid:
            draw(options.grid, strips, world)


if __name__ == "__main__":
    main()
