"""docs/tagging.md runs: its Python, in the order given, with an untrained pipeline in the place of the reader's."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hygiene.codecs import Spread
from hygiene.detectors import KeyedDetector
from hygiene.keys import load_key, new_key, write_key
from hygiene.looks import Look

PAGE = (Path(__file__).parents[2] / "docs" / "tagging.md").read_text("utf-8")
PIPELINE, REFUSING, SERVING, LOOP, CHECKING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def found(tiny_pipelines, tmp_path_factory):
    """What the blocks leave behind, in a folder with a key and a pipeline."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_key(new_key(), Path("my.key"))
        tiny_pipelines.stable_diffusion_xl(folder / "my-sdxl", sample_size=48)
        assert '"cuda"' in PIPELINE
        assert "steps=30" in PIPELINE
        left = {}
        exec(PIPELINE.replace('"cuda"', '"cpu"').replace("steps=30", "steps=1"), left)
        yield left


def test_the_pipelines_picture_is_found_as_the_page_says(found, capsys):
    exec(CHECKING, dict(found, codec=Spread()))
    assert float(capsys.readouterr().out) < -9
    key = load_key(Path("my.key"))
    assert KeyedDetector(Spread(), key).detect("", Look(Path("cat.png").read_bytes())).log10_p > -6
    assert "detect cat.png --key my.key --generator painter" in PAGE


def test_refusals_are_reported_as_shown(found, capsys):
    exec(REFUSING, found)
    told = capsys.readouterr().out.splitlines()
    shown = re.findall(r"^# (Tagging.*)", REFUSING, re.MULTILINE)
    assert len(told) == len(shown) == 3
    for line, pattern in zip(told, shown, strict=True):
        assert re.match(re.escape(pattern).replace("…", ".*"), line), line


def test_a_server_and_a_loop_mark_what_they_hand_out(found):
    exec(REFUSING, found)
    exec(SERVING, found)
    answered = found["answer"](Image.fromarray(data.coffee()))
    assert Spread().score(np.asarray(answered)[None], found["key"]).log10_p[0] < -20
    exec(LOOP, found)
    assert found["marked"].shape == (4, 3, 128, 128)
    assert (found["log10_p"] < -20).all()
