"""A picture as a generator returns it, as a codec takes it, and back: Pillow's, and arrays in either order of axes."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_torch_array
from PIL import Image

from hygiene.codecs.base import Batch

_MODES = ("L", "LA", "RGB", "RGBA")
_COLOURS = {1, 3}


def is_picture(value: Any) -> bool:
    """Whether it may be one, or a batch of them: a vector, a number or a text is none."""
    return isinstance(value, Image.Image) or (is_array_api_obj(value) and value.ndim > 1)


def flaw_of(picture: Any) -> str:
    """Why it cannot be marked, by its form; empty if it can."""
    if isinstance(picture, Image.Image):
        known = picture.mode in _MODES
        return "" if known else f"a picture of mode {picture.mode}: expected {', '.join(_MODES)}: convert it"
    shape = tuple(picture.shape)
    if len(shape) == 2 or (len(shape) in (3, 4) and {shape[-1], shape[-3]} & _COLOURS):
        return ""
    what = "video" if len(shape) == 5 else "latents, or transparency" if 4 in shape[1:] else "no picture"
    expected = "[H, W], [H, W, C], [C, H, W], [B, H, W, C] or [B, C, H, W] with C = 1 or 3 colours"
    return f"an array of shape {shape}, {what}: expected {expected}"


def count_of(picture: Any) -> int:
    """How many pictures an array of four axes holds; −1 for what is a single one."""
    return -1 if isinstance(picture, Image.Image) or picture.ndim < 4 else int(picture.shape[0])


def to_batch(picture: Any) -> Batch:
    """[B, H, W] or [B, H, W, 3], of arrays without a copy, of what has no flaw.

    Arrays of three axes are one picture, those of four a batch; colours, 1 or 3, come last or before the height. Of
    Pillow's pictures the colours alone, without their transparency; of tensors without what gradients need.
    """
    if isinstance(picture, Image.Image):
        layers = np.asarray(picture)
        return (layers if layers.ndim == 2 else layers[..., 0] if picture.mode == "LA" else layers[..., :3])[None]
    array = picture.detach() if is_torch_array(picture) else picture
    batch = array[None] if array.ndim == 3 else array if array.ndim == 4 else array[None, ..., None]
    batch = array_namespace(batch).permute_dims(batch, (0, 2, 3, 1)) if _colours_first(picture) else batch
    return batch if batch.shape[3] == 3 else batch[..., 0]


def from_batch(batch: Batch, picture: Any) -> Any:
    """`batch` as something like `picture`, of which `to_batch` made one of its shape."""
    if isinstance(picture, Image.Image):
        made = Image.fromarray(batch[0])
        if picture.mode in ("LA", "RGBA"):
            made.putalpha(picture.getchannel("A"))
        made.info = dict(picture.info)
        return made
    xp, first = array_namespace(batch), _colours_first(picture)
    batch = batch if batch.ndim == 4 else batch[..., None]
    made = xp.reshape(xp.permute_dims(batch, (0, 3, 1, 2)) if first else batch, picture.shape)
    return made.contiguous() if is_torch_array(made) else made


def _colours_first(picture: Any) -> bool:
    return picture.ndim > 2 and picture.shape[-1] not in _COLOURS
