"""What a run depends on beside its configuration, by digest, so that it goes on with the same or not at all.

features.json   the feature map's name, and the digest of its weights
generator.json  digests of the files that the generator is made of: a callable's module, a pipeline's parts, its prompts
data.json       the digest of the real rows, where they came out of files
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from evaluator.config import LoopConfig
from evaluator.features import described
from evaluator.models.base import ReadsFiles
from evaluator.run_state import as_json, write_whole
from evaluator.setup import Setup
from evaluator.warm_start import new_model
from hygiene.errors import ConfigurationError

FEATURES, GENERATOR, DATA = "features.json", "generator.json", "data.json"

Digests = Mapping[str, str | None]


def check_generator(folder: Path, config: LoopConfig) -> None:
    """Refuse a run whose generations were made by another generator than is there now."""
    stored, here = _stored(folder / GENERATOR), _generator(config)
    if stored is None or stored == here:
        return
    changed = [name for name in sorted({*stored, *here}) if stored.get(name) != here.get(name)]
    raise ConfigurationError(
        f"{folder} was made with another generator: {', '.join(changed[:3])} changed since: put back what it was, or "
        "choose a new folder"
    )


def claim_generator(folder: Path, config: LoopConfig, begun: bool) -> None:
    """Store what the generator is made of, if it is of files; refuse to go on with another one."""
    if begun:
        check_generator(folder, config)
    _store(folder / GENERATOR, _generator(config))


def claim_ground(folder: Path, setup: Setup, begun: bool) -> None:
    """Store what the metrics look through, and what is learned from; refuse to go on with others."""
    features = described(setup.features)
    data = {} if setup.rows_digest is None else {"rows": setup.rows_digest}
    stored = stored_features(folder)
    if begun and stored and stored != features:
        raise ConfigurationError(
            f"{folder} was measured with the features {stored['name']!r}, weights {stored['weights_digest']}, which "
            f"are {features['weights_digest']} here: go on where they are the same, or choose a new folder"
        )
    if begun and (_stored(folder / DATA) or data) != data:
        raise ConfigurationError(
            f"{folder} was made with other real data than its source holds now: put back what it was, or choose a new "
            "folder"
        )
    write_whole(folder / FEATURES, as_json(features))
    _store(folder / DATA, data)


def stored_features(folder: Path) -> dict[str, str | None]:
    """What features.json holds; nothing where there is none yet, or a damaged one."""
    found = _stored(folder / FEATURES)
    return found if found is not None and set(found) == {"name", "weights_digest"} else {}


def _store(path: Path, digests: Digests) -> None:
    """Write the file; where there is nothing to write, take away that of a run that never came to a generation."""
    if digests:
        write_whole(path, as_json(digests))
    else:
        path.unlink(missing_ok=True)


def _stored(path: Path) -> dict[str, Any] | None:
    """What one of the files holds; None where there is none (as in folders of earlier versions), or a damaged one."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _generator(config: LoopConfig) -> Digests:
    """Digests of the files that the generator is made of, by what its user calls them."""
    model = new_model(config, 1)
    return {name: _digest_of(path) for name, path in model.files().items()} if isinstance(model, ReadsFiles) else {}


def _digest_of(path: Path) -> str:
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1000)
def _digest(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, hexadecimal; once per process while its size and time stay, as a sweep asks for every run."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
