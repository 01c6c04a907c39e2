"""What pipelines do to pictures, each with the search that a detector needs afterwards.

A processing takes an upright picture and a generator, and gives a picture or an encoded file.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Stored = Image.Image | bytes
Step = Callable[[Image.Image, np.random.Generator], Stored]
Filter = Callable[[Image.Image], Stored]
SMALLEST_SIDE = 28
BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Processing:
    name: str
    search: str
    apply: Step


def always(function: Filter) -> Step:
    """A step without chance."""
    return lambda image, rng: function(image)


def stored(format: str, quality: int) -> Filter:
    def save(image: Image.Image) -> bytes:
        out = io.BytesIO()
        image.save(out, format, quality=quality)
        return out.getvalue()

    return save


def stretched(across: float, down: float) -> Callable[[Image.Image], Image.Image]:
    def resize(image: Image.Image) -> Image.Image:
        size = (max(SMALLEST_SIDE, round(image.width * across)), max(SMALLEST_SIDE, round(image.height * down)))
        return image.resize(size, BICUBIC)

    return resize


def there_and_back(factor: float) -> Filter:
    return lambda image: stretched(factor, factor)(image).resize(image.size, BICUBIC)


def cropped(share: float, then: str = "") -> Step:
    """A rectangle of `share` of the area, of the same aspect, anywhere. then: "back" to the size, or "JPEG 75"."""

    def crop(image: Image.Image, rng: np.random.Generator) -> Stored:
        part = part_of(image, share, rng)
        if then == "JPEG 75":
            return stored("JPEG", 75)(part)
        return part.resize(image.size, BICUBIC) if then == "back" else part

    return crop


def part_of(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    width, height = (round(side * share**0.5) for side in image.size)
    left, top = (int(rng.integers(0, gap + 1)) for gap in (image.width - width, image.height - height))
    return image.crop((left, top, left + width, top + height))


def middle_square(side: int) -> Filter:
    """What a training pipeline does: the middle square, brought to one side."""
    return lambda image: ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def squashed(side: int) -> Filter:
    """What a careless training pipeline does: the whole picture, its aspect ignored."""
    return lambda image: image.resize((side, side), Image.Resampling.LANCZOS)


def rotated(degrees: float) -> Step:
    """Either way, and the largest rectangle of the same aspect inside."""

    def rotate(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        (width, height), turn = image.size, np.deg2rad(degrees)
        sine, cosine = np.sin(turn), np.cos(turn)
        inside = min(width / (width * cosine + height * sine), height / (width * sine + height * cosine))
        left, top = (side * (1 - inside) / 2 + 1 for side in image.size)
        whole = image.rotate(float(rng.choice([-degrees, degrees])), BICUBIC)
        return whole.crop((round(left), round(top), round(width - left), round(height - top)))

    return rotate


def noisy(sigma: float) -> Step:
    def add(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        levels = np.asarray(image) + rng.normal(0, sigma, np.asarray(image).shape)
        return Image.fromarray(np.clip(np.round(levels), 0, 255).astype(np.uint8))

    return add


def blurred(sigma: float) -> Filter:
    return lambda image: image.filter(ImageFilter.GaussianBlur(sigma))


def gamma(exponent: float) -> Filter:
    levels = [round(255 * (level / 255) ** exponent) for level in range(256)]
    return lambda image: image.point(levels * len(image.getbands()))


def brightness(factor: float) -> Filter:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def contrast(factor: float) -> Filter:
    return lambda image: ImageEnhance.Contrast(image).enhance(factor)


def turned(transpose: Image.Transpose) -> Filter:
    return lambda image: image.transpose(transpose)


def resized_jpeg(factor: float, quality: int) -> Filter:
    return lambda image: stored("JPEG", quality)(stretched(factor, factor)(image))


def cropped_darkened_jpeg(image: Image.Image, rng: np.random.Generator) -> Stored:
    return stored("JPEG", 60)(ImageEnhance.Brightness(part_of(image, 0.71, rng)).enhance(0.5))


PROCESSINGS = [
    Processing(name, search, step)
    for search, steps in {
        "fast": {
            "none": always(lambda image: image),
            **{f"JPEG {quality}": always(stored("JPEG", quality)) for quality in (90, 75, 50, 30, 25)},
            "WebP 80": always(stored("WEBP", 80)),
            **{f"resize × {factor}": always(stretched(factor, factor)) for factor in (0.3, 0.5, 0.75, 1.5, 2)},
            "resize × 0.7, JPEG 70": always(resized_jpeg(0.7, 70)),
            "resize × 0.5, JPEG 75": always(resized_jpeg(0.5, 75)),
            "resize × 0.25, JPEG 75": always(resized_jpeg(0.25, 75)),
            **{f"resize × {factor} and back": always(there_and_back(factor)) for factor in (0.5, 0.3)},
            **{f"noise σ {sigma}": noisy(sigma) for sigma in (5, 10, 13)},
            **{f"blur σ {sigma}": always(blurred(sigma)) for sigma in (1, 2)},
            "median 3": always(lambda image: image.filter(ImageFilter.MedianFilter(3))),
            **{f"brightness × {factor}": always(brightness(factor)) for factor in (0.5, 0.8, 1.2, 1.5)},
            **{f"contrast × {factor}": always(contrast(factor)) for factor in (0.5, 0.8, 1.2, 1.5)},
            "greyscale": always(lambda image: image.convert("L")),
            "gamma 0.7": always(gamma(0.7)),
            "gamma 1.4": always(gamma(1.4)),
        },
        "deep": {
            "horizontal flip": always(turned(Image.Transpose.FLIP_LEFT_RIGHT)),
            "vertical flip": always(turned(Image.Transpose.FLIP_TOP_BOTTOM)),
            "rotate 90°": always(turned(Image.Transpose.ROTATE_90)),
            "rotate 180°": always(turned(Image.Transpose.ROTATE_180)),
            "rotate 270°": always(turned(Image.Transpose.ROTATE_270)),
            **{
                f"crop to {share} %{', ' if then else ''}{then}": cropped(share / 100, then)
                for share in (90, 75, 50, 25)
                for then in ("", "back", "JPEG 75")
            },
            "crop to 71 %, brightness × 0.5, JPEG 60": cropped_darkened_jpeg,
            "middle square, to 256": always(middle_square(256)),
            "middle square, to 512": always(middle_square(512)),
            **{f"width × {factor}": always(stretched(factor, 1)) for factor in (0.8, 0.9, 1.1, 1.2)},
            "height × 0.8": always(stretched(1, 0.8)),
            "squashed to a square of 256": always(squashed(256)),
        },
        "exhaustive": {f"rotate {degrees}°, crop": rotated(degrees) for degrees in (2, 5, 10, 15)},
    }.items()
    for name, step in steps.items()
]
