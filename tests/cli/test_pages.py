"""The guides run: each block of Python by itself, and the commands on payloads in the order given."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from cli.main import main
from hygiene.codecs import DwtDct
from hygiene.detectors import MARKS

PAGES = Path(__file__).parents[2] / "docs"
NAMES = ("public_marks", "provenance", "compatible")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / f"{page}.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A picture that SDXL's mark was put into as diffusers does: on floats."""
    bits = [int(bit) for bit in MARKS["sdxl"].bits]
    marked = DwtDct(len(bits)).embed_payload(data.astronaut()[None] / np.float32(255), bits)
    Image.fromarray(np.rint(np.clip(marked[0], 0, 1) * 255).astype(np.uint8)).save(tmp_path / "picture.png")
    (tmp_path / "generated").mkdir()
    Image.fromarray(data.coffee()).save(tmp_path / "generated" / "coffee.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("page", "number"), [(page, i) for page in NAMES for i in range(len(blocks(page, "python")))])
def test_the_python_of_a_page_runs(folder, capsys, page, number):
    code = blocks(page, "python")[number]
    exec(compile(code, f"{page}.md", "exec"), {})
    for shown in re.findall(r"^print\(.*\)  # (-[\d.]+ \{.*\})$", code, re.MULTILINE):
        log10_p, _, finding = capsys.readouterr().out.strip().partition(" ")
        assert f"{float(log10_p):.1f} {finding}" == shown


def test_the_commands_on_payloads_name_the_generator(folder):
    commands = ["hygiene keygen my.key", *blocks("payload", "")[0].splitlines()]
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
    assert '"name": "painter", "generation": 3' in result.stdout
