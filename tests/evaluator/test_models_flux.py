"""FLUX: compared with diffusers' own pipeline, guided in its two ways, and trained on rows of patches. What it shares
with the other kinds is in `test_models_latent`."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline, calculate_shift, retrieve_timesteps
from numpy.typing import NDArray

from evaluator.models.conditions import Conditions
from evaluator.models.denoising import Denoiser
from evaluator.models.noise import Flow
from evaluator.models.packed import Packed, packed, unpacked
from evaluator.models.pipeline import Pipeline
from evaluator.models.prompts import conditions
from evaluator.models.weights import given
from hygiene.errors import ConfigurationError

SIDE, COLOURS, STEPS = 8, 3, 5
PROMPTS = ["a cat", "dog 7", "xyz"]
DYNAMIC = {"num_train_timesteps": 1000, "shift": 3.0, "use_dynamic_shifting": True}  # as FLUX.1 [dev]
PLAIN = {"num_train_timesteps": 1000, "shift": 1.0}  # as FLUX.1 [schnell]
KINDS = pytest.mark.parametrize("kind", ["flux", "flux_unguided"])


@pytest.fixture(scope="module")
def flux_unguided(tiny_pipelines: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tiny_pipelines.flux(tmp_path_factory.mktemp("flux") / "schnell", guided=False, shifts=False)
    return path


@pytest.fixture
def folder(kind: str, request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(kind)
    return found


def fitted(folder: Path, size: int = SIDE, **parameters: Any) -> Pipeline:
    model = Pipeline(str(folder), **{"steps": STEPS, "labels": 3, "prompts": PROMPTS, "size": size, **parameters})
    rng = np.random.default_rng(1)
    rows = np.hstack([rng.random((12, size**2 * COLOURS)), np.arange(12)[:, None] % 3])
    model.fit(rows if model.labels else rows[:, :-1], rng)
    return model


def drawn(model: Pipeline, bias: float = 1.0, n: int = 6) -> NDArray[np.float64]:
    return model.sample(n, bias, np.random.default_rng(2))


def theirs(folder: Path, model: Pipeline, prompts: list[str], **options: Any) -> NDArray[Any]:
    """Pictures [n, side, side, colours] of diffusers' own pipeline with the network of `model`, from the same noise."""
    pipeline = FluxPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    weights = model._denoiser.network.transformer.state_dict()
    given(pipeline.transformer, {name: weight.numpy() for name, weight in weights.items()})
    noise = torch.Generator().manual_seed(int(np.random.default_rng(2).integers(2**63)))
    side = model._folder.side
    pictures: torch.Tensor = pipeline(
        prompts, height=side, width=side, num_inference_steps=model.steps, generator=noise, output_type="pt", **options
    ).images
    return pictures.permute(0, 2, 3, 1).numpy()


class TestAsDiffusersOwn:
    """Samples of the same noise, to 1e-5."""

    def compare(self, folder: Path, model: Pipeline, bias: float, **options: Any) -> None:
        rows = drawn(model, bias)
        expected = theirs(folder, model, [PROMPTS[int(label)] for label in rows[:, -1]], **options)
        assert expected.std() > 0.05
        np.testing.assert_allclose(rows[:, :-1].reshape(expected.shape).clip(0, 1), expected, atol=1e-5)

    @pytest.mark.parametrize(("bias", "size"), [(1.0, 8), (0.2, 16)])
    def test_what_is_told_its_guidance(self, flux: Path, bias: float, size: int) -> None:
        self.compare(flux, fitted(flux, size), bias, guidance_scale=1 / bias)

    def test_what_is_told_its_guidance_and_was_trained_further(self, flux: Path) -> None:
        self.compare(flux, fitted(flux, fit_steps=3, rate=1e-2), 0.4, guidance_scale=1 / 0.4)

    def test_what_knows_no_guidance(self, flux_unguided: Path) -> None:
        """It reads half as many words: its own pipeline has to be told so."""
        self.compare(flux_unguided, fitted(flux_unguided), 1.0, max_sequence_length=256)

    def test_what_learned_here_what_no_prompt_means(self, flux_unguided: Path) -> None:
        model = fitted(flux_unguided, fit_steps=3, rate=1e-2)
        options = {"negative_prompt": [""] * 6, "true_cfg_scale": 1 / 0.4}
        self.compare(flux_unguided, model, 0.4, max_sequence_length=256, **options)

    def test_new_weights_of_a_network_that_is_told_its_guidance(self, flux: Path) -> None:
        """They know of no other guidance than 1: what is told is always that, and λ is of two answers."""
        model = fitted(flux, fit_steps=3, rate=1e-2, scratch=True)
        options = {"negative_prompt": [""] * 6, "true_cfg_scale": 1 / 0.4}
        self.compare(flux, model, 0.4, guidance_scale=1.0, **options)

    def test_parts_as_they_were_published(self, tiny_pipelines: Any, tmp_path: Path) -> None:
        """Weights of 16 bits in shards; sixteen channels of latents, an eighth as wide, without layers of their own."""
        full, path = tiny_pipelines.flux(tmp_path / "full", in_channels=64), tmp_path / "half"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            coder = diffusers.AutoencoderKL(
                block_out_channels=(4, 4, 4, 8), down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=4, latent_channels=16, scaling_factor=0.3611,
                shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False,
            )  # fmt: skip
        pipeline = FluxPipeline.from_pretrained(full, vae=coder, dtype=torch.bfloat16)
        pipeline.save_pretrained(path, max_shard_size="20KB")
        assert len([*(path / "transformer").glob("*-of-*.safetensors")]) > 1
        self.compare(path, fitted(path, 32), 0.3, guidance_scale=1 / 0.3)

    @pytest.mark.parametrize("settings", [DYNAMIC, PLAIN], ids=["dev", "schnell"])
    @pytest.mark.parametrize("patches", [256, 4096])
    def test_noise_levels(self, settings: dict[str, Any], patches: int) -> None:
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler(**settings)
        sigmas = np.linspace(1.0, 1 / 28, 28)
        expected, _ = retrieve_timesteps(scheduler, 28, "cpu", sigmas=sigmas, mu=calculate_shift(patches))
        found = list(Flow(settings, patches).back(28, 0.0))
        assert [time for time, _ in found] == expected.tolist()
        x, said = torch.randn(2, 2, 4, 4, 4, generator=torch.Generator().manual_seed(1))
        for time, (_, stepped) in zip(expected, found, strict=True):
            torch.testing.assert_close(stepped(said, x, None), scheduler.step(said, time, x).prev_sample)

    def test_patches_and_their_places(self, flux: Path) -> None:
        pictures = torch.randn(2, 4, 6, 6)
        torch.testing.assert_close(packed(pictures), FluxPipeline._pack_latents(pictures, 2, 4, 6, 6))
        torch.testing.assert_close(unpacked(packed(pictures), 6), pictures)
        network = Packed(diffusers.FluxTransformer2DModel.from_pretrained(flux / "transformer"), 6)
        places = FluxPipeline._prepare_latent_image_ids(2, 3, 3, "cpu", torch.float32)
        torch.testing.assert_close(network.places, places)

    @KINDS
    def test_as_a_gpu_has_it_compiled_in_one_piece(self, folder: Path) -> None:
        network = Packed(diffusers.FluxTransformer2DModel.from_pretrained(folder / "transformer"), 4).eval()
        words = {"encoder_hidden_states": torch.randn(2, 3, 24), "pooled_projections": torch.randn(2, 8)}
        told = {"timestep": torch.tensor([90.0, 30.0]), **words}
        compiled, pictures = torch.compile(network, backend="eager", fullgraph=True), torch.randn(2, 4, 4, 4)
        torch.testing.assert_close(compiled(pictures, **told).sample, network(pictures, **told).sample)


class TestGuidance:
    def test_each_lambda_and_each_prompt_makes_other_pictures(self, flux: Path) -> None:
        """Of one pass of the network: as λ is told, it may make any difference, and the empty prompt plays no part."""
        model = fitted(flux)
        first, *others = (drawn(model, bias) for bias in (1.0, 0.8, 0.4))
        assert min(np.abs(other - first).mean() for other in others) > 1e-4
        conditions = model._denoiser.conditions
        assert conditions is not None
        before = drawn(model, 0.4)
        for value in conditions.values.values():
            value[conditions.none] = torch.nan
        np.testing.assert_array_equal(drawn(model, 0.4), before)

    def test_a_frozen_one_that_knows_none_refuses_lambda(self, flux_unguided: Path) -> None:
        model = fitted(flux_unguided)
        assert np.isfinite(drawn(model)).all()
        with pytest.raises(ConfigurationError, match=r"is 0\.8, .* was taught no guidance .*expected 1, or"):
            drawn(model, 0.8)
        again = Pipeline(str(flux_unguided), steps=STEPS, labels=3, prompts=PROMPTS, size=SIDE)
        again.restore(model.weights())
        with pytest.raises(ConfigurationError, match="was taught no guidance"):
            drawn(again, 0.8)
        with pytest.raises(ConfigurationError, match=r"guidance takes λ from 0\.05"):
            drawn(model, 0.01)

    def test_one_that_was_trained_by_the_last_generation_is_guided(self, flux_unguided: Path) -> None:
        tuned = fitted(flux_unguided, fit_steps=2, rate=1e-2)
        still = Pipeline(str(flux_unguided), steps=STEPS, labels=3, prompts=PROMPTS, size=SIDE)
        still.fit(np.zeros((3, SIDE**2 * COLOURS + 1)) + np.arange(3)[:, None] * (np.arange(193) == 192),
                  np.random.default_rng(1), tuned.weights())  # fmt: skip
        assert np.isfinite(drawn(still, 0.4)).all()

    @pytest.mark.parametrize(
        ("kind", "scratch", "share"), [("flux", False, 0.0), ("flux", True, 0.1), ("flux_unguided", False, 0.1)]
    )
    def test_a_tenth_is_trained_without_prompt_where_that_is_needed(
        self, folder: Path, scratch: bool, share: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[torch.Tensor] = []
        of = Conditions.of
        monkeypatch.setattr(Conditions, "of", lambda self, classes: seen.append(classes) or of(self, classes))
        fitted(folder, fit_steps=6, batch=50, scratch=scratch)
        found = (torch.cat(seen) == 3).float().mean()
        assert found == 0 if not share else abs(found - share) < 0.06


class TestTraining:
    @KINDS
    def test_what_the_network_is_told_and_asked(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Latents with noise, here of nothing but noise; σ as its pipeline tells it, and guidance 1."""
        model = fitted(folder, fit_steps=1)
        denoiser, clean = model._denoiser, torch.zeros(3, 4, 4, 4)
        told: list[dict[str, Any]] = []
        network = diffusers.FluxTransformer2DModel
        forward = network.forward
        monkeypatch.setattr(network, "forward", lambda self, **seen: told.append(seen) or forward(self, **seen))
        denoiser.learn(clean, torch.arange(3), 4, 50, 1e-3, torch.Generator().manual_seed(1))
        assert len(told) == 4
        spreads = torch.cat([seen["hidden_states"].square().mean(dim=(1, 2)) for seen in told])  # σ², of noise alone
        sigmas = torch.cat([seen["timestep"] for seen in told]) * 1000 / model._folder.settings["num_train_timesteps"]
        assert float((spreads / sigmas**2).mean()) == pytest.approx(1, abs=0.05)
        assert float((spreads / sigmas**2).std()) == pytest.approx((2 / 64) ** 0.5, abs=0.04)
        for guidance in (seen["guidance"] for seen in told):
            assert guidance is None if folder.name == "schnell" else (guidance == 1).all()

    @pytest.mark.parametrize("settings", [DYNAMIC, PLAIN], ids=["dev", "schnell"])
    def test_times_are_those_of_sampling(self, settings: dict[str, Any]) -> None:
        """Shifted as much, and then half of them are above the middle one (Esser et al. 2024, section 3.1)."""
        times = Flow(settings, 4096).times(4000, torch.Generator().manual_seed(1), "cpu") / 1000
        shift = np.exp(1.15) if settings is DYNAMIC else 1.0
        assert float((times > shift / (1 + shift)).float().mean()) == pytest.approx(0.5, abs=0.03)
        assert float((times > shift * 3 / (1 + shift * 3)).float().mean()) == pytest.approx(0.136, abs=0.02)

    @pytest.mark.parametrize("guided", [True, False])
    def test_a_small_network_goes_to_the_distribution_of_each_class(self, guided: bool) -> None:
        """Of independent normal numbers; where an exact network would go in as many steps is known in closed form."""
        wide, side, steps = 16, 4, 30
        with torch.random.fork_rng():
            torch.manual_seed(0)
            transformer = diffusers.FluxTransformer2DModel(
                in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=wide // 2, num_attention_heads=2,
                joint_attention_dim=4, pooled_projection_dim=4, axes_dims_rope=(2, 2, 4), guidance_embeds=guided,
            )  # fmt: skip
        told = {"encoder_hidden_states": torch.eye(4)[:3, None], "pooled_projections": torch.eye(4)[:3]}
        flow = Flow(DYNAMIC, (side // 2) ** 2)
        denoiser = Denoiser(Packed(transformer, side), flow, "cpu", Conditions(2, told), guided)
        source, kinds = torch.Generator().manual_seed(1), torch.arange(2).repeat(500)
        means, deviations = torch.tensor([-1.0, 1.0]), torch.tensor([0.2, 0.6])
        noise = torch.randn(1000, 1, side, side, generator=source)
        pictures = means[kinds][:, None, None, None] + deviations[kinds][:, None, None, None] * noise
        denoiser.learn(pictures, kinds, 400, 64, 5e-3, source)
        for kind in range(2):
            with torch.inference_mode():
                found = torch.cat([*denoiser.samples(torch.full((400,), kind), 1.0, steps, 0.0, source)])
            assert float(found.mean()) == pytest.approx(float(means[kind]), abs=0.05)
            exact = _spread_of_an_exact_network(flow, steps, float(deviations[kind]))
            assert float(found.std()) == pytest.approx(exact, rel=0.2)
            between = np.corrcoef(found.reshape(400, -1).T.numpy()) - np.eye(side**2)
            assert np.abs(between).max() < 0.25


def _spread_of_an_exact_network(flow: Flow, steps: int, deviation: float) -> float:
    """Of what it makes of N(0, deviation²): E[ε − x₀ | x] is linear in x, so noise of 1 goes where its spread goes."""
    x = torch.ones(1, dtype=torch.float64)
    for time, stepped in flow.back(steps, 0.0):
        sigma = time / flow.settings["num_train_timesteps"]
        slope = (sigma - (1 - sigma) * deviation**2) / ((1 - sigma) ** 2 * deviation**2 + sigma**2)
        x = stepped(slope * x, x, None)
    return float(x)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("parameters", "complaint"),
        [
            ({"size": 10}, "size is 10 of a FluxPipeline: .* a multiple of 4"),
            ({"eta": 0.5}, "eta is 0.5, .* samples without fresh noise: expected 0"),
            ({"prompts": ""}, "makes pictures of prompts: give prompts"),
            ({"labels": 0, "fit_steps": 1}, "fit_steps with 3 prompts, and nothing says of which"),
        ],
    )
    def test_parameters(self, flux: Path, parameters: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ConfigurationError, match=complaint):
            fitted(flux, **parameters)

    def test_rows_of_its_own_size_where_no_other_is_asked_for(self, flux: Path) -> None:
        """1024 pixels of a published one, whose latents are an eighth; here a half."""
        with pytest.raises(ConfigurationError, match="makes pictures of 256 × 256 × 3, got rows of 192 numbers"):
            Pipeline(str(flux), prompts=["a cat"]).fit(np.zeros((2, 192)), np.random.default_rng(1))

    @pytest.mark.parametrize(
        ("file", "changes", "complaint"),
        [
            ("model_index.json", {"_class_name": "FluxFillPipeline"}, "is a FluxFillPipeline: expected one of"),
            ("model_index.json", {"text_encoder_2": [None, None]}, "with None as its text_encoder_2: expected T5"),
            ("model_index.json", {"transformer": ["evil", "Network"]}, "with Network as its transformer: expected"),
            ("transformer/config.json", {"patch_size": 2}, "a network with patch_size = 2: expected 1"),
            ("transformer/config.json", {"in_channels": 4}, "of 4 channels and an autoencoder of 4 .* 4 times"),
            ("transformer/config.json", {"out_channels": 32}, "says 32 numbers per pixel of 16 colours"),
            ("transformer/config.json", {"joint_attention_dim": 32}, "24 numbers, its network's joint_attention_dim"),
            ("transformer/config.json", {"pooled_projection_dim": 12}, "8 numbers, its network's pooled_proj"),
            ("transformer/config.json", {"pooled_projection_dim": None}, "pooled_projection_dim is None: expected"),
            ("scheduler/scheduler_config.json", {"use_flow_sigmas": True}, "with use_flow_sigmas: expected a Flow"),
            ("scheduler/scheduler_config.json", {"stochastic_sampling": True}, "with stochastic_sampling: expected"),
            ("scheduler/scheduler_config.json", {"_class_name": "DDIMScheduler"}, "DDIMScheduler: expected a"),
        ],
    )
    def test_folders(self, flux: Path, tmp_path: Path, file: str, changes: dict[str, Any], complaint: str) -> None:
        path = shutil.copytree(flux, tmp_path / "copy")
        (path / file).write_text(json.dumps({**json.loads((path / file).read_text()), **changes}))
        with pytest.raises(ConfigurationError, match=complaint):
            conditions(Pipeline(str(path), prompts=PROMPTS, size=SIDE)._folder, PROMPTS, "cpu")

    def test_prompts_that_would_be_cut_off(self, flux: Path) -> None:
        """CLIP reads the fewest words."""
        with pytest.raises(ConfigurationError, match=r"the prompt 'abcdefghijklmno' … has 17 tokens, .* reads 16"):
            fitted(flux, labels=0, prompts=["abcdefghijklmno"])
