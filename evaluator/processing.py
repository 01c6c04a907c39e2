"""What the web does to a picture between the generator that publishes it and the trainer that finds it."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluator.models.base import Rows
from evaluator.pictures import Pictures, pictures_of

if TYPE_CHECKING:
    from evaluator.config import Processing


@dataclass(frozen=True)
class Processor:
    """Published rows as their files hold them: 8 bits, made smaller and large again, and a JPEG's losses.

    The cut to 0..1 that a file needs narrows the samples of a model that overshoots: a sampling bias, like any
    clipping, and the same with and without a mark.
    """

    settings: "Processing"
    pictures: Pictures

    def __call__(self, rows: Rows) -> Rows:
        """[n, d] floats, each a whole level / 255, of rows [n, d]."""
        batch = self.pictures.batch(rows)
        if self.settings.resize is not None or self.settings.format == "jpeg":
            stored = [self._stored(picture) for picture in batch]
            batch = np.array(stored, dtype=np.uint8).reshape(batch.shape)
        return self.pictures.rows(batch)

    def _stored(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image = Image.fromarray(picture)
        if self.settings.resize is not None:
            image = resized(image, self.settings.resize)
        if self.settings.format == "jpeg":
            file = io.BytesIO()
            image.save(file, "JPEG", quality=self.settings.jpeg_quality)
            image = Image.open(file)
        return np.asarray(image)


def resized(image: Image.Image, scale: float) -> Image.Image:
    """`image` at `scale` of its sides, at least one pixel, and back at its own size; Lanczos's filter both ways."""
    width, height = (max(round(side * scale), 1) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS).resize(image.size, Image.Resampling.LANCZOS)


def processor_of(settings: "Processing", shape: tuple[int, ...], real: Rows) -> Processor | None:
    """What processes published rows of the kind of `real` [n, d]; None where they stay the floats that they are."""
    if settings.format == "none":
        return None
    return Processor(settings, pictures_of(shape, real, f"processing.format = {settings.format}"))
