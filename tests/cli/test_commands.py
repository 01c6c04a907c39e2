"""Every command as a user types it: in its own process where streams and exit codes matter."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps
from skimage import data

from cli.main import COMMANDS, main
from hygiene.policies import Calibration

OWN = ["keygen", "register", "tag", "detect", "calibrate", "filter", "doctor"]
ROOT = Path(__file__).parents[2]


def call(*arguments, folder=None):
    """Run `hygiene` in this process; (exit code, stdout, stderr)."""
    before = os.getcwd()
    os.chdir(folder or before)
    try:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    finally:
        os.chdir(before)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def save_crops(folder, count, offset=0, size=64):
    folder.mkdir(parents=True)
    photograph = data.astronaut()
    for i in range(count):
        y, x = divmod(37 * (i + offset), 400)
        Image.fromarray(photograph[y : y + size, x : x + size]).save(folder / f"{i:03d}.png")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """my.key, generated/ (30 pictures), and tagged/, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("shop")
    save_crops(folder / "generated", 30)
    assert call("keygen", "my.key", folder=folder)[0] == 0
    code, out, err = call("tag", "generated", "tagged", "--key", "my.key", "--workers", 1, folder=folder)
    assert (code, err) == (0, "")
    assert re.search(r"^tagged +30$", out, re.M)
    save_crops(folder / "real", 30, offset=100)
    pool = folder / "pool"
    pool.mkdir()
    for part in ("tagged", "real"):
        for path in (folder / part).glob("*.png"):
            (pool / f"{part}-{path.name}").write_bytes(path.read_bytes())
    return folder


def test_help_is_light_and_complete():
    modules = ["numpy", "scipy", "torch", "sklearn", "PIL", "pyarrow", "rich", "matplotlib", "evaluator"]
    code = "import sys; from cli.main import main; main(['--help'], standalone_mode=False);"
    code += f" print([name for name in {modules} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", ran.stdout, re.M)


@pytest.mark.parametrize("name", OWN)
def test_every_command_has_help_with_an_example_that_parses(name, shop):
    code, out, _ = call(name, "--help")
    assert code == 0
    examples = re.findall(r"^ +(hygiene .*)$", out.split("Example:")[1].split("Options:")[0], re.M)
    assert any(line.startswith(f"hygiene {name}") for line in examples)
    for line in examples:
        _, command, *arguments = re.sub(r" > .*", "", line).split()
        context = main.get_command(None, command).make_context(command, arguments)  # raises on an unknown option
        assert context.params


def test_keygen_makes_a_private_file_and_never_shows_the_key(tmp_path):
    code, out, err = call("keygen", "k", folder=tmp_path)
    secret = (tmp_path / "k").read_text().strip()
    assert (code, out) == (0, "")
    assert len(secret) == 64
    assert secret not in err
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    code, _, err = call("keygen", "k", folder=tmp_path)
    assert (code, (tmp_path / "k").read_text().strip()) == (2, secret)
    assert "never overwritten" in err


def test_detect_prints_a_json_line_per_picture_and_a_summary_for_people(shop):
    code, out, err = call("detect", "tagged", "--key", "my.key", "--workers", 1, folder=shop)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(rows) == 30
    assert all(row["found"] and row["log10_p"] <= -9 and row["detector"].startswith("spread:") for row in rows)
    assert err == "mark found at p ≤ 1e-09: 30 of 30, not found: 0, unreadable: 0\n"
    assert not any("/" in row["id"] for row in rows)


def test_detect_is_a_gate(shop):
    options = ("--key", "my.key", "--workers", 1, "--fail-on-found")
    code, _, err = call("detect", "tagged/000.png", *options, folder=shop)
    assert (code, "a mark was found in 1 of 1 (--fail-on-found)" in err) == (1, True)
    assert call("detect", "generated/000.png", *options, folder=shop)[0] == 0
    assert call("detect", "tagged/000.png", *options, "--max-p", "1e-300", folder=shop)[0] == 0


def test_detect_as_a_table(shop):
    code, out, _ = call("detect", "tagged/003.png", "--key", "my.key", "--format", "table", folder=shop)
    assert code == 0
    assert re.fullmatch(r"picture +log10 p +found\n003.png +-\d+\.\d +yes\n", out)


def test_generators_have_their_own_marks(shop, tmp_path):
    out = tmp_path / "out"
    key = ("--key", shop / "my.key", "--workers", 1)
    assert call("tag", shop / "generated", out, *key, "--generator", "alpha")[0] == 0
    found = {}
    for names in ((), ("alpha",), ("beta",), ("beta", "alpha")):
        asked = [part for name in names for part in ("--generator", name)]
        rows = [json.loads(line) for line in call("detect", out / "000.png", *key, *asked)[1].splitlines()]
        found[names] = (rows[0]["found"], rows[0].get("generator"))
    assert found[()] == (False, None)
    assert found["alpha",] == found["beta", "alpha"] == (True, "alpha")
    assert found["beta",][0] is False
    for command in (("tag", shop / "generated", tmp_path / "none"), ("detect", out)):
        code, _, err = call(*command, *key, "--generator", "")
        assert (code, "name is empty" in err) == (2, True)


def test_calibrate_and_filter_by_recall(shop, tmp_path):
    key = ("--key", shop / "my.key", "--workers", 1)
    calibration = tmp_path / "calibration.json"
    code, out, _ = call(
        "calibrate", shop / "tagged", calibration, *key, "--untagged", shop / "real", "--format", "json"
    )
    assert code == 0
    assert (json.loads(out)["tagged"], json.loads(out)["untagged"]) == (30, 30)
    levels = ("--recall", "0.5", "--recall", "0.9", "--calibration", calibration, "--format", "json")
    code, out, err = call("filter", shop / "pool", tmp_path / "out", *key, *levels)
    assert (code, err) == (0, "")
    manifest = json.loads(out)
    assert manifest == json.loads((tmp_path / "out/manifest.json").read_text())
    half, most = manifest["outputs"]
    assert (half["folder"], most["folder"]) == ("recall-0.5", "recall-0.9")
    assert 15 <= half["excluded"] < most["excluded"] == 30
    assert len(list((tmp_path / "out/recall-0.9/kept").iterdir())) == most["kept"] == 30
    single = call("filter", shop / "pool", tmp_path / "one", *key, "--recall", ".9", "--calibration", calibration)
    assert single[0] == 0
    assert (tmp_path / "one/kept").is_dir()
    assert re.search(r"one +-\d+\.\d\d +\d\.\de-\d+ +60 +30 +30 +0$", single[1], re.M)
    assert most["policy"]["nominal_fpr"] == pytest.approx(10 ** most["max_log10_p"])


def test_shares_given_back_are_outputs_of_their_own(shop, tmp_path):
    key = ("--key", shop / "my.key", "--workers", 1)
    code, out, err = call("filter", shop / "pool", tmp_path / "out", *key, "--give-back", ".5", "--give-back", ".9")
    assert (code, err) == (0, "")
    assert "seen  kept  given back  excluded" in out
    half, most = json.loads((tmp_path / "out/manifest.json").read_text())["outputs"]
    assert (half["folder"], most["folder"]) == ("give-back-0.5", "give-back-0.9")
    assert 0 < half["given_back"] < most["given_back"] == most["kept"] - 30
    assert half["kept"] + half["excluded"] == 60
    one = call("filter", shop / "pool", tmp_path / "one", *key, "--give-back", ".5")
    assert one[0] == 0
    assert (tmp_path / "one/kept").is_dir()
    calibration = tmp_path / "c.json"
    assert call("calibrate", shop / "tagged", calibration, *key)[0] == 0
    levels = ("--recall", ".5", "--recall", ".9", "--calibration", calibration, "--give-back", ".5")
    code, out, _ = call("filter", shop / "pool", tmp_path / "levels", *key, *levels, "--lists-only")
    assert code == 0
    assert {path.name for path in (tmp_path / "levels").iterdir()} >= {"recall-0.5", "recall-0.9"}
    both = (*levels, "--give-back", ".1")
    code, out, _ = call("filter", shop / "pool", tmp_path / "both", *key, *both, "--format", "json", "--lists-only")
    folders = [entry["folder"] for entry in json.loads(out)["outputs"]]
    assert (code, folders[0], folders[-1]) == (0, "recall-0.5-give-back-0.5", "recall-0.9-give-back-0.1")


def test_a_recall_that_costs_many_untagged_pictures_is_warned_about(shop, tmp_path):
    key = ("--key", shop / "my.key", "--workers", 1)
    calibration, found = tmp_path / "c.json", call("detect", shop / "tagged", "--key", shop / "my.key")[1]
    detector = json.loads(found.splitlines()[0])["detector"]
    Path(calibration).write_text(Calibration(detector, (-30.0,) * 70 + (-1.0,) * 30).to_json())
    asked = ("--recall", ".5", "--recall", ".9", "--calibration", calibration)
    code, out, err = call("filter", shop / "pool", tmp_path / "out", *key, *asked, "--lists-only")
    assert code == 0
    assert re.search(r"recall-0\.5 +-30\.00 +1\.0e-30 ", out)
    assert err.count("\n") == 1
    assert "recall 0.9 takes a threshold that excludes up to 10.0% of the untagged" in err


def test_calibrate_overwrites_calibrations_only(shop, tmp_path):
    key = ("--key", shop / "my.key", "--workers", 1)
    (tmp_path / "thesis.json").write_text('{"mine": 1}')
    code, _, err = call("calibrate", shop / "tagged", tmp_path / "thesis.json", *key)
    assert (code, "not a calibration" in err) == (2, True)
    assert (tmp_path / "thesis.json").read_text() == '{"mine": 1}'
    for _ in range(2):
        assert call("calibrate", shop / "tagged", tmp_path / "calibration.json", *key)[0] == 0


def test_calibrate_refuses_a_folder_it_cannot_write_to_before_it_scores(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    monkeypatch.setattr("hygiene.pipeline.calibrate", lambda *_, **__: pytest.fail("scored"))
    code, _, err = call("calibrate", shop / "tagged", tmp_path / "c.json", "--key", shop / "my.key")
    assert (code, "c.json: expected the name of a file in a folder that can be written to" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--max-p", "1e-6", "--fdr", "0.1"], "--fdr and --max-p are different policies"),
        (["--fpr", "0.1", "--recall", "0.9", "--calibration", "c"], "--fpr and --recall are different policies"),
        (["--give-back", "0.5", "--give-back", ".50"], "--give-back was given the same share twice"),
        (["--recall", "0.9"], "--recall takes --calibration"),
        (["--fpr", "0.9"], "--fpr takes --calibration"),
        (["--calibration", "c"], "--calibration is for --recall and --fpr"),
        (["--recall", ".9", "--recall", "0.9", "--calibration", "c"], "same level twice"),
        (["--recall", "0.9", "--calibration", "nowhere.json"], "no calibration file nowhere.json"),
        (["--recall", "0.9", "--calibration", "my.key"], "not a calibration"),
        (["--recall", "0.9", "--calibration", "tagged/000.png"], "tagged/000.png is not a calibration"),
    ],
)
def test_conflicting_policies_are_refused(shop, tmp_path, options, line):
    code, out, err = call("filter", "pool", tmp_path / "out", "--key", "my.key", *options, folder=shop)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_recall_and_a_limit_on_p_that_contradict_are_refused_with_numbers(shop, tmp_path):
    key = ("--key", shop / "my.key", "--workers", 1)
    calibration = tmp_path / "c.json"
    call("calibrate", shop / "tagged", calibration, *key)
    asked = ("--recall", ".9", "--calibration", calibration)
    code, _, err = call("filter", shop / "pool", tmp_path / "a", *key, *asked, "--max-p", "1e-300")
    assert (code, "promises recall" in err) == (2, True)
    assert call("filter", shop / "pool", tmp_path / "b", *key, *asked, "--max-p", "1e-6")[0] == 0


def test_files_that_are_passed_over_are_counted_aloud(shop, tmp_path):
    save_crops(tmp_path / "in", 1)
    (tmp_path / "in/metadata.csv").write_text("file_name")
    for command in ("tag", "filter"):
        _, _, err = call(command, tmp_path / "in", tmp_path / command, "--key", shop / "my.key")
        assert err == "passed over, being neither pictures nor sidecars of pictures: 1\n"


@pytest.mark.parametrize(("allowed", "code"), [("1", 3), ("2", 0), ("1%", 3), ("50%", 0), ("0.1", 3)])
def test_too_many_unreadable_is_exit_code_3_with_the_work_done(shop, tmp_path, allowed, code):
    pool = tmp_path / "pool"
    save_crops(pool, 4)
    for name in ("empty.png", "also.png"):
        (pool / name).write_bytes(b"")
    common = ("--key", shop / "my.key", "--workers", 1, "--max-unreadable", allowed)
    assert call("filter", pool, tmp_path / "out", *common)[0] == code
    assert json.loads((tmp_path / "out/manifest.json").read_text())["complete"] is True
    assert call("tag", pool, tmp_path / "tagged", *common)[0] == code
    assert call("detect", pool, *common)[0] == code
    if code:
        assert "unreadable: 2 of 6 pictures, --max-unreadable allows" in call("detect", pool, *common)[2]


def test_bad_numbers_are_usage_errors(shop):
    for bad in ("many", "-1", "1.5", "150%", "nan"):
        code, _, err = call("detect", "real", "--key", "my.key", "--max-unreadable", bad, folder=shop)
        assert (code, "neither a count" in err) == (2, True), bad
    code, _, err = call("filter", "pool", "out", "--key", "my.key", "--recall", "90%", folder=shop)
    assert (code, "'90%' is not a valid number" in err) == (2, True)


def test_doctor_tags_a_picture_and_finds_it():
    code, out, _ = call("doctor", "--format", "json")
    report = json.loads(out)
    checks = {(check["area"], check["name"]): check for check in report["checks"]}
    assert (code, report["ok"]) == (0, True)
    assert checks["self-check", "tag and detect"]["status"] == "ok"
    assert checks["self-check", "declare and read"]["status"] == "ok"
    assert {name for area, name in checks if area == "codec"} == {"png", "jpeg", "webp"}
    assert ("device", "cuda (torch)") in checks
    assert call("doctor")[0] == 0


def test_doctor_reports_what_is_broken(monkeypatch):
    monkeypatch.setattr("hygiene.codecs.spread.Spread.embed", lambda self, batch, key: batch)
    code, out, err = call("doctor", "--format", "json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert err == "hygiene: failed: tag and detect\n"


def start(*arguments, folder, stdout=subprocess.PIPE, **options):
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, **options
    )


def test_ctrl_c_ends_with_one_line_and_the_same_command_continues(shop, tmp_path):
    save_crops(tmp_path / "in", 200, size=100)
    command = ("tag", tmp_path / "in", tmp_path / "out", "--key", shop / "my.key", "--workers", "2")
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # else deaf to it in a background job
    process = start(*command, folder=tmp_path, start_new_session=True, preexec_fn=heard)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out/.hygiene").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGSTOP)  # or it may be done before anyone has looked
    code, _, refused = call(*command)
    assert (code, "another run is writing to" in refused) == (2, True)
    os.killpg(process.pid, signal.SIGINT)  # the whole group, as a terminal does
    os.killpg(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "hygiene: stopped; finished work is stored, the same command continues it\n"
    assert json.loads((tmp_path / "out/manifest.json").read_text())["complete"] is False
    code, out, _ = call(*command)
    assert code == 0
    assert json.loads((tmp_path / "out/manifest.json").read_text())["tagged"] == 200
    assert len(list((tmp_path / "out").glob("*.png"))) == 200


@pytest.mark.parametrize(
    ("command", "promise"),
    [("filter in out", "; finished work is stored, the same command continues it"), ("detect in", "")],
)
def test_only_commands_that_store_their_work_say_so_when_stopped(monkeypatch, command, promise):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.get_command(None, command.split()[0]), "invoke", stop)
    assert call(*command.split()) == (130, "", f"hygiene: stopped{promise}\n")


def test_a_reader_that_has_had_enough_is_no_error(shop):
    process = start("detect", "pool", "--key", "my.key", "--workers", "1", folder=shop)
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(timeout=60)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_one_line_that_says_what_to_do(shop):
    with open("/dev/full", "w") as full:
        process = start("detect", "tagged/000.png", "--key", "my.key", folder=shop, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "hygiene: No space left on device: make room and run the same command again\n"


def test_a_table_shows_names_that_no_terminal_should_see_as_escapes(shop, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("new\nline.png", "red\x1b[31m.png", "bytes\udcff.png", "日本.png"):
        (tmp_path / "in" / name).write_bytes(b"")
    _, out, _ = call("detect", tmp_path / "in", "--key", shop / "my.key", "--format", "table")
    names = [line.split("  ")[0] for line in out.splitlines()[1:]]
    assert names == ["bytes\\udcff.png", "new\\nline.png", "red\\x1b[31m.png", "日本.png"]


def test_unknown_commands_are_usage_errors():
    code, _, err = call("purify")
    assert (code, "No such command" in err) == (2, True)


def test_mirrored_pictures_are_found_by_the_deep_search_and_filtered_by_it(shop, tmp_path):
    for path in (shop / "tagged").glob("*.png"):
        ImageOps.mirror(Image.open(path)).save(tmp_path / path.name)
    found = {}
    for search in ("fast", "deep", "auto"):
        code, out, err = call("detect", tmp_path, "--key", shop / "my.key", "--search", search, "--workers", 1)
        lines = [json.loads(line) for line in out.splitlines()]
        found[search] = sum(line["found"] for line in lines)
        assert code == 0
    assert found["fast"] == 0
    assert found["deep"] >= 25
    assert found["auto"] >= found["deep"] - 1
    assert re.search(r"decided by search: deep \d+", err)
    assert any(line.get("search") == "deep: mirrored" for line in lines)
    options = ("--key", shop / "my.key", "--search", "deep", "--max-p", 1e-9, "--workers", 1, "--format", "json")
    code, out, _ = call("filter", tmp_path, tmp_path.parent / "split", *options)
    assert json.loads(out)["outputs"][0]["excluded"] == found["deep"]
