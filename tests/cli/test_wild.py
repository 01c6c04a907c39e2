"""Other people's marks and statements, on the command line: detect, and filter by what was found."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, PngImagePlugin
from skimage import data

from cli.main import main
from hygiene import ledger
from hygiene.datasets import open_reader
from hygiene.detectors.base import Unreadable
from hygiene.images import MAX_PIXELS
from hygiene.provenance import declare

MADE = Path(__file__).parents[1] / "hygiene/marked"
"""Made by the generators' own watermarking code."""

TRAINED = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

PARAMETERS = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 300x300"


def call(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def found(*arguments):
    code, out, err = call("detect", "pool", "--workers", 1, *arguments)
    assert code == 0
    return {line["id"]: line for line in map(json.loads, out.splitlines())}, err


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """own.png (ours, and declared), flux.jpg, sdxl.webp, said.png (says that it is generated), real.jpg."""
    folder = tmp_path_factory.mktemp("wild")
    (folder / "own").mkdir()
    (folder / "pool").mkdir()
    Image.fromarray(data.coffee()[:300, :300]).save(folder / "own/own.png")
    before = os.getcwd()
    os.chdir(folder)
    assert call("keygen", "my.key")[0] == 0
    assert call("tag", "own", "tagged", "--key", "my.key", "--declare", "--workers", 1)[0] == 0
    shutil.copy("tagged/own.png", "pool")
    for file in MADE.iterdir():
        shutil.copy(file, "pool")
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", PARAMETERS)
    photograph = Image.fromarray(data.chelsea()[:300, :300])
    photograph.save("pool/said.png", pnginfo=text)
    photograph.save("pool/real.jpg", quality=90)
    yield folder
    os.chdir(before)


def test_all_detectors_together_name_each_source(pool):
    lines, err = found("--key", "my.key", "--detect", "all")
    assert {id for id, line in lines.items() if line["found"]} == {"own.png", "flux.jpg", "sdxl.webp"}
    assert (lines["flux.jpg"]["mark"], lines["sdxl.webp"]["mark"]) == ("flux", "sdxl")
    assert lines["own.png"]["detector"].startswith("spread:")
    assert {id for id, line in lines.items() if line.get("declared") == "generated"} == {"own.png", "said.png"}
    assert (lines["own.png"]["scheme"], lines["said.png"]["scheme"]) == ("IPTC", "Automatic1111")
    assert {"found", "declared", "mark"} & set(lines["real.jpg"]) == {"found"}
    assert "found at p ≤ 1e-06: 3 of 5" in err
    for source in ("mark of flux: 1", "mark of sdxl: 1", "declared generated, IPTC: 1", "own mark spread:"):
        assert source in err


def test_chance_at_a_loose_level_is_no_mark_of_ours(pool):
    lines, err = found("--detect", "public,provenance", "--max-p", "1")
    unnamed = [id for id, line in lines.items() if line["found"] and "mark" not in line]
    assert "real.jpg" in unnamed
    assert f"public mark, too weak to be named: {len(unnamed)}\n" in err
    assert "own mark" not in err


def test_every_detector_pays_for_the_others(pool):
    alone, _ = found("--detect", "public")
    together, _ = found("--key", "my.key", "--detect", "own,public,provenance")
    assert together["flux.jpg"]["log10_p"] == pytest.approx(alone["flux.jpg"]["log10_p"] + 0.30103)
    single, _ = found("--detect", "flux")
    assert single["flux.jpg"]["detector"] == "public:flux"
    assert single["flux.jpg"]["log10_p"] < alone["flux.jpg"]["log10_p"]
    assert single["sdxl.webp"]["log10_p"] > -4


def test_filter_says_for_each_picture_why_it_went(pool):
    arguments = ("filter", "pool", "clean", "--key", "my.key", "--detect", "all", "--max-p", "1e-9", "--workers", 1)
    code, _, err = call(*arguments)
    assert code == 0
    excluded = {line["id"]: line for line in map(json.loads, Path("clean/excluded.jsonl").read_text().splitlines())}
    assert {id: line["excluded_by"][-1] for id, line in excluded.items()} == {
        "own.png": "provenance",
        "said.png": "provenance",
        "flux.jpg": "public:all",
        "sdxl.webp": "public:all",
    }
    assert len(excluded["own.png"]["excluded_by"]) == 2
    assert excluded["said.png"]["finding"]["where"] == "PNG tEXt parameters"
    assert excluded["flux.jpg"]["finding"]["mark"] == "flux"
    assert sorted(path.name for path in Path("clean/kept").iterdir()) == ["real.jpg"]
    assert "provenance 1, public:all 2" in err
    assert json.loads(Path("clean/manifest.json").read_text())["declared"] == ["generated"]

    assert call(*arguments, "--declared", "none")[0] == 0
    assert sorted(path.name for path in Path("clean/kept").iterdir()) == ["real.jpg", "said.png"]


@pytest.fixture(scope="module")
def broken(pool):
    """Files whose pixels end early: a PNG with a prompt, a JPEG with IPTC's source type, a capture, nothing said."""
    folder = pool / "broken"
    folder.mkdir()
    capture = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    photograph = io.BytesIO()
    Image.fromarray(data.chelsea()[:300, :300]).save(photograph, "JPEG", quality=90)
    files = {
        "said.png": Path("pool/said.png").read_bytes(),
        "iptc.jpg": declare(photograph.getvalue()),
        "capture.jpg": declare(photograph.getvalue()).replace(TRAINED, capture.encode().ljust(len(TRAINED))),
        "nothing.jpg": photograph.getvalue(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content[: len(content) * 2 // 3])
    return folder


def test_a_declaration_counts_although_the_pixels_are_gone(broken):
    arguments = ("filter", "broken", "kept-apart", "--detect", "public,provenance", "--workers", 1)
    code, out, _ = call(*arguments, "--format", "json")
    output = json.loads(out)["outputs"][0]
    assert (code, output["kept"], output["excluded_by"]) == (0, 0, {"provenance": 2})
    assert (output["seen"], output["unreadable"]) == (4, 2)
    lines = [json.loads(line) for line in Path("kept-apart/excluded.jsonl").read_text().splitlines()]
    iptc, said = sorted(lines, key=lambda line: line["id"])
    assert (said["finding"]["scheme"], iptc["finding"]["scheme"]) == ("Automatic1111", "IPTC")
    for line in (said, iptc):
        assert (line["detector"], line["log10_p"], line["excluded_by"]) == ("provenance", None, ["provenance"])
        assert "truncated" in line["reason"]
    assert sorted(path.name for path in Path("kept-apart/excluded").iterdir()) == ["iptc.jpg", "said.png"]
    unreadable = [json.loads(line) for line in Path("kept-apart/unreadable.jsonl").read_text().splitlines()]
    assert {line["id"]: line.get("declared") for line in unreadable} == {"capture.jpg": "captured", "nothing.jpg": None}

    code, out, _ = call(*arguments, "--format", "json", "--declared", "none")
    output = json.loads(out)["outputs"][0]
    assert (output["kept"], output["excluded"], output["unreadable"]) == (0, 0, 4)


def test_detect_tells_a_declaration_beside_the_reason(broken):
    code, out, err = call("detect", "broken", "--detect", "public,provenance", "--workers", 1)
    lines = {line["id"]: line for line in map(json.loads, out.splitlines())}
    assert code == 0
    assert {id: line.get("declared") for id, line in lines.items()} == {
        "said.png": "generated",
        "iptc.jpg": "generated",
        "capture.jpg": "captured",
        "nothing.jpg": None,
    }
    assert all("truncated" in line["unreadable"] for line in lines.values())
    assert lines["said.png"]["where"] == "PNG tEXt parameters"
    assert "unreadable: 4" in err
    assert "declared generated, IPTC: 1" in err
    _, table, _ = call("detect", "broken/iptc.jpg", "--detect", "public,provenance", "--format", "table")
    assert "declared generated (IPTC)" in table
    assert call("detect", "broken", "--detect", "all", "--fail-on-found", "--workers", 1)[0] == 1


def test_statements_alone_need_no_key_and_no_policy(pool):
    code, out, _ = call("filter", "pool", "said", "--detect", "provenance", "--workers", 1, "--format", "json")
    output = json.loads(out)["outputs"][0]
    assert (code, output["excluded"], output["kept"]) == (0, 2, 3)
    code, _, err = call("filter", "pool", "other", "--detect", "provenance", "--max-p", "0.001")
    assert (code, "no p-value" in err) == (2, True)


def test_statements_alone_cannot_be_calibrated(pool):
    code, out, err = call("calibrate", "pool", "said.json", "--detect", "provenance", "--workers", 1)
    assert (code, out, Path("said.json").exists()) == (2, "", False)
    assert "nothing to calibrate" in err


def test_scores_made_by_an_earlier_rule_are_made_anew(broken):
    """Scores of before undecodable files were asked what they declare: named alike, of the same release."""
    arguments = ("filter", "broken", "again", "--detect", "public,provenance", "--workers", 1, "--format", "json")
    assert call(*arguments)[0] == 0
    settings = {"detectors": "provenance + public:all", "max_pixels": MAX_PIXELS}
    for shard in open_reader(Path("broken")).listing().shards:
        rows = [Unreadable(entry.id, "truncated: by an earlier rule") for entry in shard.entries]
        ledger.write_scores(Path("again/scores") / f"{shard.name}.parquet", rows, ledger.fingerprint(shard, settings))
    code, out, _ = call(*arguments)
    assert (code, json.loads(out)["outputs"][0]["excluded_by"]) == (0, {"provenance": 2})


def test_stealth_alpha_is_read_on_request_and_scored_anew(pool):
    text = b"stealth_pnginfo" + (8 * len(PARAMETERS)).to_bytes(4, "big") + PARAMETERS.encode()
    alpha = np.full(300 * 300, 254, np.uint8)
    alpha[: 8 * len(text)] |= np.unpackbits(np.frombuffer(text, np.uint8))
    Path("hidden").mkdir()
    by_columns = alpha.reshape(300, 300).T
    Image.fromarray(np.dstack([data.chelsea()[:300, :300], by_columns])).save("hidden/nai.png")
    arguments = ("filter", "hidden", "found", "--detect", "public,provenance", "--workers", 1)
    assert call(*arguments)[0] == 0
    assert [path.name for path in Path("found/kept").iterdir()] == ["nai.png"]
    code, out, _ = call(*arguments, "--stealth-alpha", "--format", "json")
    assert (code, json.loads(out)["outputs"][0]["excluded_by"]) == (0, {"provenance": 1})
    (line,) = map(json.loads, Path("found/excluded.jsonl").read_text().splitlines())
    assert line["finding"]["where"] == "alpha, lowest bits"
    assert call("filter", "hidden", "said-only", "--detect", "provenance", "--stealth-alpha")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "takes --key"),
        (("--detect", "own,sdxl"), "takes --key"),
        (("--detect", "sdxl,dalle"), "'dalle': choose from own, sdxl, flux"),
        (("--detect", ""), "choose from"),
        (("--detect", "public", "--max-p", "nan"), "--max-p nan is out of range"),
    ],
)
def test_what_cannot_be_looked_for_is_said_in_one_line(pool, arguments, says):
    code, out, err = call("detect", "pool", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_the_gate_closes_for_statements_too(pool):
    arguments = ("detect", "pool/said.png", "--detect", "provenance", "--fail-on-found")
    assert call(*arguments)[0] == 1
    assert call("detect", "pool/real.jpg", *arguments[2:])[0] == 0
