import io
import pickle

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from skimage import data

from hygiene.codecs import Spread
from hygiene.detectors import ProvenanceDetector
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.pipeline import BatchScorer, score_dataset
from hygiene.provenance import declare

KEY = Key(bytes(range(32)))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def files():
    """Unmarked, marked, declared and marked, torn."""
    pixels = data.astronaut()[:128, :128]
    marked = Spread().embed(pixels[None], KEY)[0]
    return [png(pixels), png(marked), declare(png(marked), None), b"torn"]


def test_the_scores_are_those_of_a_folder(files, tmp_path):
    for number, content in enumerate(files):
        (tmp_path / f"{number}.png").write_bytes(content)
    detectors = [KEY, ProvenanceDetector()]
    expected = list(score_dataset(tmp_path, detectors))
    batch = {"image": files, "n": [0, 1, 2, 3]}
    found = BatchScorer(detectors)(batch)
    assert found["log10_p"] == [getattr(each, "log10_p", None) for each in expected]
    assert [value is not None and value < -9 for value in found["log10_p"]] == [False, True, True, False]
    assert found["declared"] == ["", "", "generated", ""]
    assert found["detector"][:3] == [each.detector for each in expected[:3]]
    assert found["unreadable"] == ["", "", "", expected[3].reason]
    assert found["n"] == [0, 1, 2, 3]
    assert set(batch) == {"image", "n"}  # what came in is left as it was


@pytest.mark.parametrize("kind", ["structs", "arrow", "numpy", "views"])
def test_pictures_come_in_many_wrappings(files, kind):
    wrapped = {
        "structs": [{"bytes": each, "path": None} for each in files],
        "arrow": pa.array([{"bytes": each, "path": ""} for each in files]).to_pylist(),
        "numpy": np.array(files, dtype=object),
        "views": [memoryview(each) for each in files],
    }[kind]
    scorer = pickle.loads(pickle.dumps(BatchScorer(KEY, "picture")))
    assert scorer({"picture": wrapped})["log10_p"] == BatchScorer(KEY)({"image": files})["log10_p"]


def test_what_holds_no_encoded_picture_is_told(files):
    scorer = BatchScorer(KEY)
    assert (
        scorer({"image": [None, {"bytes": None, "path": "x"}]})["unreadable"] == ["no picture: the row holds none"] * 2
    )
    with pytest.raises(ConfigurationError, match="holds ndarray: expected encoded pictures"):
        scorer({"image": [np.zeros((64, 64, 3), np.uint8)]})
    with pytest.raises(ConfigurationError, match="no column 'image': it has jpg, txt"):
        scorer({"jpg": [], "txt": []})
    assert scorer({"image": []})["log10_p"] == []
