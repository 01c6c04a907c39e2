"""The few kinds of error a user can cause. Each message says what was given, what was expected, what to do."""


class HygieneError(Exception):
    """A mistake in the request; the command line prints it in one line and exits with `exit_code`."""

    exit_code = 2


class ConfigurationError(HygieneError):
    """An option, a configuration field or a combination of them that makes no sense."""


class KeyFileError(HygieneError):
    """A key file that is missing, malformed, readable by others, or would be overwritten."""


class InfeasibleError(HygieneError):
    """A policy that the evidence cannot support: too few calibration samples, recall against FPR."""


class UnreadableImage(HygieneError):
    """Bytes that cannot be scored as one still picture. A run records the reason and goes on."""


class TagRefused(HygieneError):
    """A picture that cannot be tagged invisibly or without loss. A run records the reason and goes on."""
