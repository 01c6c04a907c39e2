"""Payload bits: how they are said, mixed into symbols, embedded beside a mark and read back."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.linalg import hadamard
from skimage import data

from hygiene.codecs import symbols
from hygiene.codecs.layouts import LAYOUTS
from hygiene.codecs.spread import REQUIRED_LOG10_P, Spread
from hygiene.detectors.keyed import TOLD_ERROR, TOLD_LOG10_P
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.payloads import LENGTHS, Payload

KEY, OTHER = Key(bytes(range(32))), Key(bytes(32))
LAYOUT = LAYOUTS[-1]


def drawn(rng, bits):
    return Payload(int.from_bytes(rng.bytes(bits // 8), "big"), bits)


def photograph(side):
    return np.asarray(Image.fromarray(data.chelsea()).crop((70, 0, 370, 300)).resize((side, side)))


def jpeg(pixels, quality, side=None):
    image = Image.fromarray(pixels)
    out = io.BytesIO()
    (image if side is None else image.resize((side, side))).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def host(rng):
    """Random phases [n], unit norm: a picture's bins."""
    count = LAYOUT.dimension // 2
    return np.exp(2j * np.pi * rng.random(count)) / np.sqrt(count)


def carrying(payload, amplitude, rng, key=KEY):
    """Random phases pushed towards the payload, as a mark pushes them."""
    plain = host(rng)
    pushed = plain + amplitude * symbols.direction(LAYOUT, key, payload, plain)[LAYOUT.bins]
    return pushed / np.abs(pushed) / np.sqrt(len(pushed))


def told(reading):
    return reading.log10_p <= TOLD_LOG10_P and reading.error <= TOLD_ERROR


class TestPayload:
    @pytest.mark.parametrize(("text", "bits"), [("0000002a", 32), ("0x00000000002A", 48), ("FFFFFFFFFFFFFFFF", 64)])
    def test_is_said_in_digits_that_tell_its_length(self, text, bits):
        payload = Payload.parse(text)
        assert (payload.bits, payload.value) == (bits, int(text, 16))
        assert str(payload) == text.lower().removeprefix("0x")

    @pytest.mark.parametrize("text", ["", "2a", "0000002g", "000000000", "+000002a", "0000_02a"])
    def test_refuses_what_is_no_payload(self, text):
        with pytest.raises(ConfigurationError, match="8, 12 or 16 hexadecimal digits"):
            Payload.parse(text)

    @pytest.mark.parametrize(("value", "bits"), [(1 << 32, 32), (-1, 64), (1, 40)])
    def test_refuses_what_does_not_fit(self, value, bits):
        with pytest.raises(ConfigurationError, match="payload"):
            Payload(value, bits)

    @pytest.mark.parametrize("bits", LENGTHS)
    def test_symbols_come_back_and_one_bit_changes_all_of_them(self, bits):
        rng = np.random.default_rng(bits)
        same = 0
        for _ in range(200):
            payload = drawn(rng, bits)
            assert Payload.of_symbols(payload.symbols) == payload
            flipped = Payload(payload.value ^ 1 << int(rng.integers(bits)), bits)
            same += sum(a == b for a, b in zip(payload.symbols, flipped.symbols, strict=True))
        assert same <= 1


class TestWords:
    def test_the_transform_is_the_hadamard_matrix(self):
        rows = np.random.default_rng(0).standard_normal((3, 512)).astype(np.float32)
        np.testing.assert_allclose(symbols._hadamard(rows), rows @ hadamard(512), atol=1e-3)

    @pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.short}")
    def test_scores_are_the_correlations_with_the_words(self, layout):
        rng = np.random.default_rng(1)
        book = symbols._book(layout, KEY, (0, 0))
        vector = rng.standard_normal(layout.dimension)
        scores = book.scores(vector)
        norm = np.linalg.norm(vector[book.places]) / np.sqrt(len(book.places))
        for symbol in (0, 1, 0x7FFF, 0x8000, 0xFFFF, int(rng.integers(1 << 16))):
            words = book.words(symbol, layout.dimension)
            np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1.0)
            np.testing.assert_allclose(scores[:, symbol], words @ vector / norm, atol=1e-3)

    def test_a_payload_is_at_right_angles_to_the_mark(self):
        rng = np.random.default_rng(2)
        direction = symbols.direction(LAYOUT, KEY, drawn(rng, 64), host(rng))
        assert np.linalg.norm(direction) == pytest.approx(1)
        assert abs(np.vdot(LAYOUT.pattern(KEY), direction).real) < 1e-6


class TestReading:
    @pytest.mark.parametrize("bits", LENGTHS)
    def test_the_estimated_error_is_not_too_small(self, bits):
        """Observed errors stay within three standard deviations of what was estimated, where about half is wrong."""
        rng = np.random.default_rng(bits)
        amplitude = {32: 0.27, 48: 0.34, 64: 0.4}[bits]
        wrong, estimated = 0, []
        for _ in range(60):
            payload = drawn(rng, bits)
            reading = symbols.read(carrying(payload, amplitude, rng), LAYOUT, KEY)
            wrong += reading.payload != payload
            estimated.append(reading.error)
        spread = np.sqrt(sum(p * (1 - p) for p in estimated))
        assert 10 <= wrong <= 50, "the case should be hard and not hopeless"
        assert wrong <= sum(estimated) + 3 * spread

    def test_without_a_payload_none_is_told_and_p_is_no_smaller_than_chance(self):
        rng = np.random.default_rng(3)
        readings = [symbols.read(host(rng), LAYOUT, KEY) for _ in range(60)]
        assert not any(told(each) for each in readings)
        registered = [drawn(rng, 32) for _ in range(50)]
        among = [symbols.read(host(rng), LAYOUT, Key(rng.bytes(32)), registered).log10_p for _ in range(60)]
        assert sum(p <= -1 for p in [each.log10_p for each in readings] + among) <= 22  # of 120 at .1, three deviations

    def test_the_wrong_key_reads_nothing(self):
        rng = np.random.default_rng(4)
        assert not told(symbols.read(carrying(drawn(rng, 32), 0.6, rng), LAYOUT, OTHER))

    def test_registered_payloads_are_told_where_others_are_not(self):
        rng = np.random.default_rng(5)
        registered = [drawn(rng, bits) for bits in LENGTHS for _ in range(30)]
        for payload in registered[::15]:
            aligned = carrying(payload, 0.28, rng)
            assert not told(symbols.read(aligned, LAYOUT, KEY))
            among = symbols.read(aligned, LAYOUT, KEY, registered)
            assert told(among)
            assert among.payload == payload

    def test_a_neighbour_of_the_payload_is_not_taken_for_it(self):
        rng = np.random.default_rng(6)
        registered = [Payload(value, 32) for value in range(100)]
        for value in range(100, 120):
            assert not told(symbols.read(carrying(Payload(value, 32), 0.5, rng), LAYOUT, KEY, registered))


class TestSpread:
    @pytest.mark.parametrize("bits", LENGTHS)
    @pytest.mark.parametrize("side", [256, 600])
    def test_the_payload_survives_what_files_go_through(self, bits, side):
        payload = drawn(np.random.default_rng(bits + side), bits)
        codec = Spread(payload=payload)
        marked = codec.embed(photograph(side)[None], KEY)
        for stored in (marked[0], jpeg(marked[0], 75), jpeg(marked[0], 90, side=max(256, side // 2))):
            reading = codec.read(stored[None], KEY)[0]
            assert reading.payload == payload
            assert told(reading)

    def test_presence_reaches_its_target_beside_a_payload(self):
        pictures = photograph(512)[None]
        plain, with_payload = Spread(), Spread(payload=Payload(7, 32))
        assert plain.score(plain.embed(pictures, KEY), KEY).log10_p[0] <= -95
        marked = with_payload.embed(pictures, KEY)
        assert plain.score(marked, KEY).log10_p[0] <= -95
        assert 40 <= 10 * np.log10(255**2 / np.mean((marked.astype(float) - pictures) ** 2)) <= 48.1

    def test_where_there_is_no_room_the_mark_is_put_alone(self):
        """Noise of 64 pixels: room for the mark, none for 64 bits beside it."""
        noise = np.random.default_rng(8).integers(60, 190, (1, 64, 64), dtype=np.uint8)
        marked = Spread(payload=Payload(1, 64)).embed(noise, KEY)
        np.testing.assert_array_equal(marked, Spread().embed(noise, KEY))
        assert Spread().score(marked, KEY).log10_p[0] <= REQUIRED_LOG10_P

    def test_each_picture_of_a_batch_is_read_on_its_own_on_torch_too(self):
        torch = pytest.importorskip("torch")
        pictures = np.stack([photograph(256), photograph(256)[::-1]])
        codec = Spread(payload=Payload(0xCAFE, 48))
        marked = codec.embed(torch.from_numpy(pictures.copy()), KEY)
        assert isinstance(marked, torch.Tensor)
        mixed = torch.stack([torch.from_numpy(pictures[0].copy()), marked[1]])
        readings = codec.read(mixed, KEY)
        assert [told(each) for each in readings] == [False, True]
        assert readings[1].payload == codec.payload

    def test_a_second_payload_does_not_overwrite_the_first(self):
        first = Spread(payload=Payload(1, 32)).embed(photograph(512)[None], KEY)
        np.testing.assert_array_equal(Spread(payload=Payload(2, 32)).embed(first, KEY), first)

    @pytest.mark.parametrize(
        ("search", "turned"),
        [
            ("deep", lambda image: ImageOps.mirror(image)),
            ("deep", lambda image: image.rotate(90, expand=True)),
            ("auto", lambda image: image.crop((30, 20, 473, 463))),
            ("deep", lambda image: image.resize((590, 512))),
            ("exhaustive", lambda image: image.rotate(5, Image.Resampling.BICUBIC).crop((40, 40, 472, 472))),
        ],
        ids=["flip", "quarter turn", "crop to 75 %", "stretch", "rotation"],
    )
    def test_it_is_read_where_the_search_found_the_mark(self, search, turned):
        payload = Payload(0xDEADBEEF, 32)
        marked = Spread(payload=payload).embed(photograph(512)[None], KEY)[0]
        luma = np.asarray(turned(Image.fromarray(marked)).convert("L"))[None]
        reading = Spread(search=search).read(luma, KEY)[0]
        assert reading.payload == payload
        assert told(reading)
        assert not told(Spread().read(luma, KEY)[0]), "the fast search alone finds no mark here"
