"""A key's mark in whatever a generator returns, each picture read back as it will be written: in 8 bits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array
from numpy.typing import NDArray

from hygiene.codecs import planes
from hygiene.codecs.base import Batch
from hygiene.codecs.spread import REQUIRED_LOG10_P, Spread
from hygiene.detectors.keyed import told
from hygiene.detectors.two_keys import both_log10_p, embed_both
from hygiene.errors import ConfigurationError, TagRefused
from hygiene.keys import Key
from hygiene.outputs.leaves import Leaf, leaves_of, rebuilt
from hygiene.outputs.pictures import count_of, from_batch, to_batch
from hygiene.payloads import Payload

AT_ONCE, AT_ONCE_ON_CPU = 1 << 24, 1 << 20
"""Pixels that are marked in one batch, of at least one picture: a GPU fills up, a CPU's caches do not hold more."""


@dataclass(frozen=True)
class Tagging:
    """What became of one picture.

    place    where it is in what the generator returned, as Python says it: output.images[0]
    tagged   marked; psnr (dB) of the mark, log10_p as read back, both of the picture rounded to 8 bits
    already  carried this key's mark, and is as it was
    refused  unmarked, and as it was; reason says why
    payload  as read back; empty where none was asked for or none is there: a picture may lack the room
    """

    place: str
    outcome: Literal["tagged", "already", "refused"]
    reason: str = ""
    psnr: float | None = None
    log10_p: float | None = None
    payload: str = ""


@dataclass(frozen=True)
class Tagger:
    """Marks the pictures in what it is called with, and returns the same with the marked ones in their place.

    Takes a picture of Pillow (L, LA, RGB, RGBA), an array of NumPy or torch (uint8, or floating point in 0..1; [H, W],
    [H, W, C], [C, H, W], [B, H, W, C] or [B, C, H, W]), lists, tuples and mappings of these, and outputs of diffusers.
    Each comes back as what it was: its type, mode, dtype, shape and device; the input stays untouched. A picture that
    carries the mark already comes back as it is. Arrays are marked where they lie, pictures of one size together;
    no gradient passes through a mark.

    psnr, payload  as `Spread` has them
    two_keys       also mark with `key.twin`, for `TwoKeyDetector`
    on_refusal     of what cannot be marked: "raise" a TagRefused, or "pass" it on unmarked, which `report` must hear of
    report         called with a Tagging for each picture that is returned
    device         of torch, to which pictures of Pillow and NumPy are sent to be marked; empty: marked with NumPy
    """

    key: Key
    psnr: float | None = field(default=None, kw_only=True)
    payload: Payload | None = field(default=None, kw_only=True)
    two_keys: bool = field(default=False, kw_only=True)
    on_refusal: Literal["raise", "pass"] = field(default="raise", kw_only=True)
    report: Callable[[Tagging], None] | None = field(default=None, kw_only=True)
    device: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.key, Key):
            raise ConfigurationError(
                f"key is a {type(self.key).__name__}: expected a Key, as hygiene.keys.load_key makes of a key file"
            )
        if self.payload is not None and not isinstance(self.payload, Payload):
            raise ConfigurationError(f"payload is a {type(self.payload).__name__}: expected a Payload")
        if self.on_refusal not in ("raise", "pass"):
            raise ConfigurationError(f"on_refusal is {self.on_refusal!r}: expected 'raise' or 'pass'")
        if self.on_refusal == "pass" and self.report is None:
            raise ConfigurationError("on_refusal = 'pass' lets pictures leave unmarked: give report, which is told")
        if self.report is not None and not callable(self.report):
            raise ConfigurationError(f"report is a {type(self.report).__name__}: expected a function of a Tagging")
        Spread(self.psnr)
        if self.device:
            _check_device(self.device)

    def __call__(self, output: Any) -> Any:
        """`output` with the mark in all its pictures. Raises TagRefused, unless refusals pass."""
        leaves = leaves_of(output) or [Leaf("output", output, _nothing(output))]
        values, taggings = self._tagged(leaves)
        self._tell(taggings)
        return rebuilt(output, iter(values))

    def _tell(self, taggings: list[Tagging]) -> None:
        refused = [each for each in taggings if each.outcome == "refused"]
        if refused and self.on_refusal == "raise":
            more = f" (and {len(refused) - 1} more of {len(taggings)})" if len(refused) > 1 else ""
            raise TagRefused(f"{refused[0].place}: {refused[0].reason}{more}")
        if self.report is not None:
            for each in taggings:
                self.report(each)

    def _tagged(self, leaves: list[Leaf]) -> tuple[list[Any], list[Tagging]]:
        """The leaves' new values, and what became of their pictures, both in order."""
        values = [leaf.value for leaf in leaves]
        taggings = [[Tagging(leaf.place, "refused", leaf.flaw)] for leaf in leaves]
        batches = {i: to_batch(leaf.value) for i, leaf in enumerate(leaves) if not leaf.flaw}
        for alike in _groups(batches):
            counts = [len(batches[i]) for i in alike]
            marked, found = self._marked(_joined([batches[i] for i in alike]))
            for i, end, count in zip(alike, np.cumsum(counts), counts, strict=True):
                own, leaf = found[end - count : end], leaves[i]
                taggings[i] = [replace(each, place=_place(leaf, number)) for number, each in enumerate(own)]
                if any(each.outcome == "tagged" for each in own):
                    values[i] = from_batch(marked[end - count : end], leaf.value)
        return values, [each for own in taggings for each in own]

    def _marked(self, batch: Batch) -> tuple[Batch, list[Tagging]]:
        """A batch of any length, on the device where it is to be marked, in parts that are not too large for it."""
        if self.device and is_numpy_array(batch):
            import torch

            there, found = self._marked(torch.tensor(batch, device=self.device))
            return there.cpu().numpy(), found
        pixels = AT_ONCE_ON_CPU if str(device(batch)) == "cpu" else AT_ONCE
        return self._parts(batch, max(pixels // (batch.shape[1] * batch.shape[2]), 1))

    def _parts(self, batch: Batch, most: int) -> tuple[Batch, list[Tagging]]:
        done = [self._part(batch[start : start + most]) for start in range(0, len(batch), most)]
        if not done:
            return batch, []
        return _joined([marked for marked, _ in done]), [each for _, found in done for each in found]

    def _part(self, batch: Batch) -> tuple[Batch, list[Tagging]]:
        """A batch that the codec refuses is tried picture by picture: it may be one of them alone."""
        try:
            marked = self._embedded(batch)
        except ConfigurationError as error:
            return self._parts(batch, 1) if len(batch) > 1 else (batch, [Tagging("", "refused", str(error))])
        xp, written = array_namespace(batch), _written(marked)
        log10_p = self._log10_p(written)
        found = log10_p <= REQUIRED_LOG10_P
        changed = planes.to_numpy(xp.any(marked != batch, axis=tuple(range(1, batch.ndim)))) > 0
        psnr = _psnr(_written(batch), written) if self.report else np.full(len(batch), np.nan)  # nobody is told
        facts = (found, changed, psnr, log10_p)
        payloads = self._payloads(written, found)
        taggings = [_tagging(*each) for each in zip(*(each.tolist() for each in facts), payloads, strict=True)]
        there = planes.to_like(found.reshape((-1,) + (1,) * (batch.ndim - 1)), batch)
        return xp.where(there, marked, batch), taggings

    def _embedded(self, batch: Batch) -> Batch:
        codec = Spread(self.psnr, payload=self.payload)
        return (embed_both if self.two_keys else Spread.embed)(codec, batch, self.key)

    def _log10_p(self, batch: Batch) -> NDArray[np.float64]:
        """As `KeyedDetector` and `TwoKeyDetector` have it."""
        first = Spread().score(batch, self.key).log10_p
        return both_log10_p(first, Spread().score(batch, self.key.twin).log10_p) if self.two_keys else first

    def _payloads(self, batch: Batch, found: NDArray[np.bool_]) -> list[str]:
        if self.payload is None:
            return [""] * len(found)
        readings = Spread().read(batch, self.key)
        return [str(each.payload) if ok and told(each) else "" for each, ok in zip(readings, found, strict=True)]


def _nothing(output: Any) -> str:
    return (
        f"a {type(output).__name__} without any picture: expected some of Pillow, or arrays; `hygiene tag` takes files"
    )


def _check_device(name: str) -> None:
    try:
        import torch

        torch.empty(0, device=name)
    except (ImportError, RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from None


def _tagging(found: bool, changed: bool, psnr: float, log10_p: float, payload: str) -> Tagging:
    """changed: by the codec, which leaves alone what is marked and what has no room."""
    if found and changed:
        return Tagging("", "tagged", psnr=psnr, log10_p=log10_p, payload=payload)
    if found:
        return Tagging("", "already", log10_p=log10_p, payload=payload)
    lost = f"the mark does not survive rounding to 8 bits: log10 p is {log10_p:.1f}, needed {REQUIRED_LOG10_P:g}"
    reason = lost if changed else "no room: an invisible mark would be lost in its texture"
    return Tagging("", "refused", reason, log10_p=log10_p)


def _place(leaf: Leaf, number: int) -> str:
    return leaf.place if count_of(leaf.value) < 0 else f"{leaf.place}[{number}]"


def _groups(batches: dict[int, Batch]) -> Iterable[list[int]]:
    """Which of them can be joined: those of one library, dtype, device and size."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, batch in batches.items():
        groups.setdefault((array_namespace(batch), batch.dtype, device(batch), tuple(batch.shape[1:])), []).append(i)
    return groups.values()


def _joined(batches: list[Batch]) -> Batch:
    return batches[0] if len(batches) == 1 else array_namespace(batches[0]).concat(batches, axis=0)


def _written(batch: Batch) -> Batch:
    """uint8, rounded as diffusers and torchvision do."""
    xp = array_namespace(batch)
    if batch.dtype == xp.uint8:
        return batch
    return xp.astype(xp.round(xp.clip(xp.astype(batch, xp.float32), 0.0, 1.0) * 255.0), xp.uint8)


def _psnr(before: Batch, after: Batch) -> NDArray[np.float64]:
    """[B], dB, of uint8 levels."""
    xp = array_namespace(before)
    change = xp.astype(after, xp.float32) - xp.astype(before, xp.float32)
    error = planes.to_numpy(xp.mean(change * change, axis=tuple(range(1, before.ndim))))
    with np.errstate(divide="ignore"):
        return np.asarray(20 * np.log10(255.0) - 10 * np.log10(error))
