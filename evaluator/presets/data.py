"""Where an experiment on pictures finds them: in the folder that its user names, or in a place that is known."""

from dataclasses import dataclass
from pathlib import Path

from evaluator.config import Choice
from hygiene.errors import ConfigurationError

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist puts it

STAND_INS = {
    "digits": "scikit-learn's 8 × 8 digits, which stand in for MNIST",
    "digits_oracle": "draws of a mixture fitted to scikit-learn's 8 × 8 digits, which stands in for MNIST",
}


@dataclass(frozen=True)
class Pictures:
    """A source of pictures, and how it is called in an experiment's `about`.

    lacks  what a user must give before there is a source, in words; empty when nothing is missing
    """

    source: Choice
    told: str
    lacks: str = ""


def mnist_or_like(data: Path | None, small: str = "", **parameters: object) -> Pictures:
    """MNIST as IDX files in the folder `data`.

    Without one: the source `small`, made of scikit-learn's digits, which are there always; if there is none either,
    Debian's Fashion-MNIST in MNIST's place, where it is installed. `parameters` go to the source.
    """
    if data is None and small:
        return Pictures(Choice(small, dict(parameters)), STAND_INS[small])
    if data is None and not FASHION_MNIST.is_dir():
        lacks = (
            "FOLDER with MNIST's IDX files (train-images-idx3-ubyte.gz, …), or install Debian's dataset-fashion-mnist"
        )
        return Pictures(Choice("idx", {"path": "", **parameters}), "MNIST", lacks)
    source = Choice("idx", {"path": str(data or FASHION_MNIST), **parameters})
    if data is None:
        return Pictures(source, f"Fashion-MNIST of {FASHION_MNIST}, which stands in for MNIST")
    return Pictures(source, f"the IDX pictures of {data}")


def existing(data: Path | None) -> Path | None:
    """`data` itself; refuses what is not there."""
    if data is not None and not data.exists():
        raise ConfigurationError(f"there is no {data}: expected a folder with the experiment's pictures")
    return data
