"""The notes that image generators leave beside their pictures, in PNG text, EXIF or alpha.

Keywords such as `prompt` and `parameters` are anybody's: only a text of the generator's own shape counts.
Each finder takes (text, where) and gives a Declaration or None.

Sources: AUTOMATIC1111 stable-diffusion-webui `processing.create_infotext`; ComfyUI `nodes.SaveImage` (PNG) and
`SaveAnimatedWEBP` (EXIF); InvokeAI `invokeai_metadata` (3.x on), `sd-metadata` (2.x) and `Dream` (1.x, 2.x);
NovelAI's PNG text; EXIF of Black Forest Labs' flux `util.save_image`.
"""

import re

from hygiene.provenance.bounded import load_object
from hygiene.provenance.declaration import Declaration

_INFOTEXT = re.compile(r"^Steps: \d{1,9}, [^\n]{0,200}?\b(?:Sampler|Seed|CFG scale): [^\n]{0,500}", re.MULTILINE)
_DREAM = re.compile(r"\s-[sS]\s?\d+")


def _generated(source: str, detail: str, where: str) -> Declaration:
    return Declaration("generated", source, detail, where, generative=True)


def automatic1111(text: str, where: str) -> Declaration | None:
    """The line of settings after the prompt, of AUTOMATIC1111, Forge and all who write their format."""
    line = _INFOTEXT.search(text)
    return _generated("Automatic1111", line[0], where) if line else None


def comfyui_prompt(text: str, where: str) -> Declaration | None:
    """The graph that was run: node id → {"class_type": …}."""
    nodes = load_object(text).values()
    count = sum(isinstance(node, dict) and isinstance(node.get("class_type"), str) for node in nodes)
    return _generated("ComfyUI", f"prompt: a graph of {count} nodes", where) if count else None


def comfyui_workflow(text: str, where: str) -> Declaration | None:
    """The graph as the editor shows it: {"nodes": [{"type": …}, …], …}."""
    nodes = load_object(text).get("nodes")
    if not isinstance(nodes, list):
        return None
    count = sum(isinstance(node, dict) and isinstance(node.get("type"), str) for node in nodes)
    return _generated("ComfyUI", f"workflow: {count} nodes", where) if count else None


def comfyui_exif(text: str, where: str) -> Declaration | None:
    """An EXIF string such as prompt:{…} or workflow:{…}."""
    name, _, graph = text.partition(":")
    finder = {"prompt": comfyui_prompt, "workflow": comfyui_workflow}.get(name.strip().lower())
    return finder(graph, where) if finder else None


def invokeai_metadata(text: str, where: str) -> Declaration | None:
    metadata = load_object(text)
    if not metadata.keys() & {"app_version", "generation_mode", "positive_prompt", "model"}:
        return None
    known = [f"{name} {metadata[name]}" for name in ("app_version", "generation_mode") if name in metadata]
    return _generated("InvokeAI", ", ".join(known) or "metadata", where)


def invokeai_sd_metadata(text: str, where: str) -> Declaration | None:
    metadata = load_object(text)
    if not str(metadata.get("app_id", "")).startswith("invoke-ai/"):
        return None
    return _generated("InvokeAI", f"{metadata['app_id']} {metadata.get('app_version', '')}", where)


def invokeai_dream(text: str, where: str) -> Declaration | None:
    """A command line: "the prompt" -s 50 -S 42 -W 512 …, steps and seed at least."""
    options = {match[0].split("-")[1][0] for match in _DREAM.finditer(text)}
    return _generated("InvokeAI", "a Dream command", where) if options == {"s", "S"} else None


def software(text: str, where: str) -> Declaration | None:
    """The `Software` of NovelAI, and of FLUX's "AI generated;txt2img;flux"."""
    name = text.strip()
    if name == "NovelAI":
        return _generated("NovelAI", "Software NovelAI", where)
    if name.startswith("AI generated"):
        return _generated("FLUX" if "flux" in name.lower() else "EXIF", f"Software {name}", where)
    return None


def make(text: str, where: str) -> Declaration | None:
    """The `Make` of FLUX."""
    name = text.strip()
    return _generated("FLUX", f"Make {name}", where) if name.startswith("Black Forest Labs") else None
