"""What holds the house together: who may import whom, and what the command line loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cli
import evaluator
import hygiene

PACKAGES = {package.__name__: Path(package.__file__).parent for package in (hygiene, evaluator, cli)}
MAY_IMPORT = {"hygiene": set(), "evaluator": {"hygiene"}, "cli": {"hygiene", "evaluator"}}
ROOMS = [
    {"errors", "__init__"},
    {"chroma", "files", "images", "keys", "payloads", "png", "records", "registry", "statistics"},
    {"codecs", "looks", "provenance"},
    {"detectors"},
    {"policies"},
    {"filtering"},
    {"datasets"},
    {"ledger"},
    {"outputs", "scoring", "splitting", "tagging"},
    {"engines"},
    {"pipeline", "doctor"},
]
MODULES = [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize(("package", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_imports_go_one_way(package, path):
    ours = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
    assert ours <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize(("package", "path"), MODULES, ids=lambda value: getattr(value, "name", value))
def test_click_is_the_command_lines_own_business(package, path):
    if package != "cli":
        assert not {"click", "rich"} & {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", sorted(PACKAGES["hygiene"].rglob("*.py")), ids=lambda path: path.name)
def test_the_rooms_of_hygiene_are_in_order(path):
    def level(room):
        return next(i for i, rooms in enumerate(ROOMS) if room in rooms)

    own = path.relative_to(PACKAGES["hygiene"]).parts[0].removesuffix(".py")
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "hygiene" and len(parts) > 1 and own != "__init__":
            assert level(parts[1]) <= level(own), f"{own} imports {name}"


def loaded_after(*arguments):
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['hygiene', *{list(arguments)!r}]\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout, set(result.stdout.split("LOADED")[1].split())


def test_help_is_quick_to_load():
    text, loaded = loaded_after("--help")
    assert "keygen" in text
    assert not loaded & {"torch", "sklearn", "scipy", "matplotlib", "numpy"}


@pytest.mark.parametrize(
    "command", ["keygen", "tag", "detect", "calibrate", "filter", "evaluate", "sweep", "experiment", "demo", "doctor"]
)
def test_every_command_has_help_with_an_example(command):
    text, loaded = loaded_after(command, "--help")
    assert f"hygiene {command} " in text.split("Options:")[0].split("Usage:", 1)[1].replace("\n", " ", 1)
    assert "Example" in text
    assert not loaded & {"torch", "sklearn"}
