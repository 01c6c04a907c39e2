"""What data could not give, and files that are not there, are refused before a folder is made or a loop runs."""

from dataclasses import replace

import numpy as np
import pytest

from evaluator.arms import run_arms
from evaluator.config import Choice, LoopConfig, Processing, Tagging
from evaluator.run_record import read_run
from evaluator.runs import run_in_folder
from evaluator.setup import prepare
from evaluator.sweeps import sweep_of
from hygiene.errors import ConfigurationError, KeyFileError

PLAIN = LoopConfig(
    loop="fully_synthetic",
    n_ini=40,
    n_s=40,
    generations=1,
    n_reference=40,
    source=Choice("gaussian", {"dimension": 3}),
    model=Choice("gaussian"),
    metrics={"frechet": {}},
)
NPZ = {"path": "rows.npz"}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"metrics": {"class_counts": {}}}, "metrics.class_counts: the source 'gaussian' has no labels, use a source"),
        ({"model": Choice("ddpm_mlp", {"labels": 3})}, "labels = 3 in the model 'ddpm_mlp': the source 'gaussian' has"),
        (
            {"source": Choice("npz", NPZ), "reference": Choice("npz", NPZ), "metrics": {"class_entropy": {}}},
            "metrics.class_entropy: the source 'npz' has no labels, name the array of them: labels",
        ),
        (
            {"source": Choice("crops", {"size": 8}), "features": Choice("lenet")},
            "lenet learns from labelled .*'crops'",
        ),
        ({"tagging": Tagging("blind", codec="spread")}, "tagging.codec = spread works on pictures, the source is 'gau"),
        ({"processing": Processing("png")}, "processing.format = png works on pictures, the source is 'gaussian'"),
        ({"features": Choice("onnx", {"path": "net.onnx"})}, "features = onnx works on pictures"),
    ],
)
def test_what_no_such_source_has_is_refused_wherever_a_loop_is_asked_for(tmp_path, fields, complaint):
    config = replace(PLAIN, **fields)
    with pytest.raises(ConfigurationError, match=complaint):
        next(run_in_folder(config, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigurationError, match=complaint):
        next(run_arms([PLAIN, config]))
    with pytest.raises(ConfigurationError, match=complaint):
        sweep_of({**config.to_dict(), "seed": [0, 1]})


@pytest.mark.parametrize("field", ["source", "reference", "features"])
def test_a_file_that_is_not_there_is_refused_before_the_first_loop(tmp_path, field):
    digits = replace(PLAIN, source=Choice("digits"))
    lost = Choice("onnx" if field == "features" else "idx", {"path": str(tmp_path / "lost")})
    config = replace(digits, **{field: lost})
    complaint = rf"{field}.path is .*lost: there is no such file or folder"
    with pytest.raises(ConfigurationError, match=complaint):
        next(run_in_folder(config, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigurationError, match=complaint):
        next(run_arms([PLAIN, config]))


def test_a_key_that_is_not_there_is_refused_before_the_first_loop(tmp_path):
    lost = replace(PLAIN, tagging=Tagging("blind", key_file=str(tmp_path / "lost")))
    with pytest.raises(KeyFileError, match="no key file"):
        next(run_arms([PLAIN, lost]))


def test_a_finished_run_is_read_without_its_files(tmp_path):
    rows = np.random.default_rng(0).standard_normal((2, 60, 3))
    for name, samples in zip(("rows", "held"), rows, strict=True):
        np.savez(tmp_path / f"{name}.npz", samples=samples)
    config = replace(
        PLAIN,
        source=Choice("npz", {"path": str(tmp_path / "rows.npz")}),
        reference=Choice("npz", {"path": str(tmp_path / "held.npz")}),
    )
    made = list(run_in_folder(config, tmp_path / "run"))
    (tmp_path / "rows.npz").unlink()
    assert list(run_in_folder(config, tmp_path / "run")) == made == read_run(tmp_path / "run").generations


def test_real_rows_that_hardly_differ_are_refused_before_a_network_learns_of_them(tmp_path):
    """A feature network would divide by their deviation, which is lost: it would see one picture."""
    rng = np.random.default_rng(0)
    for name in ("rows", "held"):
        np.savez(tmp_path / f"{name}.npz", samples=1e-200 * rng.random((60, 8, 8)), labels=rng.integers(3, size=60))
    config = replace(
        PLAIN,
        source=Choice("npz", {"path": str(tmp_path / "rows.npz"), "labels": "labels"}),
        reference=Choice("npz", {"path": str(tmp_path / "held.npz")}),
        features=Choice("lenet"),
    )
    with pytest.raises(
        ConfigurationError, match=r"the real rows differ by 9.\d+e-201 at most, which is lost when squared"
    ):
        prepare(config)
