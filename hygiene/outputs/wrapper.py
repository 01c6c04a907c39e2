"""A generator whose every output is tagged: a diffusers pipeline, or any other callable, wrapped."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from hygiene.errors import ConfigurationError, TagRefused
from hygiene.keys import Key
from hygiene.outputs.tagger import Tagger

_OWN = ("__wrapped__", "tagger")


class Tagged:
    """Called as the generator is, returns what it returns, with the mark; in all else it is the generator itself.

    Only calling it marks: of a method that returns pictures wrap the method. It keeps no state between calls, so
    threads may share it as far as they may share the generator.

    __wrapped__  the generator
    tagger       what marks
    """

    __wrapped__: Callable[..., Any]
    tagger: Tagger

    def __init__(self, generator: Callable[..., Any], tagger: Tagger) -> None:
        vars(self).update(__wrapped__=generator, tagger=tagger)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if options.get("output_type") == "latent" and self.tagger.on_refusal == "raise":
            raise TagRefused("output_type is 'latent': latents are no pictures, mark what is decoded from them")
        return self.tagger(self.__wrapped__(*arguments, **options))

    def __getattr__(self, name: str) -> Any:
        if name in _OWN or name.startswith("__"):
            raise AttributeError(name)  # not the generator's: copying and pickling look for such names
        value = getattr(self.__wrapped__, name)
        return self._chained(value) if getattr(value, "__self__", None) is self.__wrapped__ else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.__wrapped__)})

    def __repr__(self) -> str:
        return f"tagged({self.__wrapped__!r}, {self.tagger!r})"

    def _chained(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method of the generator that returns this wrapper where it would return the generator: pipe.to("cuda")."""

        @wraps(method)
        def called(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            return self if result is self.__wrapped__ else result

        return called


def tagged(generator: Callable[..., Any], key: Key, **options: Any) -> Tagged:
    """`generator`, a diffusers pipeline or another callable, with `key`'s mark in every picture that it returns.

    options  as `Tagger` has them: psnr, payload, two_keys, on_refusal, report, device
    """
    if isinstance(generator, type) or not callable(generator):
        name = generator.__name__ if isinstance(generator, type) else type(generator).__name__
        what = f"the class {name}" if isinstance(generator, type) else f"a {name}"
        raise ConfigurationError(
            f"{what} is no generator: expected a pipeline or another callable; for files there is `hygiene tag`, for "
            "pictures that are there already hygiene.outputs.Tagger"
        )
    call = generator if inspect.isroutine(generator) else getattr(generator, "__call__", generator)  # noqa: B004
    for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        if kind(generator) or kind(call):
            raise ConfigurationError(
                "a generator that is awaited or iterated returns no picture: give hygiene.outputs.Tagger what it gives"
            )
    return Tagged(generator, Tagger(key, **options))
