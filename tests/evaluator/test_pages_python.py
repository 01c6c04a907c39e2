"""The Python of docs/models.md and docs/metrics.md runs as it stands, but for the number of training steps."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def ran(page: str, **shorter: str) -> dict[str, object]:
    """What the page's one block of Python leaves, with texts in it replaced."""
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    for long, short in shorter.items():
        assert long in block
        block = block.replace(long, short)
    found: dict[str, object] = {}
    exec(block, found)
    return found


def test_a_network_is_handed_over(capsys):
    found = ran("metrics.md")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert found["setup"].features.name == "my network 1.2"


def test_many_seeds_learn_at_once():
    found = ran("models.md", width="steps=3, width")
    assert len(found["models"]) == 16
    assert {model.sample(2, 1.0, found["np"].random.default_rng(0)).shape for model in found["models"]} == {(2, 64)}
