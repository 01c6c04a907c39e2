"""Payloads: the few bits beside a mark that name what made a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from hygiene.errors import ConfigurationError

SYMBOL_BITS = 16
LENGTHS = (32, 48, 64)
"""Bits that a payload may have."""

_FACTORS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Odd, so that multiplying has an inverse modulo a power of two: the constants of SplitMix64 (Steele et al. 2014)."""


@dataclass(frozen=True)
class Payload:
    """value: 0 ≤ value < 2^bits; bits: one of LENGTHS. Printed as hexadecimal digits, four bits each."""

    value: int
    bits: int

    def __post_init__(self) -> None:
        if self.bits not in LENGTHS:
            raise ConfigurationError(f"a payload of {self.bits} bits: expected one of {', '.join(map(str, LENGTHS))}")
        if not 0 <= self.value < 1 << self.bits:
            raise ConfigurationError(f"payload {self.value:#x} does not fit {self.bits} bits")

    def __str__(self) -> str:
        return f"{self.value:0{self.bits // 4}x}"

    @classmethod
    def parse(cls, text: str) -> "Payload":
        """From its hexadecimal digits: 8, 12 or 16 of them tell the number of bits."""
        digits = text.lower().removeprefix("0x")
        if 4 * len(digits) not in LENGTHS or set(digits) - set("0123456789abcdef"):
            raise ConfigurationError(f"payload {text!r}: expected 8, 12 or 16 hexadecimal digits (32, 48 or 64 bits)")
        return cls(int(digits, 16), 4 * len(digits))

    @property
    def symbols(self) -> tuple[int, ...]:
        """Mixed first, one to one, so that payloads that differ in one bit differ in every symbol, nearly always."""
        mixed = self.value
        for factor in _FACTORS:
            mixed = mixed * factor % (1 << self.bits)
            mixed ^= mixed >> self.bits // 2
        return tuple(mixed >> SYMBOL_BITS * i & 0xFFFF for i in range(self.bits // SYMBOL_BITS))

    @classmethod
    def of_symbols(cls, symbols: Sequence[int]) -> "Payload":
        """The payload that has these symbols."""
        bits = SYMBOL_BITS * len(symbols)
        value = sum(symbol << SYMBOL_BITS * i for i, symbol in enumerate(symbols))
        for factor in reversed(_FACTORS):
            value ^= value >> bits // 2
            value = value * pow(factor, -1, 1 << bits) % (1 << bits)
        return cls(value, bits)
