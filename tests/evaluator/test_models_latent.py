"""Pretrained pipelines of latents, of prompts and of classes: compared with diffusers' own, and trained further."""

import json
import shutil
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from evaluator.config import Choice, LoopConfig
from evaluator.models.base import SamplesInto, Trainable
from evaluator.models.conditions import Conditions
from evaluator.models.labels import parted, with_labels
from evaluator.models.pipeline import Pipeline
from evaluator.models.prompts import conditions
from evaluator.row_parts import RowParts
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]

SIDE, COLOURS, STEPS = 8, 3, 5
PROMPTS = ["a cat", "dog 7", "xyz"]
COLOUR = np.array([[0.9, 0.1, 0.1], [0.1, 0.2, 0.9], [0.2, 0.8, 0.3]])  # of each class


def rows(n: int, seed: int = 0) -> Floats:
    """Pictures of one colour each, that of their class, half of them of class 0, a third of class 1; with labels."""
    rng = np.random.default_rng([73, seed])
    labels = np.arange(n) % 6 // 3 + (np.arange(n) % 6 == 5)
    pixels = rng.normal(COLOUR[labels], 0.03)[:, None].repeat(SIDE**2, axis=1)
    return with_labels(pixels.reshape(n, -1), labels)


def told(folder: Path) -> dict[str, Any]:
    """What a pipeline of classes needs to be told of three."""
    kind = json.loads((folder / "model_index.json").read_text())["_class_name"]
    prompts: dict[str, Any] = {"prompts": PROMPTS} if kind.startswith(("StableDiffusion", "Flux", "PixArt")) else {}
    if kind == "FluxPipeline":  # whose folder says no size
        prompts["size"] = SIDE
    return {} if kind == "LDMPipeline" else {"labels": 3, **prompts}


def made(folder: Path, **parameters: Any) -> Pipeline:
    return Pipeline(str(folder), **{"steps": STEPS, **told(folder), **parameters})


def fitted(folder: Path, seed: int = 1, start: Any = None, data: Any = None, **parameters: Any) -> Pipeline:
    model = made(folder, **parameters)
    data = rows(36) if data is None else data
    model.fit(data if model.labels else data[:, :-1], np.random.default_rng(seed), start)
    return model


def drawn(model: Pipeline, n: int = 6, bias: float = 1.0, seed: int = 2) -> Floats:
    return model.sample(n, bias, np.random.default_rng(seed))


def noise_of(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**63)))


def theirs(folder: Path, kind: str, **options: Any) -> Any:
    pipeline = getattr(diffusers, kind).from_pretrained(folder, **options)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    return pipeline


@pytest.fixture(
    params=["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "flux", "pixart", "dit", "ldm"]
)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "pixart", "dit"])
def of_classes(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


class TestAsDiffusersOwn:
    """Frozen samples, of the same noise, to 1e-5: before diffusers clips them to 0..1, and after."""

    def compare(self, found: Floats, expected: NDArray[Any], clipped: bool = False) -> None:
        assert expected.std() > 0.05
        found = found.clip(0, 1) if clipped else found
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-5)

    @pytest.mark.parametrize(("scheduler", "bias"), [("DDIM", 1.0), ("PNDM", 0.2)])
    def test_stable_diffusion(self, tiny_pipelines: Any, tmp_path: Path, scheduler: str, bias: float) -> None:
        path = tiny_pipelines.stable_diffusion(tmp_path / "sd", scheduler=scheduler)
        pixels, labels = parted(drawn(fitted(path), bias=bias), 3)
        pipeline = theirs(path, "StableDiffusionPipeline")
        options: dict[str, Any] = {
            "prompt": [PROMPTS[label] for label in labels],
            "guidance_scale": 1 / bias,
            "num_inference_steps": STEPS,
        }
        self.compare(pixels, pipeline(**options, generator=noise_of(), output_type="np").images, clipped=True)
        latents = pipeline(**options, generator=noise_of(), output_type="latent").images
        with torch.no_grad():
            decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
        self.compare(pixels, decoded.permute(0, 2, 3, 1).numpy() / 2 + 0.5)
        assert pixels.max() > 1.05  # what clipping would take away

    @pytest.mark.parametrize(("zeros", "bias", "size"), [(True, 0.2, 0), (False, 0.2, 16)])
    def test_stable_diffusion_xl(
        self, tiny_pipelines: Any, tmp_path: Path, zeros: bool, bias: float, size: int
    ) -> None:
        """Before the watermark that its own pipeline adds where it can."""
        path = tiny_pipelines.stable_diffusion_xl(tmp_path / "xl", zeros)
        side = size or SIDE
        data = np.zeros((2, side**2 * COLOURS + 1))
        pixels, labels = parted(drawn(fitted(path, data=data, size=size), bias=bias), 3)
        pipeline = theirs(path, "StableDiffusionXLPipeline", add_watermarker=False)
        found = pipeline(
            [PROMPTS[label] for label in labels], height=side, width=side, guidance_scale=1 / bias,
            num_inference_steps=STEPS, generator=noise_of(), output_type="pt",
        ).images  # fmt: skip
        self.compare(pixels, found.permute(0, 2, 3, 1).numpy(), clipped=True)

    @pytest.mark.parametrize(("t5", "bias", "size"), [(True, 0.2, 16), (False, 1.0, 0)])
    def test_stable_diffusion_3(self, tiny_pipelines: Any, tmp_path: Path, t5: bool, bias: float, size: int) -> None:
        """By flow matching, with the folder's own scheduler."""
        path = tiny_pipelines.stable_diffusion_3(tmp_path / "sd3", t5)
        side = size or SIDE
        pixels, labels = parted(drawn(fitted(path, data=np.zeros((2, side**2 * COLOURS + 1)), size=size), bias=bias), 3)
        without = {} if t5 else {"text_encoder_3": None, "tokenizer_3": None}
        pipeline = diffusers.StableDiffusion3Pipeline.from_pretrained(path, **without)
        pipeline.set_progress_bar_config(disable=True)
        found = pipeline(
            [PROMPTS[label] for label in labels], height=side, width=side, guidance_scale=1 / bias,
            num_inference_steps=STEPS, generator=noise_of(), output_type="pt",
        ).images  # fmt: skip
        self.compare(pixels, found.permute(0, 2, 3, 1).numpy(), clipped=True)

    @pytest.mark.filterwarnings("ignore:.*The configuration file of this scheduler:FutureWarning")
    def test_an_old_folders_scheduler_is_put_right(self, stable_diffusion: Path, tmp_path: Path) -> None:
        path = shutil.copytree(stable_diffusion, tmp_path / "old")
        file = path / "scheduler" / "scheduler_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "clip_sample": True, "steps_offset": 0}))
        settings = diffusers.StableDiffusionPipeline.from_pretrained(path).scheduler.config
        assert (settings["clip_sample"], settings["steps_offset"]) == (False, 1)
        np.testing.assert_array_equal(drawn(fitted(path)), drawn(fitted(stable_diffusion)))

    @pytest.mark.parametrize(("learned", "bias"), [(False, 1.0), (True, 0.2)])
    def test_dit(self, tiny_pipelines: Any, tmp_path: Path, learned: bool, bias: float) -> None:
        """By number, by name as in its model_index.json, and where the folder names its class as older ones do."""
        path = tiny_pipelines.dit(tmp_path / "dit", learned)
        pixels, labels = parted(drawn(fitted(path), bias=bias), 3)
        options: dict[str, Any] = {"num_inference_steps": STEPS, "generator": noise_of(), "output_type": "np"}
        expected = theirs(path, "DiTPipeline")(labels.tolist(), guidance_scale=1 / bias, **options).images
        self.compare(pixels, expected, clipped=True)
        by_name = fitted(path, prompts=["tench", "goldfish", "great white shark"])
        np.testing.assert_array_equal(drawn(by_name, bias=bias)[:, :-1], pixels)
        for name in ("model_index.json", "transformer/config.json"):
            said = json.loads((path / name).read_text().replace("DiTTransformer2DModel", "Transformer2DModel"))
            (path / name).write_text(json.dumps({**said, **({"attention_type": "default"} if "t" in name[:1] else {})}))
        np.testing.assert_array_equal(drawn(fitted(path), bias=bias)[:, :-1], pixels)

    @pytest.mark.parametrize(("learned", "bias"), [(False, 1.0), (True, 0.2)])
    def test_pixart(self, tiny_pipelines: Any, tmp_path: Path, learned: bool, bias: float) -> None:
        """Also where the folder names its class as older ones do. Prompts are in small letters, as its own has them."""
        path = tiny_pipelines.pixart(tmp_path / "pixart", learned)
        prompts = ["A Cat", *PROMPTS[1:]]
        pixels, labels = parted(drawn(fitted(path, prompts=prompts), bias=bias), 3)
        found = theirs(path, "PixArtSigmaPipeline")(
            [prompts[label] for label in labels], height=SIDE, width=SIDE, guidance_scale=1 / bias,
            num_inference_steps=STEPS, generator=noise_of(), output_type="pt", clean_caption=False,
            use_resolution_binning=False,
        ).images  # fmt: skip
        self.compare(pixels, found.permute(0, 2, 3, 1).numpy(), clipped=True)
        for name in ("model_index.json", "transformer/config.json"):
            file = path / name
            file.write_text(file.read_text().replace("PixArtTransformer2DModel", "Transformer2DModel"))
        np.testing.assert_array_equal(drawn(fitted(path), bias=bias)[:, :-1], pixels)

    def test_latent_diffusion_without_classes(self, ldm: Path) -> None:
        options: dict[str, Any] = {"num_inference_steps": STEPS, "generator": noise_of(), "output_type": "np"}
        expected = theirs(ldm, "LDMPipeline")(batch_size=6, **options).images
        self.compare(drawn(fitted(ldm)), expected, clipped=True)

    def test_pictures_of_another_size(self, stable_diffusion: Path) -> None:
        data = np.zeros((2, 16 * 16 * COLOURS + 1))
        pixels, labels = parted(drawn(fitted(stable_diffusion, data=data, size=16), n=2), 3)
        options: dict[str, Any] = {"num_inference_steps": STEPS, "generator": noise_of(), "output_type": "np"}
        prompts = [PROMPTS[label] for label in labels]
        pipeline = theirs(stable_diffusion, "StableDiffusionPipeline")
        expected = pipeline(prompts, guidance_scale=1.0, height=16, width=16, **options).images
        assert expected.shape == (2, 16, 16, COLOURS)
        self.compare(pixels, expected, clipped=True)

    def test_parts_saved_under_their_older_names(self, stable_diffusion: Path, tmp_path: Path) -> None:
        """As in the folders that were published: text_model.embeddings…, and one number that nobody needs; the
        autoencoder's attention by other words; words and merges in files of their own."""
        path = shutil.copytree(stable_diffusion, tmp_path / "old")
        file = path / "text_encoder" / "model.safetensors"
        weights = {f"text_model.{name}": weight for name, weight in load_file(file).items()}
        weights["text_model.embeddings.position_ids"] = torch.arange(16)[None]
        save_file(weights, file, {"format": "pt"})
        file = path / "vae" / "diffusion_pytorch_model.safetensors"
        older = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}
        weights = load_file(file)
        for new, old in older.items():
            assert any(new in name for name in weights)
            weights = {name.replace(new, old): weight for name, weight in weights.items()}
        save_file(weights, file, {"format": "pt"})
        (path / "tokenizer" / "tokenizer.json").unlink()
        shutil.copytree(path / "words", path / "tokenizer", dirs_exist_ok=True)
        np.testing.assert_array_equal(drawn(fitted(path)), drawn(fitted(stable_diffusion)))


class TestClasses:
    def test_samples_have_their_classes_in_their_shares(self, of_classes: Path) -> None:
        model = fitted(of_classes)
        np.testing.assert_allclose(model.shares, [1 / 2, 1 / 3, 1 / 6])
        labels = parted(drawn(model, 300), 3)[1]
        np.testing.assert_allclose(np.bincount(labels, minlength=3) / 300, model.shares, atol=0.1)

    def test_prompts_of_a_file_and_without_labels_all_the_same(self, stable_diffusion: Path, tmp_path: Path) -> None:
        (tmp_path / "prompts.txt").write_text("\n".join(["", *PROMPTS, ""]))
        listed = fitted(stable_diffusion)
        filed = fitted(stable_diffusion, prompts=str(tmp_path / "prompts.txt"))
        np.testing.assert_array_equal(drawn(listed), drawn(filed))
        free = fitted(stable_diffusion, labels=0)
        np.testing.assert_allclose(free.shares, 1 / 3)
        assert drawn(free).shape == (6, SIDE**2 * COLOURS)

    def test_each_prompt_makes_another_picture_and_guidance_parts_them(self, stable_diffusion: Path) -> None:
        """From the same noise; guidance w moves them away from what the empty prompt makes, the more the smaller λ."""

        def one(prompt: str, bias: float) -> Floats:
            return drawn(fitted(stable_diffusion, labels=0, prompts=[prompt]), 1, bias)

        empty = one("", 1.0)
        np.testing.assert_allclose(one("", 0.5), empty, atol=1e-6)  # what says nothing is not guided to anything
        distances = [np.abs(one(PROMPTS[0], bias) - empty).mean() for bias in (1.0, 0.5, 0.2)]
        assert 1e-4 < distances[0] < distances[1] < distances[2]
        assert np.abs(one(PROMPTS[0], 1.0) - one(PROMPTS[1], 1.0)).mean() > 1e-4
        with pytest.raises(ConfigurationError, match=r"guidance takes λ from 0\.05"):
            one("", 0.01)


class TestTraining:
    @pytest.mark.parametrize(
        ("kind", "steps", "left"),
        [
            ("stable_diffusion", 90, 0.2),
            ("stable_diffusion_3", 60, 0.7),
            ("flux", 30, 0.7),
            ("pixart", 400, 0.2),
            ("dit", 250, 0.2),
            ("ldm", 40, 0.2),
        ],
    )
    def test_it_goes_towards_the_latents_of_each_class(
        self, kind: str, steps: int, left: float, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        """Networks that say the clean latents themselves learn the mean ones of a class first. Flow matching has no
        other prediction than its own, which takes longer: `test_noise` has it to the end."""
        path = shutil.copytree(request.getfixturevalue(kind), tmp_path / "copy")
        settings = path / "scheduler" / "scheduler_config.json"
        if kind not in ("stable_diffusion_3", "flux"):
            settings.write_text(json.dumps({**json.loads(settings.read_text()), "prediction_type": "sample"}))
        data = rows(60)[np.arange(60) % 6 < 5]  # none of class 2
        frozen, tuned = fitted(path), fitted(path, data=data, fit_steps=steps, rate=2e-2)
        assert tuned._space is not None
        pixels, labels = parted(data, 3)
        latents = tuned._space.drawn(tuned._space.moments(tuned._inward(pixels)), noise_of())
        means = torch.stack([latents[labels == c].mean(dim=0) for c in range(2)])
        asked = torch.arange(2).repeat_interleave(8)

        def distances(model: Pipeline) -> torch.Tensor:
            """Of a sample of each asked class to the mean of each class."""
            with torch.inference_mode():
                found = torch.cat([*model._denoiser.samples(asked, 1.0, STEPS, 0.0, noise_of())])
            return torch.square(found[:, None] - means).mean(dim=(2, 3, 4))

        if kind in ("stable_diffusion", "pixart", "dit"):
            assert (distances(tuned).argmin(dim=1) == asked).all()
        assert distances(tuned).min(dim=1).values.mean() < left * distances(frozen).min(dim=1).values.mean()

    @pytest.mark.parametrize(("kind", "shift"), [("stable_diffusion", 0.0), ("stable_diffusion_3", 0.3)])
    def test_latents_are_drawn_as_diffusers_draws_them(
        self, kind: str, shift: float, request: pytest.FixtureRequest
    ) -> None:
        model = fitted(request.getfixturevalue(kind))
        assert model._space is not None
        coder = model._space.coder
        pictures = model._inward(rows(300)[:, :-1])
        with torch.no_grad():
            expected = (coder.encode(pictures).latent_dist.sample(noise_of()) - shift) * coder.config.scaling_factor
        found = model._space.drawn(model._space.moments(pictures), noise_of())
        torch.testing.assert_close(found, expected)
        assert (found - model._space.drawn(model._space.moments(pictures), noise_of(3))).std() > 0.01

    def test_a_tenth_is_trained_without_its_condition(self, of_classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[torch.Tensor] = []
        of = Conditions.of

        def recorded(conditions: Conditions, classes: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(classes)
            return of(conditions, classes)

        monkeypatch.setattr(Conditions, "of", recorded)
        fitted(of_classes, fit_steps=6, batch=100)
        shares = torch.bincount(torch.cat(seen), minlength=4) / 600
        np.testing.assert_allclose(shares, [0.9 / 2, 0.9 / 3, 0.9 / 6, 0.1], atol=0.06)

    def test_dit_leaves_out_no_labels_by_itself(self, dit: Path) -> None:
        """Its layers would do it in training, a second time: equal inputs would not give equal outputs."""
        network = fitted(dit)._denoiser.network.train()
        with torch.no_grad():
            said = network(torch.ones(200, 4, 4, 4), torch.ones(200), torch.zeros(200, dtype=torch.int64)).sample
        torch.testing.assert_close(said, said[:1].expand_as(said))

    def test_only_the_network_learns(self, folder: Path) -> None:
        frozen, tuned = fitted(folder), fitted(folder, fit_steps=3, rate=1e-2)
        assert frozen._space is not None
        assert tuned._space is not None
        for name, weight in frozen._space.coder.state_dict().items():
            assert torch.equal(tuned._space.coder.state_dict()[name], weight)
        shares = ["classes.shares"] if tuned.labels else []
        assert [name for name in tuned.weights() if not name.startswith("network.")] == shares
        assert list(frozen.weights()) == shares
        assert np.abs(drawn(tuned) - drawn(frozen)).max() > 1e-3

    def test_new_weights_and_those_of_the_last_generation(self, folder: Path) -> None:
        still: dict[str, Any] = {"fit_steps": 1, "rate": 1e-12}
        tuned = fitted(folder, fit_steps=3, rate=1e-2)
        expected, from_folder = drawn(tuned), drawn(fitted(folder))
        np.testing.assert_allclose(drawn(fitted(folder, **still)), from_folder, atol=1e-5)
        for scratch in (False, True):
            warm = fitted(folder, start=tuned.weights(), scratch=scratch, **still)
            np.testing.assert_allclose(drawn(warm), expected, atol=1e-5)
        assert np.abs(drawn(fitted(folder, scratch=True, **still)) - from_folder).max() > 1e-3

    def test_a_restored_one_samples_the_same_to_the_bit(self, folder: Path) -> None:
        for parameters in ({}, {"fit_steps": 3, "rate": 1e-2}):
            model = fitted(folder, **parameters)
            assert isinstance(model, Trainable)
            again = made(folder, **parameters)
            again.restore(model.weights())
            np.testing.assert_array_equal(drawn(model, bias=0.5), drawn(again, bias=0.5))

    @pytest.mark.parametrize("kind", ["stable_diffusion", "dit", "ldm"])
    def test_dropout_within_a_network_is_seeded_and_leaves_torch_as_it_was(
        self, kind: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        """DiT also leaves out labels by itself when it is trained: here the denoiser alone does."""
        folder: Path = request.getfixturevalue(kind)
        path = shutil.copytree(folder, tmp_path / "copy")
        (file,) = (path / name / "config.json" for name in ("unet", "transformer") if (path / name).is_dir())
        file.write_text(json.dumps({**json.loads(file.read_text()), "dropout": 0.5}))
        found = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            found.append(drawn(fitted(path, fit_steps=4, rate=1e-2)))
            assert torch.equal(torch.get_rng_state(), before)
        np.testing.assert_array_equal(*found)
        assert np.abs(found[0] - drawn(fitted(folder, fit_steps=4, rate=1e-2))).max() > 1e-4


class TestInALoop:
    @pytest.mark.parametrize(("kind", "fit_steps"), [("stable_diffusion_3", 2), ("flux", 2), ("dit", 0), ("ldm", 2)])
    def test_a_run_goes_on_to_the_same_bytes_and_asks_nobody(
        self,
        kind: str,
        fit_steps: int,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        request: pytest.FixtureRequest,
        whole_and_stopped: Callable[[LoopConfig], list[bytes]],
    ) -> None:
        folder = request.getfixturevalue(kind)

        def refused(*_: Any) -> None:
            raise AssertionError("something asks the network")

        monkeypatch.setattr(socket.socket, "connect", refused)
        monkeypatch.setattr(socket, "getaddrinfo", refused)
        real, labels = parted(rows(60), 3)
        np.savez(tmp_path / "pictures.npz", samples=real[:40], labels=labels[:40])
        np.savez(tmp_path / "held.npz", samples=real[40:])
        known = {"labels": "labels"} if told(folder) else {}
        config = LoopConfig(
            loop="fully_synthetic", n_ini=20, n_s=20, generations=3, n_reference=20, metrics={"frechet": {}},
            source=Choice("npz", {"path": str(tmp_path / "pictures.npz"), **known}),
            reference=Choice("npz", {"path": str(tmp_path / "held.npz")}),
            model=Choice("pipeline", {"path": str(folder), "steps": 2, "fit_steps": fit_steps, **told(folder)}),
            sampling_bias=0.8,
            warm_start=True,
        )  # fmt: skip
        whole, stopped = whole_and_stopped(config)
        assert whole == stopped
        assert whole.count(b"\n") == 3


class TestRowsThatFillTheMemory:
    @pytest.mark.parametrize("fit_steps", [0, 2])
    def test_narrow_rows_in_parts_are_read_in_blocks(
        self, dit: Path, monkeypatch: pytest.MonkeyPatch, fit_steps: int
    ) -> None:
        """A frozen pipeline does not read them; from the same numbers it learns nearly the same in any type."""
        monkeypatch.setattr("evaluator.row_parts.BLOCK", 4 * SIDE**2 * COLOURS)
        seen: list[int] = []
        inward = Pipeline._inward
        monkeypatch.setattr(Pipeline, "_inward", lambda self, some: seen.append(len(some)) or inward(self, some))
        narrow = rows(36).astype(np.float16)
        found = fitted(dit, data=RowParts((narrow[:7], narrow[7:])), fit_steps=fit_steps)
        assert seen == [4, 3, *[4] * 7, 1][: 10 * fit_steps]
        whole = fitted(dit, data=narrow.astype(np.float64), fit_steps=fit_steps)
        np.testing.assert_allclose(drawn(found), drawn(whole), atol=1e-4)

    def test_samples_are_written_where_they_are_kept(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = fitted(folder)
        assert isinstance(model, SamplesInto)
        monkeypatch.setattr("evaluator.models.denoising.AT_ONCE", 4)
        kept = np.full((10, SIDE**2 * COLOURS + bool(model.labels)), np.nan, dtype=np.float16)
        model.sample_into(kept, 0.8, np.random.default_rng(2))
        np.testing.assert_array_equal(kept, drawn(model, 10, 0.8).astype(np.float16))


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("kind", "parameters", "complaint"),
        [
            ("stable_diffusion", {"prompts": ""}, "makes pictures of prompts: give prompts, a list or a text file"),
            ("stable_diffusion", {"prompts": PROMPTS[:2]}, "got 2 prompts, labels = 3: expected one for every label"),
            ("stable_diffusion", {"labels": 2}, "got 3 prompts, labels = 2"),
            ("stable_diffusion", {"labels": 1}, "labels is 1, expected 0 or ≥ 2"),
            ("stable_diffusion", {"prompts": ["a", 2, "b"]}, "prompts holds 2: expected texts"),
            ("stable_diffusion", {"prompts": "a cat"}, "prompts is 'a cat': expected a list of texts, or a text file"),
            ("stable_diffusion", {"labels": 0, "fit_steps": 1}, "fit_steps with 3 prompts, and nothing says of which"),
            ("stable_diffusion", {"size": 9}, "size is 9 of a StableDiffusionPipeline: .* a multiple of 2"),
            ("stable_diffusion", {"steps": 101}, "steps is 101, .* has 100 noise levels"),
            ("dit", {"labels": 1001}, "labels is 1001, .* has 1000 classes"),
            ("dit", {"prompts": ["tench", "goldfish", "hen"]}, "has no class 'hen': .* below 1000, or a name .*tench"),
            ("dit", {"prompts": ["0", "1", "1000"]}, "has no class '1000'"),
            ("dit", {"labels": 0, "fit_steps": 1}, "fit_steps with 1000 prompts, and nothing says of which"),
            ("dit", {"size": 16}, "size is 16 of a DiTPipeline"),
            ("stable_diffusion_3", {"size": 10}, "size is 10 of a .* a multiple of 4 up to 16"),
            ("stable_diffusion_3", {"size": 20}, "size is 20 of a .* a multiple of 4 up to 16"),
            ("stable_diffusion_3", {"eta": 0.5}, "eta is 0.5, .* samples without fresh noise: expected 0"),
            ("pixart", {"size": 16}, "size is 16 of a PixArtSigmaPipeline: expected 0$"),
            ("ldm", {"labels": 3}, "is a LDMPipeline, of no classes: leave out labels and prompts"),
            ("ldm", {"prompts": ["a"]}, "is a LDMPipeline, of no classes"),
        ],
    )
    def test_parameters(
        self, kind: str, parameters: dict[str, Any], complaint: str, request: pytest.FixtureRequest
    ) -> None:
        with pytest.raises(ConfigurationError, match=complaint):
            made(request.getfixturevalue(kind), **parameters)

    def test_rows_of_another_size_or_of_another_class(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError, match="makes pictures of 8 × 8 × 3, got rows of 64 numbers"):
            fitted(folder, data=np.zeros((5, 65)))
        if told(folder):
            with pytest.raises(ConfigurationError, match="a row has the label 3, labels = 3 takes"):
                fitted(folder, data=rows(36) + np.eye(SIDE**2 * COLOURS + 1)[-1])

    def test_a_prompt_that_would_be_cut_off(self, stable_diffusion: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"the prompt 'abcdefghijklmno' … has 17 tokens, .* reads 16"):
            fitted(stable_diffusion, labels=0, prompts=["abcdefghijklmno"])

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_no_cuda(self, folder: Path) -> None:
        with pytest.raises(ConfigurationError, match="torch sees no CUDA device"):
            fitted(folder, device="cuda")

    @pytest.mark.parametrize(
        ("file", "changes", "complaint"),
        [
            (
                "model_index.json",
                {"_class_name": "Flux2Pipeline"},
                "is a Flux2Pipeline: expected one of DDPMPipeline, DDI",
            ),
            (
                "model_index.json",
                {"_class_name": "StableDiffusionXLPipeline"},
                "with None as its text_encoder_2: expec",
            ),
            ("model_index.json", {"unet": ["evil", "Network"]}, "with Network as its unet: expected UNet2DConditionMo"),
            ("model_index.json", {"text_encoder": [None, None]}, "with None as its text_encoder: expected CLIPTextMo"),
            ("unet/config.json", {"in_channels": 9}, "says 4 numbers per pixel of 9 colours"),
            ("unet/config.json", {"in_channels": 9, "out_channels": 9}, "a network of 9 channels and an autoencoder"),
            ("unet/config.json", {"addition_embed_type": "text_time"}, "a network with addition_embed_type"),
            ("unet/config.json", {"sample_size": [4, 8]}, r"sample_size is \[4, 8\]: expected .* of square pictures"),
            ("vae/config.json", {"block_out_channels": None}, "block_out_channels is None: expected a whole number"),
            ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "the scheduler DDIMScheduler: expected"),
            (
                "scheduler/scheduler_config.json",
                {"_class_name": "LCMScheduler"},
                "LCMScheduler, of a consistency model",
            ),
        ],
    )
    def test_folders(
        self, stable_diffusion: Path, tmp_path: Path, file: str, changes: dict[str, Any], complaint: str
    ) -> None:
        path = shutil.copytree(stable_diffusion, tmp_path / "copy")
        (path / file).write_text(json.dumps({**json.loads((path / file).read_text()), **changes}))
        with pytest.raises(ConfigurationError, match=complaint):
            made(path, labels=3, prompts=PROMPTS)

    @pytest.mark.parametrize(
        ("file", "changes", "complaint"),
        [
            ("model_index.json", {"text_encoder": [None, None]}, "with None as its text_encoder: expected CLIPT"),
            ("model_index.json", {"text_encoder_2": ["transformers", "CLIPTextModel"]}, "with CLIPTextModel as"),
            ("unet/config.json", {"addition_embed_type": None}, "embed_type = None: expected 'text_time': a "),
            ("unet/config.json", {"time_cond_proj_dim": 8}, "time_cond_proj_dim = 8: expected None: a Stabl"),
            ("unet/config.json", {"addition_time_embed_dim": None}, "addition_time_embed_dim is None: exp"),
            ("unet/config.json", {"cross_attention_dim": 8}, "20 numbers, its network's cross_attention_dim is"),
            ("unet/config.json", {"projection_class_embeddings_input_dim": 30}, "29 numbers, .*_input_dim is 30:"),
            ("vae/config.json", {"latents_mean": [0.0] * 4}, "an autoencoder with latents_mean"),
        ],
    )
    def test_folders_of_two_text_encoders(
        self, stable_diffusion_xl: Path, tmp_path: Path, file: str, changes: dict[str, Any], complaint: str
    ) -> None:
        self.refused(stable_diffusion_xl, tmp_path, file, changes, complaint)

    @pytest.mark.parametrize(
        ("file", "changes", "complaint"),
        [
            ("model_index.json", {"text_encoder_3": ["transformers", "T5Model"]}, "expected T5EncoderModel or None"),
            ("model_index.json", {"text_encoder_2": [None, None]}, "with None as its text_encoder_2"),
            ("transformer/config.json", {"pos_embed_max_size": None}, "pos_embed_max_size is None: expected"),
            ("transformer/config.json", {"joint_attention_dim": 32}, "24 numbers, its network's joint_attention_d"),
            ("transformer/config.json", {"pooled_projection_dim": 12}, "11 numbers, its network's pooled_proj"),
            ("scheduler/scheduler_config.json", {"use_dynamic_shifting": True}, "with use_dynamic_shifting: "),
            ("scheduler/scheduler_config.json", {"stochastic_sampling": True}, "with stochastic_sampling: "),
            ("scheduler/scheduler_config.json", {"_class_name": "DDIMScheduler"}, "DDIMScheduler: expected a "),
        ],
    )
    def test_folders_of_flow_matching(
        self, stable_diffusion_3: Path, tmp_path: Path, file: str, changes: dict[str, Any], complaint: str
    ) -> None:
        self.refused(stable_diffusion_3, tmp_path, file, changes, complaint)

    @pytest.mark.parametrize(
        ("file", "changes", "complaint"),
        [
            ("model_index.json", {"text_encoder": [None, None]}, "with None as its text_encoder: expected T5Enc"),
            ("transformer/config.json", {"caption_channels": 32}, "24 numbers, its network's caption_channels is 32"),
            ("transformer/config.json", {"use_additional_conditions": True}, "additional_conditions = True: expected"),
            (
                "transformer/config.json",
                {"use_additional_conditions": None, "sample_size": 128},
                "additional_conditions = None: expected",
            ),
            ("transformer/config.json", {"out_channels": 5}, "says 5 numbers per pixel of 4 colours"),
        ],
    )
    def test_folders_of_pixart(
        self, pixart: Path, tmp_path: Path, file: str, changes: dict[str, Any], complaint: str
    ) -> None:
        self.refused(pixart, tmp_path, file, changes, complaint)

    @pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="sentencepiece is installed")
    def test_words_that_need_another_package(self, pixart: Path, tmp_path: Path) -> None:
        """As in published folders of PixArt."""
        path = shutil.copytree(pixart, tmp_path / "copy")
        (path / "tokenizer" / "tokenizer.json").rename(path / "tokenizer" / "spiece.model")
        with pytest.raises(ConfigurationError, match=r"its tokenizer as spiece\.model alone: pip install senten"):
            fitted(path)

    def refused(self, folder: Path, tmp_path: Path, file: str, changes: dict[str, Any], complaint: str) -> None:
        path = shutil.copytree(folder, tmp_path / "copy")
        (path / file).write_text(json.dumps({**json.loads((path / file).read_text()), **changes}))
        with pytest.raises(ConfigurationError, match=complaint):
            conditions(made(path)._folder, PROMPTS, "cpu")

    @pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
    def test_weights_that_are_pickled_damaged_or_incomplete(
        self, stable_diffusion: Path, tmp_path: Path, part: str
    ) -> None:
        path = shutil.copytree(stable_diffusion, tmp_path / "copy")
        (file,) = (path / part).glob("*.safetensors")
        weights = load_file(file)
        save_file(dict(list(weights.items())[1:]), file, {"format": "pt"})
        with pytest.raises(ConfigurationError, match=f"lacks 1 of the weights of its {part}, among them"):
            fitted(path)
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(ConfigurationError, match=f"cannot be loaded: expected {part}/{file.name} "):
            fitted(path)
        file.unlink()
        torch.save(weights, file.with_suffix(".bin"))
        with pytest.raises(ConfigurationError, match=f"expected {part}/{file.name}; pickled weights"):
            made(path)
