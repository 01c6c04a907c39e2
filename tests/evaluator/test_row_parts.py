"""Rows in parts and in narrower types: what is read of them is what one array of them would give."""

from contextlib import nullcontext

import numpy as np
import pytest

from evaluator.models import MODELS, make_model
from evaluator.models.base import SamplesInto, kept_rows
from evaluator.models.labels import parted, with_labels
from evaluator.models.stacked import Scale
from evaluator.row_parts import RowParts, blocks, by_blocks, check_rounding, narrowed
from hygiene.errors import ConfigurationError

RNG = np.random.default_rng(0)
WHOLE = RNG.random((50, 64))
PARTS = RowParts((WHOLE[:7], WHOLE[7:7], WHOLE[7:30], WHOLE[30:]))
SMALL = {
    "stylegan2": {"steps": 3, "latent": 4, "width": 4, "batch": 4},
    "wgan_gp": {"steps": 3, "width": 4},
    "wgan_gp_images": {"steps": 2, "width": 4},
    "ddpm_unet": {"steps": 2, "width": 8, "sampling_steps": 2},
    "gaussian": {},
    "kde": {},
}
WIDE = [name for name in SMALL if isinstance(make_model(name), SamplesInto)]


def narrow(kind: str) -> RowParts:
    return RowParts(tuple(part.astype(kind) for part in PARTS.parts))


class TestRowParts:
    def test_are_one_array_to_numpy(self) -> None:
        np.testing.assert_array_equal(PARTS, WHOLE)
        np.testing.assert_array_equal(np.asarray(narrow("float32"), dtype=np.float64), WHOLE.astype("float32"))
        assert (len(PARTS), PARTS.shape, PARTS.dtype) == (50, (50, 64), np.float64)

    def test_rows_by_index(self) -> None:
        index = RNG.integers(50, size=200)
        np.testing.assert_array_equal(PARTS[index], WHOLE[index])
        assert narrow("float16")[index].dtype == np.float16

    def test_a_further_part_leaves_the_others_where_they_are(self) -> None:
        longer = PARTS.plus(WHOLE[:3])
        np.testing.assert_array_equal(longer, np.concatenate([WHOLE, WHOLE[:3]]))
        assert longer.parts[0] is PARTS.parts[0]
        assert len(PARTS) == 50
        np.testing.assert_array_equal(RowParts((WHOLE[:0],)).plus(WHOLE).parts, [WHOLE])

    @pytest.mark.parametrize("block", [1, 64, 640, 10**6])
    def test_blocks_are_small_and_all_of_them(self, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
        monkeypatch.setattr("evaluator.row_parts.BLOCK", block)
        found = list(blocks(narrow("float16")))
        np.testing.assert_array_equal(np.concatenate(found), WHOLE.astype("float16"))
        assert max(each.size for each in found) <= max(block, 64)
        assert {each.dtype for each in found} == {np.dtype(np.float64)}
        sums = by_blocks(lambda rows: rows.sum(axis=1), narrow("float16"))
        np.testing.assert_allclose(sums, WHOLE.sum(axis=1), atol=0.05)
        assert by_blocks(lambda rows: rows[:, 0], narrow("float16").parts[1]).shape == (0,)

    def test_double_precision_comes_whole(self) -> None:
        (block,) = blocks(WHOLE)
        assert block is WHOLE
        assert len(list(blocks(PARTS))) == 1

    def test_labels_go_with_their_rows(self) -> None:
        labels = RNG.integers(3, size=50)
        carried = with_labels(WHOLE.astype("float16"), labels)
        assert carried.dtype == np.float16
        rows, found = parted(RowParts((carried[:20], carried[20:])), 3)
        np.testing.assert_array_equal(found, labels)
        np.testing.assert_array_equal(rows, WHOLE.astype("float16"))


class TestKeptRows:
    def test_keep_their_type_unless_it_is_none(self) -> None:
        assert kept_rows(narrow("float16"), 2).dtype == np.float16
        assert isinstance(kept_rows(WHOLE.astype("float32"), 2), RowParts)
        for rows in (WHOLE, PARTS, (WHOLE * 9).astype(int), WHOLE.tolist()):
            found = kept_rows(rows, 2)
            assert isinstance(found, np.ndarray)
            assert found.dtype == np.float64

    @pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
    def test_refuse_what_is_not_finite_not_flat_or_too_little(self, kind: str) -> None:
        bad = WHOLE.astype(kind)
        bad[31, 5] = np.inf
        with pytest.raises(ConfigurationError, match="not finite"):
            kept_rows(RowParts((bad[:30], bad[30:])), 2)
        with pytest.raises(ConfigurationError, match="expected"):
            kept_rows(bad[0], 2)
        with pytest.raises(ConfigurationError, match="n ≥ 31"):
            kept_rows(bad[:30], 31)

    def test_a_type_that_overflows_is_refused_where_rows_are_read(self) -> None:
        with pytest.raises(ConfigurationError, match="not finite"):
            kept_rows(narrowed(WHOLE * 1e5, "float16"), 2)


@pytest.mark.parametrize(
    ("rows", "kind", "coarse"),
    [
        (WHOLE, "float16", False),
        (RNG.standard_normal((50, 3)), "float16", False),
        (1000 + WHOLE, "float16", True),
        (1e-7 * WHOLE, "float16", True),
        (1e-9 * WHOLE, "float16", True),
        (1000 + WHOLE, "float32", False),
    ],
)
def test_a_type_too_coarse_for_the_rows_is_refused(rows, kind: str, coarse: bool) -> None:
    told = f"rows = {kind} rounds the source's rows by .*: keep them in float32"
    expected = pytest.raises(ConfigurationError, match=told)
    with expected if coarse else nullcontext():
        check_rounding(rows.astype(kind))


class TestScale:
    @pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
    def test_a_batch_is_scaled_as_the_whole_to_the_bit(self, kind: str) -> None:
        rows, index = kept_rows(narrow(kind), 2), RNG.integers(50, size=20)
        scale = Scale(rows)
        np.testing.assert_array_equal(scale.inward_on("cpu")(rows[index]), scale.inward(rows)[index])
        np.testing.assert_allclose(scale.inward(rows).std(), 1, rtol=0.02)

    def test_of_narrow_rows_is_that_of_their_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("evaluator.row_parts.BLOCK", 320)
        scale, wide = Scale(narrow("float16")), Scale(np.asarray(narrow("float16"), dtype=np.float64))
        np.testing.assert_allclose(scale.mean, wide.mean, rtol=1e-13)
        assert scale.factor == pytest.approx(wide.factor, rel=1e-13)

    def test_of_double_precision_is_numpys(self) -> None:
        scale = Scale(WHOLE)
        np.testing.assert_array_equal(scale.mean, WHOLE.mean(axis=0))
        assert scale.factor == (WHOLE - WHOLE.mean(axis=0)).std()


class TestModels:
    def test_those_of_pictures_fill_what_they_are_given(self) -> None:
        assert WIDE == ["stylegan2", "wgan_gp", "wgan_gp_images", "ddpm_unet"]
        assert set(WIDE) < set(MODELS)

    @pytest.mark.parametrize("name", SMALL)
    def test_learn_the_same_from_parts_as_from_one_array(self, name: str) -> None:
        one, other = (make_model(name, **SMALL[name]) for _ in range(2))
        one.fit(WHOLE, np.random.default_rng(1))
        other.fit(PARTS, np.random.default_rng(1))
        np.testing.assert_array_equal(*(each.sample(9, 0.8, np.random.default_rng(2)) for each in (one, other)))

    @pytest.mark.parametrize("name", WIDE)
    def test_learn_nearly_the_same_from_narrow_rows(self, name: str) -> None:
        """As from the same numbers in double precision: scaling alone may differ, in its last bits."""
        one, other = (make_model(name, **SMALL[name]) for _ in range(2))
        one.fit(narrow("float16"), np.random.default_rng(1))
        other.fit(np.asarray(narrow("float16"), dtype=np.float64), np.random.default_rng(1))
        rows = [each.sample(9, 1.0, np.random.default_rng(2)) for each in (one, other)]
        np.testing.assert_allclose(*rows, atol=1e-4)

    @pytest.mark.parametrize("name", WIDE)
    @pytest.mark.parametrize("kind", ["float64", "float16"])
    def test_sample_into_an_array_what_they_would_sample(
        self, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
    ) -> None:
        model = make_model(name, **SMALL[name])
        model.fit(WHOLE, np.random.default_rng(1))
        for module in ("stylegan2", "wgan_gp", "denoising"):
            monkeypatch.setattr(f"evaluator.models.{module}.AT_ONCE", 7)
        rows = np.full((20, 64), np.nan, dtype=kind)
        model.sample_into(rows, 0.8, np.random.default_rng(2))
        np.testing.assert_array_equal(rows, model.sample(20, 0.8, np.random.default_rng(2)).astype(kind))
