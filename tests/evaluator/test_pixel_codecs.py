"""Codecs of real pictures in rows and in loops: what is embedded, what is read, what stays a float, what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from evaluator.config import Choice, Filter, LoopConfig, Processing, Tagging
from evaluator.loop import LoopRun, run_loop
from evaluator.marking import loop_key
from evaluator.pixel_codecs import PixelCodecs
from evaluator.run_record import ROWS
from evaluator.runs import run_in_folder
from evaluator.setup import prepare
from hygiene.codecs import DwtDctSvd, Rivagan, Spread
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.keys import Key

KEY = Key(bytes(32))
SPREAD = Tagging("blind", codec="spread", psnr=36.0)
WEAK = replace(SPREAD, psnr=41.0)  # too weak for some of the squares


def squares(side, count, seed, colour):
    """Squares of scikit-learn's photographs, [count, side, side] or with 3 channels, uint8."""
    rng, images = np.random.default_rng(seed), load_sample_images().images
    cut = []
    for _ in range(count):
        image = images[rng.integers(2)]
        top, left = rng.integers(image.shape[0] - side), rng.integers(image.shape[1] - side)
        square = image[top : top + side, left : left + side]
        cut.append(square if colour else np.rint(square.mean(axis=2)).astype(np.uint8))
    return np.stack(cut)


GREY = squares(28, 300, 0, colour=False)
ROWS_GREY = GREY.reshape(300, -1) / 255


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A loop on grey squares of 28 pixels."""
    folder = tmp_path_factory.mktemp("squares")
    for name, seed in (("train", 1), ("held", 2)):
        np.savez(folder / f"{name}.npz", samples=squares(28, 400, seed, colour=False) / 255)
    return LoopConfig(
        loop="fully_synthetic",
        n_ini=150,
        n_s=150,
        n_reference=150,
        generations=2,
        probe_keys=2,
        source=Choice("npz", {"path": str(folder / "train.npz")}),
        reference=Choice("npz", {"path": str(folder / "held.npz")}),
        model=Choice("kde"),
        metrics={"frechet": {}},
        tagging=SPREAD,
    )


@pytest.fixture(scope="module")
def ground(config):
    return prepare(config)


@pytest.fixture(scope="module")
def fresh(config):
    return replace(config, loop="fresh_data", n_ini=100, n_s=75, n_r=75)


def spread(informed=False, psnr=36.0, real=ROWS_GREY):
    return PixelCodecs("spread", psnr, informed, (28, 28), real)(KEY)


@pytest.mark.parametrize("psnr", [36.0, None])
def test_informed_spread_changes_what_the_codec_changes_in_the_file_and_nothing_else(psnr):
    rows = 1.6 * ROWS_GREY[:40] - 0.3  # overshoots on both sides
    batch = np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8).reshape(-1, 28, 28)
    changed = Spread(psnr).embed(batch, KEY).astype(float) - batch
    added = (spread(informed=True, psnr=psnr).embed(rows) - rows) * 255
    assert np.abs(changed).max() > 1
    np.testing.assert_allclose(added, changed.reshape(40, -1), atol=1e-9)


def test_blind_spread_marks_again_what_is_marked_and_informed_spread_does_not():
    blind, informed = spread(), spread(informed=True)
    once = blind.embed(ROWS_GREY)
    clear = blind.score(once).log10_p <= -12
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(informed.embed(once)[clear], once[clear])
    twice = blind.embed(once)
    assert (np.abs(twice - once).max(axis=1) > 0).all()
    assert (blind.project(twice) > blind.project(once)).mean() > 0.9


def test_blind_spread_keeps_to_its_psnr():
    """Noise has no flat areas that would hold it back, and what rounding adds is counted in."""
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (40, 784))
    noise = np.rint(noise * 255) / 255
    for psnr in (36.0, 40.0, 44.0):
        error = np.square(255 * (spread(psnr=psnr).embed(noise) - noise)).mean(axis=1)
        assert 10 * np.log10(255**2 / error.mean()) == pytest.approx(psnr, abs=0.1)


def test_no_rows_are_no_rows():
    codec = spread()
    assert codec.embed(ROWS_GREY[:0]).shape == (0, 784)
    assert codec.score(ROWS_GREY[:0]).log10_p.shape == (0,)


def test_the_scale_is_that_of_real_pictures_and_the_unit_what_tagging_adds():
    codec = spread()
    statistic = codec.project(ROWS_GREY)
    assert statistic.mean() == pytest.approx(0, abs=1e-9)
    assert statistic.std(ddof=1) == pytest.approx(1)
    assert codec.unit == pytest.approx(codec.project(codec.embed(ROWS_GREY)).mean())
    assert codec.unit > 5


def test_blind_and_informed_tagging_are_told_in_one_unit():
    blind, informed = spread(), spread(informed=True)
    assert informed.unit == blind.unit
    np.testing.assert_array_equal(informed.template, blind.template)
    np.testing.assert_allclose(blind.template, blind.embed(ROWS_GREY).mean(axis=0) - ROWS_GREY.mean(axis=0))
    assert informed.project(informed.embed(ROWS_GREY)).mean() < blind.unit


def test_the_null_is_honest_over_keys():
    """p ≤ .1 in at most a tenth of 20 keys × 100 pictures; keys are independent, pictures of one key are not."""
    codecs = PixelCodecs("spread", 36.0, False, (28, 28), ROWS_GREY)
    shares = [np.mean(codecs(KEY.subkey(f"null {i}")).score(ROWS_GREY[:100]).log10_p <= -1) for i in range(20)]
    assert np.mean(shares) <= 0.1 + 3 * np.std(shares) / np.sqrt(20)


@pytest.mark.parametrize("name", ["dwt_dct_svd", "rivagan"])
def test_codecs_of_bits_are_told_in_real_deviations_and_scored_by_themselves(name):
    if name == "rivagan":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("imwatermark")
    batch = squares(40, 10, 3, colour=True)
    rows = batch.reshape(10, -1) / 255
    made = PixelCodecs(name, None, False, (40, 40, 3), rows)
    codec = made(KEY)
    whole = DwtDctSvd(bits=25) if name == "dwt_dct_svd" else Rivagan(threads=1)
    marked = whole.embed_payload(batch, whole.payload(KEY))
    np.testing.assert_allclose(255 * (codec.embed(rows) - rows), (marked.astype(float) - batch).reshape(10, -1))
    np.testing.assert_array_equal(codec.score(codec.embed(rows)).log10_p, whole.score(marked, KEY).log10_p)
    matches = whole.score(batch, KEY).statistic
    np.testing.assert_allclose(codec.project(rows), (matches - matches.mean()) / matches.std(ddof=1))
    assert codec.unit > 1


def test_in_a_loop_published_pictures_are_found_and_raw_ones_are_not(fresh, ground):
    caught = replace(fresh, filter=Filter("detector", max_p=1e-6))
    first, second = run_loop(caught, ground)
    assert first.mark["published_found"] > 0.6
    assert first.mark["raw_found"] == 0
    assert abs(first.mark["raw_z"]) < 4
    assert abs(first.mark["raw_auc"] - 0.5) < 0.1
    assert abs(first.mark["wrong_key_mark_sd"]) < 0.4
    assert first.mark["published_auc"] > 0.95
    assert second.filter.tpr == pytest.approx(first.mark["published_found"], abs=0.2)
    assert second.filter.fpr == 0


def test_a_wrong_key_is_read_like_the_right_one():
    """Wrong keys' readings are the right key's where the rows carry a wrong key's mark instead."""
    made = PixelCodecs("spread", 36.0, False, (28, 28), ROWS_GREY)
    right, other = made(KEY), made(KEY.subkey("other"))
    marked = other.embed(ROWS_GREY)
    found = right.probes(marked, marked, ROWS_GREY, [other])
    assert found["wrong_key_mark_sd"] == pytest.approx(other.unit)
    assert found["raw_found"] == 0
    assert other.probes(marked, marked, ROWS_GREY, [])["raw_found"] > 0.5


def test_a_recall_is_kept_by_the_real_detector_behind_a_jpeg(fresh, ground):
    jpeg = Processing("jpeg", quality=60)
    _, step = run_loop(replace(fresh, processing=jpeg, filter=Filter("detector", recall=0.8)), ground)
    assert step.filter.tpr == pytest.approx(0.8, abs=0.17)
    back = Filter("detector", recall=0.8, give_back=0.6)
    _, given = run_loop(replace(fresh, processing=jpeg, filter=back), ground)
    assert given.filter.tpr == pytest.approx(0.4 * step.filter.tpr, abs=0.17)


def test_a_trainer_who_scrapes_on_fills_his_set_with_what_the_detector_passes(fresh, ground):
    topped = replace(fresh, n_ini=60, n_s=20, n_r=40, top_up=True, filter=Filter("detector", max_p=1e-6))
    oracle = replace(topped, source=Choice("npz", {**fresh.source.parameters, "repeats": True}))
    _, step = run_loop(oracle, prepare(oracle))
    assert step.n_real + step.n_synthetic == 60
    assert step.filter.tpr > 0.5


def test_a_jpeg_on_the_way_leaves_the_detector_less(config, ground):
    marks = [
        next(run_loop(replace(config, processing=processing, probe_keys=0), ground)).mark["published_mark_sd"]
        for processing in (
            Processing("png"),
            Processing("jpeg", quality=75),
            Processing("jpeg", quality=75, resize=0.5),
        )
    ]
    assert all(before > after + 0.5 for before, after in pairwise(marks))


def test_samples_stay_floats_that_are_not_cut(config, ground):
    *_, step = run_loop(config, ground)
    rows = step.state.training_set
    assert rows.min() < 0
    assert np.abs(rows * 255 - np.rint(rows * 255)).max() > 0.1
    *_, step = run_loop(replace(config, processing=Processing("png")), ground)
    np.testing.assert_allclose(step.state.training_set * 255, np.rint(step.state.training_set * 255), atol=1e-9)
    assert (step.state.training_set.min(), step.state.training_set.max()) == (0, 1)


def test_a_loop_in_which_nobody_tags_is_the_loop_without_tagging(config, ground):
    twin = list(run_loop(replace(config, tagging=replace(SPREAD, adoption=0.0)), ground))
    plain = list(run_loop(replace(config, tagging=Tagging()), ground))
    assert [step.metrics for step in twin] == [step.metrics for step in plain]
    assert all(step.mark["published_mark"] == step.mark["raw_mark"] for step in twin)


@pytest.mark.parametrize("form", ["png", "none"])
def test_a_verified_tag_is_found_in_all_that_is_published_and_the_others_are_drawn_again(fresh, ground, form):
    caught = replace(fresh, filter=Filter("detector", max_p=1e-6), processing=Processing(form))
    passed, verified = (replace(caught, tagging=replace(WEAK, verify=verify)) for verify in (False, True))
    first, second = run_loop(verified, ground)
    unverified, leaking = run_loop(passed, ground)
    assert 0.05 < first.mark["withheld"] < 0.6
    assert first.mark["withheld"] == pytest.approx(1 - leaking.filter.tpr, abs=0.15)
    assert first.mark["published_found"] == 1 > unverified.mark["published_found"]
    assert first.mark["coherence"] == pytest.approx(unverified.mark["coherence"], rel=0.2)
    assert (second.filter.tpr, second.n_synthetic) == (1, 0) != (leaking.filter.tpr, leaking.n_synthetic)
    half = replace(verified, filter=Filter("detector", max_p=1e-6, give_back=0.25))
    random = replace(verified, filter=Filter("simulated", tpr=0.75))
    (*_, given), (*_, dropped) = run_loop(half, ground), run_loop(random, ground)
    np.testing.assert_array_equal(given.state.training_set, dropped.state.training_set)
    assert given.filter == dropped.filter
    everything = replace(verified, filter=Filter(), tagging=replace(WEAK, verify=True, adoption=0.5))
    *_, step = run_loop(everything, ground)
    assert step.n_synthetic == 75
    assert 0.3 < step.mark["published_found"] < 0.8


def test_verified_tags_are_found_in_narrower_types_of_rows(fresh, ground):
    narrow = replace(fresh, rows="float16", tagging=replace(WEAK, verify=True), filter=Filter("detector", max_p=1e-5))
    *_, step = run_loop(narrow, ground)
    assert step.filter.tpr == 1


def test_what_is_drawn_again_is_read_anew(fresh, ground):
    run = LoopRun(replace(fresh, tagging=replace(WEAK, verify=True)), ground)
    state = run.next_step(None, None)[2]
    rows, codec = run.output(1, run.fitted(state), 75, np.random.default_rng(3)), run.marking.codec(1)
    np.testing.assert_array_equal(codec.project(rows), codec.project(rows.copy()))


def test_a_generator_of_what_cannot_be_tagged_is_refused_in_one_line(fresh, tmp_path):
    np.savez(tmp_path / "noise.npz", samples=np.random.default_rng(0).random((400, 28, 28)))
    noise = replace(
        fresh,
        source=Choice("npz", {"path": str(tmp_path / "noise.npz")}),
        tagging=replace(SPREAD, psnr=60.0, verify=True),
        n_reference=100,
    )
    with pytest.raises(InfeasibleError, match=r"^generation 1: 75 of 75 samples carry no tag .*lower tagging\.psnr"):
        list(run_loop(noise))


def test_rotating_keys_read_the_key_before(config, ground):
    steps = list(run_loop(replace(config, tagging=replace(SPREAD, rotate=True)), ground))
    assert "last_key_mark" in steps[1].mark
    assert steps[1].mark["published_mark"] > 0.5


def test_a_stopped_run_goes_on_to_the_same_bytes(config, ground, tmp_path):
    tagged = replace(config, tagging=replace(SPREAD, rotate=True), processing=Processing("jpeg"), generations=3)
    tagged = replace(tagged, n_ini=60, n_s=60)
    list(run_in_folder(tagged, tmp_path / "whole", ground))
    steps = run_in_folder(tagged, tmp_path / "stopped", ground)
    next(steps)
    steps.close()
    list(run_in_folder(tagged, tmp_path / "stopped", ground))
    assert (tmp_path / "stopped" / ROWS).read_bytes() == (tmp_path / "whole" / ROWS).read_bytes()


@pytest.mark.parametrize(
    ("codec", "shape", "complaint"),
    [
        ("spread", (8, 8), "28 pixels a side and more, the source's are 8×8"),
        ("spread", (64,), r"rows have the shape \(64,\): expected \(h, w\) or \(h, w, 3\)"),
        ("dwt_dct_svd", (48, 48), "marks colour, the source's pictures are grey: use spread"),
        ("dwt_dct_svd", (32, 32, 3), "40 pixels a side and more, the source's are 32×32"),
        ("rivagan", (16, 16, 3), "32 pixels a side and more, the source's are 16×16"),
    ],
)
def test_rows_that_are_no_pictures_for_a_codec_are_refused(codec, shape, complaint):
    real = np.random.default_rng(0).random((4, int(np.prod(shape))))
    with pytest.raises(ConfigurationError, match=complaint):
        PixelCodecs(codec, None, False, shape, real)


def test_a_loop_refuses_what_is_no_picture(config):
    digits = replace(config, source=Choice("digits"), reference=None)
    with pytest.raises(ConfigurationError, match="the source's are 8×8"):
        next(run_loop(digits))
    gaussian = replace(config, source=Choice("gaussian", {"dimension": 9}), reference=None, tagging=Tagging())
    with pytest.raises(ConfigurationError, match=r"processing.format = png works on pictures.*shape \(9,\)"):
        next(run_loop(replace(gaussian, processing=Processing("png"))))


def test_other_scales_and_marks_that_cannot_be_kept_are_refused():
    with pytest.raises(ConfigurationError, match=r"takes pixels in 0..1, the source's lie in 0..255"):
        spread(real=255 * np.round(ROWS_GREY))
    with pytest.raises(ConfigurationError, match=r"lie in 0..1.0021: scale them"):
        spread(real=1.0021 * np.round(ROWS_GREY))
    assert spread(real=1.0019 * np.round(ROWS_GREY)).unit > 0  # level 255 all the same
    with pytest.raises(ConfigurationError, match="leaves no mark in the source's pictures of 28×28 pixels"):
        _ = spread(informed=True, psnr=60.0).unit
    with pytest.raises(ConfigurationError, match="reads the same of every real picture"):
        spread(real=np.full((9, 784), 0.5))


def test_the_key_of_a_loop_marks_its_pictures(config, ground):
    """Which ties the loop to the codec's own detector: what a generation publishes reads under `loop_key`."""
    *_, step = run_loop(config, ground)
    batch = np.rint(np.clip(step.state.training_set, 0, 1) * 255).astype(np.uint8).reshape(-1, 28, 28)
    assert np.mean(Spread().score(batch, loop_key(config)).log10_p <= -6) > 0.6
    assert np.mean(Spread().score(batch, KEY).log10_p <= -6) == 0
