"""README runs: its commands and its Python, in the order given, on pictures in an otherwise empty folder."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hygiene.codecs import Spread
from hygiene.keys import load_key

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONSOLE = "\n".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL))
COMMANDS = re.findall(r"^\$ (.+)\n((?:(?!\$).+\n)*)", CONSOLE, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(command, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("newcomer")
    for name, pictures in (("generated", ("astronaut", "coffee", "chelsea")), ("pool", ("rocket", "camera", "coins"))):
        (folder / name).mkdir()
        for picture in pictures:
            Image.fromarray(getattr(data, picture)()).save(folder / name / f"{picture}.jpg", quality=92)
    return folder


def add_what_the_text_presumes(folder):
    """Tagged pictures in the pool, two shards, of it and of tagged ones, and 30 processed ones to calibrate on."""
    (folder / "crawl").mkdir()
    for number, name in enumerate(("pool", "tagged")):
        with tarfile.open(folder / f"crawl/{number:05d}.tar", "w") as tar:
            for path in sorted((folder / name).glob("*.jpg")):
                tar.add(path, path.name)
    for path in (folder / "tagged").glob("*.jpg"):
        shutil.copy(path, folder / "pool")
    photo = np.asarray(Image.fromarray(data.astronaut()).convert("L"))
    crops = np.stack([photo[y : y + 128, x : x + 128] for y in range(0, 360, 80) for x in range(0, 384, 76)][:30])
    (folder / "processed").mkdir()
    for number, crop in enumerate(Spread().embed(crops, load_key(folder / "my.key"))):
        Image.fromarray(crop).save(folder / "processed" / f"{number}.jpg", quality=95)


def test_the_console_sessions_do_what_they_show(folder):
    assert len(COMMANDS) >= 8
    for command, shown in COMMANDS:
        result = run(command, folder)
        if shown:
            assert (result.stdout + result.stderr).strip() == shown.strip()
        else:
            assert result.returncode == 0, f"{command}\n{result.stderr}"
        if command.startswith("hygiene tag generated tagged"):
            add_what_the_text_presumes(folder)
    assert {path.name for path in (folder / "clean" / "kept").iterdir()} == {"rocket.jpg", "camera.jpg", "coins.jpg"}
    assert len(list((folder / "clean" / "excluded").glob("*.jpg"))) == 3
    assert names_in(folder / "clean_shards") == {
        "kept/00000.tar": ["camera.jpg", "coins.jpg", "rocket.jpg"],
        "kept/00001.tar": [],
        "excluded/00001.tar": ["astronaut.jpg", "chelsea.jpg", "coffee.jpg"],
    }
    assert {path.name for path in (folder / "levels").iterdir()} >= {"recall-0.5", "recall-0.9"}


def names_in(root):
    found = {}
    for path in root.rglob("*.tar"):
        with tarfile.open(path) as tar:
            found[path.relative_to(root).as_posix()] = tar.getnames()
    return found


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_the_python_runs(folder, code):
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_the_two_commands_stand_first_and_their_extras_exist():
    first = README.split("```")[1].strip().splitlines()
    assert [line.split("#")[0].strip() for line in first] == [
        "pip install -c constraints.txt '.[evaluate]' && hygiene demo --out demo",
        "pip install -c constraints.txt '.[test]' && pytest",
    ]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"evaluate", "test"} <= set(extras)
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert "torch==2.13.0" in pinned


def test_links_point_to_files_that_exist():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
