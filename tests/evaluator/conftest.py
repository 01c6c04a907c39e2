"""What all tests of the evaluator share."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.config import LoopConfig
from evaluator.runs import run_in_folder
from evaluator.threads import one_thread


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As the commands run: OpenMP threads that wait for each other on a busy machine take fifty times as long."""
    with one_thread():
        yield


@pytest.fixture
def whole_and_stopped(tmp_path: Path) -> Callable[[LoopConfig], list[bytes]]:
    """The lines of a run, and those of the same one that stops after generation 1 and goes on."""

    def lines(config: LoopConfig) -> list[bytes]:
        list(run_in_folder(config, tmp_path / "whole"))
        run = run_in_folder(config, tmp_path / "run")
        next(run)
        run.close()
        list(run_in_folder(config, tmp_path / "run"))
        return [(tmp_path / name / "generations.jsonl").read_bytes() for name in ("whole", "run")]

    return lines


class Stripes:
    """8×8 pictures: upright and level stripes together, each of random contrast, 1 ± .5."""

    kinds = np.stack([np.tile([-1.0, -1.0, 1.0, 1.0], (8, 2)).ravel(), np.repeat([-1.0, -1, 1, 1] * 2, 8)])

    def rows(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.normal(1, 0.5, (n, 2)) @ self.kinds

    def check(self, rows: NDArray[np.float64]) -> None:
        """Both contrasts, with their spread, and little besides."""
        contrasts = rows @ self.kinds.T / 64
        np.testing.assert_allclose(contrasts.mean(axis=0), 1, atol=0.2)
        np.testing.assert_allclose(contrasts.std(axis=0), 0.5, atol=0.3)
        assert (rows - contrasts @ self.kinds).std() < 0.5


@pytest.fixture(scope="session")
def stripes() -> Stripes:
    """A distribution of pictures that a generator can be trained on in seconds."""
    return Stripes()


class TinyPipelines:
    """Untrained diffusers pipelines of 8 × 8 pixels, saved as a user's would be; of latents of 4 × 4."""

    side, levels, classes, words = 8, 100, 1000, 16
    names = ("tench, Tinca tinca", "goldfish", "great white shark")

    def stable_diffusion(self, folder: Path, colours: int = 3, scheduler: str = "DDIM", **changes: Any) -> Path:
        """Prompts of up to 14 letters and digits."""
        import diffusers
        import transformers

        sizes = {**self._level("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), "attention_head_dim": 2}
        with self._seeded():
            pipeline = diffusers.StableDiffusionPipeline(
                self._autoencoder(colours),
                transformers.CLIPTextModel(self._text(8)),
                self._tokenizer(folder / "words"),
                diffusers.UNet2DConditionModel(**{**sizes, "cross_attention_dim": 8, **changes}),
                self._scheduler(scheduler, steps_offset=1),
                None,
                None,
                requires_safety_checker=False,
            )
        pipeline.save_pretrained(folder)
        return folder

    def stable_diffusion_xl(self, folder: Path, zeros: bool = True, **changes: Any) -> Path:
        """Two text encoders of two layers each, whose tokenizers fill up with different letters. Hidden states that are
        not normalised tell prompts apart without great weights, which would only blow up rounding."""
        import diffusers
        import transformers

        sizes = {
            **self._level("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"),
            "attention_head_dim": 2,
            "cross_attention_dim": 8 + 12,
            "norm_num_groups": 4,  # were each channel its own group, sizes and times would be normalised away
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 6 * 4 + 5,
        }
        with self._seeded():
            pipeline = diffusers.StableDiffusionXLPipeline(
                self._autoencoder(3),
                transformers.CLIPTextModel(self._text(8, num_hidden_layers=2, initializer_factor=3.0)),
                transformers.CLIPTextModelWithProjection(
                    self._text(12, num_hidden_layers=2, initializer_factor=3.0, projection_dim=5)
                ),
                self._tokenizer(folder / "words"),
                self._tokenizer(folder / "words_2", pad_token="z"),
                diffusers.UNet2DConditionModel(**{**sizes, **changes}),
                self._scheduler("EulerDiscrete", steps_offset=1, timestep_spacing="leading"),  # as published
                force_zeros_for_empty_prompt=zeros,
            )
        pipeline.save_pretrained(folder)
        return folder

    def stable_diffusion_3(self, folder: Path, t5: bool = True, **changes: Any) -> Path:
        """Of flow matching: latents that are not around 0, and three text encoders, or two."""
        import diffusers
        import transformers

        sizes = {
            "sample_size": 4,
            "patch_size": 2,
            "in_channels": 4,
            "out_channels": 4,
            "num_layers": 2,
            "attention_head_dim": 4,
            "num_attention_heads": 2,
            "joint_attention_dim": 24,
            "caption_projection_dim": 8,
            "pooled_projection_dim": 5 + 6,
            "pos_embed_max_size": 4,
        }
        layers = {"num_hidden_layers": 2, "initializer_factor": 3.0}
        with self._seeded():
            pipeline = diffusers.StableDiffusion3Pipeline(
                diffusers.SD3Transformer2DModel(**{**sizes, **changes}),
                diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=self.levels, shift=3.0),
                self._autoencoder(3, shift_factor=0.3),
                transformers.CLIPTextModelWithProjection(self._text(8, projection_dim=5, **layers)),
                self._tokenizer(folder / "words"),
                transformers.CLIPTextModelWithProjection(self._text(12, projection_dim=6, **layers)),
                self._tokenizer(folder / "words_2", pad_token="z"),
                self._t5() if t5 else None,
                self._pieces() if t5 else None,
            )
        pipeline.save_pretrained(folder)
        return folder

    def flux(self, folder: Path, guided: bool = True, shifts: bool = True, **changes: Any) -> Path:
        """Of flow matching: told its guidance or not, with noise that hangs on the size of the pictures or not."""
        import diffusers
        import transformers

        sizes = {
            "in_channels": 16,
            "num_layers": 1,
            "num_single_layers": 1,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "joint_attention_dim": 24,
            "pooled_projection_dim": 8,
            "axes_dims_rope": (2, 2, 4),
            "guidance_embeds": guided,
        }
        noise = {"shift": 3.0, "use_dynamic_shifting": True} if shifts else {"shift": 1.0}  # as published
        with self._seeded():
            pipeline = diffusers.FluxPipeline(
                diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=self.levels, **noise),
                self._autoencoder(3, shift_factor=0.3),
                transformers.CLIPTextModel(self._text(8, num_hidden_layers=2, initializer_factor=3.0)),
                self._tokenizer(folder / "words"),
                self._t5(),
                self._pieces(),
                diffusers.FluxTransformer2DModel(**{**sizes, **changes}),
            )
        pipeline.save_pretrained(folder)
        return folder

    def pixart(self, folder: Path, learned: bool = True, **changes: Any) -> Path:
        """With a learned variance and another scheduler than DDIM's, as the published ones have them."""
        import diffusers

        sizes = {"cross_attention_dim": 8, "caption_channels": 24, "use_additional_conditions": False}
        sizes = self._patches(learned) | sizes
        with self._seeded():
            transformer = diffusers.PixArtTransformer2DModel(**{**sizes, **changes})
            noise = self._scheduler("DPMSolverMultistep")
            pipeline = diffusers.PixArtSigmaPipeline(
                self._pieces(), self._t5(), self._autoencoder(3), transformer, noise
            )
        pipeline.save_pretrained(folder)
        return folder

    def dit(self, folder: Path, learned: bool = True, **changes: Any) -> Path:
        """With a learned variance, as the published ones have it."""
        import diffusers

        sizes = self._patches(learned) | {"num_embeds_ada_norm": self.classes}
        with self._seeded():
            transformer = diffusers.DiTTransformer2DModel(**{**sizes, **changes})
            pipeline = diffusers.DiTPipeline(transformer, self._autoencoder(3), self._scheduler("DDIM"))
        pipeline.save_pretrained(folder)
        index = json.loads((folder / "model_index.json").read_text())
        names = {str(number): name for number, name in enumerate(self.names)}  # which save_pretrained forgets
        (folder / "model_index.json").write_text(json.dumps({**index, "id2label": names}))
        return folder

    def ldm(self, folder: Path) -> Path:
        import diffusers
        import torch

        with self._seeded():
            coder = diffusers.VQModel(**self._coder(3), num_vq_embeddings=256, vq_embed_dim=4, scaling_factor=0.5)
            torch.nn.init.normal_(coder.quantize.embedding.weight)  # so that there is a choice of codes
            unet = diffusers.UNet2DModel(**self._level("DownBlock2D", "UpBlock2D"))
            diffusers.LDMPipeline(coder, unet, self._scheduler("DDIM")).save_pretrained(folder)
        return folder

    def _autoencoder(self, colours: int, **changes: Any) -> Any:
        """Whose latents tell colours apart and have little deviation, as those of a trained one."""
        import diffusers
        import torch

        coder = diffusers.AutoencoderKL(**self._coder(colours), scaling_factor=0.5, **changes)
        with torch.no_grad():
            coder.quant_conv.weight[:4] *= 4
            coder.quant_conv.weight[4:] = 0
            coder.quant_conv.bias[4:] = -6
        return coder

    def _coder(self, colours: int) -> dict[str, Any]:
        return {
            "in_channels": colours,
            "out_channels": colours,
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2,
            "block_out_channels": (4, 8),
            "norm_num_groups": 4,
            "latent_channels": 4,
        }

    def _patches(self, learned: bool) -> dict[str, Any]:
        """Sizes of a transformer; learned: its variance, beside what it says."""
        return {
            "num_attention_heads": 2,
            "attention_head_dim": 4,
            "in_channels": 4,
            "out_channels": 8 if learned else 4,
            "num_layers": 1,
            "sample_size": 4,
        }

    def _level(self, down: str, up: str) -> dict[str, Any]:
        """A U-Net of one level."""
        return {
            "sample_size": 4,
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": (8,),
            "down_block_types": (down,),
            "up_block_types": (up,),
            "layers_per_block": 1,
            "norm_num_groups": 8,
        }

    def _scheduler(self, kind: str, **settings: Any) -> Any:
        import diffusers

        return getattr(diffusers, f"{kind}Scheduler")(
            num_train_timesteps=self.levels,
            beta_schedule="scaled_linear",
            beta_start=0.0085,  # Stable Diffusion's, ten times, as there are a tenth of its levels
            beta_end=0.12,
            **({"clip_sample": False} if kind == "DDIM" else {}),
            **settings,
        )

    def _vocabulary(self) -> list[str]:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        return ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]

    def _text(self, width: int, **changes: Any) -> Any:
        """Sizes of a text encoder."""
        import transformers

        sizes = {
            "vocab_size": len(self._vocabulary()),
            "hidden_size": width,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": self.words,
            "initializer_factor": 20.0,  # so that an untrained one tells prompts apart
            "bos_token_id": 0,
            "eos_token_id": 1,
        }
        return transformers.CLIPTextConfig(**{**sizes, **changes})

    def _tokenizer(self, words: Path, **changes: Any) -> Any:
        """Letter by letter: nothing is merged. `words`: a folder for its files."""
        import transformers

        words.mkdir(parents=True)
        numbers = {word: number for number, word in enumerate(self._vocabulary())}
        (words / "vocab.json").write_text(json.dumps(numbers))
        (words / "merges.txt").write_text("#version: 0.2\n")
        files = (str(words / "vocab.json"), str(words / "merges.txt"))
        return transformers.CLIPTokenizer(*files, model_max_length=self.words, **changes)

    def _t5(self) -> Any:
        import transformers

        sizes = {"vocab_size": 64, "d_model": 24, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
        return transformers.T5EncoderModel(transformers.T5Config(**sizes))

    def _pieces(self) -> Any:
        """T5's tokenizer, letter by letter."""
        import transformers

        letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
        return transformers.T5Tokenizer(vocab=[*letters, *((letter, -3.0) for letter in "acdgotxyz7")], extra_ids=0)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield


@pytest.fixture(scope="session")
def tiny_pipelines() -> TinyPipelines:
    return TinyPipelines()


@pytest.fixture(scope="session")
def stable_diffusion(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.stable_diffusion(tmp_path_factory.mktemp("stable") / "diffusion")


@pytest.fixture(scope="session")
def stable_diffusion_xl(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.stable_diffusion_xl(tmp_path_factory.mktemp("stable") / "diffusion_xl")


@pytest.fixture(scope="session")
def stable_diffusion_3(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.stable_diffusion_3(tmp_path_factory.mktemp("stable") / "diffusion_3")


@pytest.fixture(scope="session")
def flux(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.flux(tmp_path_factory.mktemp("flux") / "pipeline")


@pytest.fixture(scope="session")
def pixart(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.pixart(tmp_path_factory.mktemp("pixart") / "pipeline")


@pytest.fixture(scope="session")
def dit(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.dit(tmp_path_factory.mktemp("dit") / "pipeline")


@pytest.fixture(scope="session")
def ldm(tiny_pipelines: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.ldm(tmp_path_factory.mktemp("ldm") / "pipeline")
