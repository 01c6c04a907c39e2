"""Generators of one's own: what counts as one, what is checked, and whom an error names."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from evaluator.config import Choice, LoopConfig
from evaluator.loop import run_loop
from evaluator.models import make_model
from evaluator.models.gaussian import Gaussian
from evaluator.models.plugged import Plugged
from evaluator.runs import run_in_folder
from hygiene.errors import ConfigurationError

MODULE = '''
import numpy as np

def noise(n, rng):
    return rng.standard_normal((n, 3))

def three(a, b, c):
    return a

class Mean:
    """Learns the mean; counts how often."""
    fits = 0

    def fit(self, rows, rng):
        self.fits += 1
        self.mean = rows.mean(axis=0)
        rows[:] = 0  # its own affair

    def sample(self, n, sampling_bias, rng):
        assert self.fits == 1, "a model of another generation"
        return self.mean + np.sqrt(sampling_bias) * rng.standard_normal((n, len(self.mean)))

def factory():
    return Mean()

shared = Mean()

class Wrong:
    def __init__(self, rows):
        self.rows = rows
    def sample(self, n, sampling_bias, rng):
        return self.rows

narrow, nothing = Wrong(np.zeros((5, 2))), Wrong(None)
infinite, ragged = Wrong(np.full((5, 3), np.inf)), Wrong([[1.0], [2.0, 3.0]])
complexes = Wrong(np.full((5, 3), 1j))

class Broken:
    def fit(self, rows, rng):
        raise RuntimeError("out of\\n  luck")
    def sample(self, n, sampling_bias, rng):
        return np.zeros((n, 3))
'''
CONFIG = LoopConfig(
    loop="fully_synthetic",
    n_ini=40,
    n_s=40,
    generations=3,
    n_reference=60,
    source=Choice("gaussian", {"dimension": 3}),
    metrics={"frechet": {}},
)


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    """A module `mine` that can be imported in this test only."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "mine.py").write_text(MODULE)
    (tmp_path / "path" / "torn.py").write_text("def (")
    (tmp_path / "path" / "needing.py").write_text("import lacking")
    monkeypatch.syspath_prepend(tmp_path / "path")
    yield
    sys.modules.pop("mine", None)


def own(entry: str) -> LoopConfig:
    return replace(CONFIG, model=Choice("callable", {"entry": entry}))


@pytest.mark.parametrize("entry", ["mine:noise", "mine:Mean", "mine:factory", "mine:shared"])
def test_functions_classes_factories_and_objects_are_generators(entry):
    """A new one for every generation: `Mean` refuses to be fitted twice."""
    steps = list(run_loop(own(entry)))
    assert [step.generation for step in steps] == [1, 2, 3]
    assert all(0 <= step.metrics["frechet_distance"] < 1 for step in steps)


def test_the_sampling_bias_and_the_generator_are_handed_on():
    model = make_model("callable", entry="mine:Mean")
    model.fit(np.random.default_rng(0).standard_normal((50, 3)) + 5, np.random.default_rng(1))
    wide, narrow, again = (model.sample(4_000, bias, np.random.default_rng(2)) for bias in (1.0, 0.25, 1.0))
    np.testing.assert_allclose(narrow.var(axis=0) / wide.var(axis=0), 0.25, rtol=1e-6)
    np.testing.assert_array_equal(wide, again)
    with pytest.raises(ConfigurationError, match="0 < λ ≤ 1"):
        model.sample(5, 0.0, np.random.default_rng(2))


def test_what_a_generator_does_to_its_rows_stays_with_it():
    rows = np.ones((10, 3))
    make_model("callable", entry="mine:Mean").fit(rows, np.random.default_rng(0))
    assert (rows == 1).all()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("mine.noise", "entry is 'mine.noise', expected package.module:name"),
        ("mine:noise()", r"entry is 'mine:noise\(\)', expected package.module:name"),
        ("__import__('os'):system", "expected package.module:name"),
        ("mine:", "expected package.module:name"),
        ("absent:noise", "cannot be imported: ModuleNotFoundError: No module named 'absent' .*found with PYTHONPATH=."),
        ("needing:noise", r"cannot be imported: ModuleNotFoundError: No module named 'lacking'$"),
        ("mine:absent", "entry 'mine:absent' cannot be imported: AttributeError: .* no attribute 'absent'"),
        ("torn:noise", "entry 'torn:noise' cannot be imported: SyntaxError"),
        ("mine:three", r"mine:three: making it raised TypeError: expected sample\(n, sampling_bias, rng\)"),
        ("mine:np.pi", "mine:np.pi: making it raised TypeError: expected sample"),
        ("mine:Wrong", "mine:Wrong: making it raised TypeError: .*missing 1 required positional argument"),
    ],
)
def test_what_is_no_generator_is_refused_by_name_before_anything_runs(tmp_path, entry, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        next(run_in_folder(own(entry), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("mine:narrow", r"mine:narrow: sample gave an array of shape \(5, 2\), expected \(5, 3\)"),
        ("mine:nothing", r"mine:nothing: sample gave an array of shape \(\), expected \(5, 3\)"),
        ("mine:infinite", "mine:infinite: sample gave numbers that are not finite"),
        ("mine:ragged", "mine:ragged: sample raised ValueError"),
        ("mine:complexes", "mine:complexes: sample raised TypeError: expected real numbers, got complex ones"),
    ],
)
def test_what_it_gives_is_checked(entry, complaint):
    model = make_model("callable", entry=entry)
    model.fit(np.zeros((4, 3)), np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match=complaint):
        model.sample(5, 1.0, np.random.default_rng(0))


def test_a_plain_function_knows_no_sampling_bias():
    model = make_model("callable", entry="mine:noise")
    model.fit(np.zeros((4, 3)), np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match=r"mine:noise: sample raised ValueError: .* sampling_bias is 0\.5"):
        model.sample(5, 0.5, np.random.default_rng(0))


def test_errors_of_a_users_code_are_one_line_on_the_command_line(tmp_path):
    (tmp_path / "loop.toml").write_text(
        'loop = "fully_synthetic"\nn_ini = 40\nn_s = 40\nn_reference = 60\n'
        'source = {name = "gaussian", dimension = 3}\nmodel = {name = "callable", entry = "mine:Broken"}\n'
    )
    result = CliRunner().invoke(main, ["evaluate", str(tmp_path / "loop.toml"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.endswith(
        "generation 1 cannot fit the model 'callable': mine:Broken: fit raised RuntimeError: out of luck"
    )


def test_a_run_of_ones_own_goes_on_to_the_same_bytes(whole_and_stopped):
    whole, stopped = whole_and_stopped(own("mine:factory"))
    assert whole == stopped


def test_python_hands_over_a_generator_itself():
    found = list(run_loop(CONFIG, model=lambda: Gaussian()))
    assert found == list(run_loop(replace(CONFIG, model=Choice("gaussian"))))
    assert found != list(run_loop(CONFIG))
    assert list(run_loop(CONFIG, start=found[0].state, model=Gaussian)) == found[1:]
    model = Plugged(lambda n, rng: np.zeros((n + 1, 3)), "function")
    model.fit(np.zeros((4, 3)), np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match="function: sample gave an array of shape"):
        model.sample(2, 1.0, np.random.default_rng(0))


def test_no_warm_start_without_weights():
    with pytest.raises(ConfigurationError, match="warm_start: the model 'callable' has no weights to go on from"):
        next(run_loop(replace(own("mine:Mean"), warm_start=True)))


def test_code_that_exits_is_told_of_and_does_not_end_the_run(tmp_path, monkeypatch):
    (tmp_path / "leaving_on_import.py").write_text("import sys\n\nsys.exit(3)\n")
    (tmp_path / "leaving_at_work.py").write_text("import sys\n\n\ndef draw(n, rng):\n    sys.exit(4)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="'leaving_on_import:x' cannot be imported: SystemExit: 3"):
        make_model("callable", entry="leaving_on_import:x")
    model = make_model("callable", entry="leaving_at_work:draw")
    model.fit(np.zeros((3, 2)), np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match="leaving_at_work:draw: sample raised SystemExit: 4"):
        model.sample(3, 1.0, np.random.default_rng(0))
