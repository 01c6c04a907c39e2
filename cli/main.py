"""The command group. A subcommand's module is imported when it is called, so that `--help` stays light."""

import errno
import importlib
from typing import Any

import click

from hygiene import __version__
from hygiene.errors import HygieneError

INTERRUPTED = 130
EXTRAS = "pip install 'hygiene-toolkit[evaluate]'"

# These write when they are done, or nothing: a stop loses what they did.
STORES_NOTHING = {"keygen", "register", "detect", "calibrate", "doctor"}

# name → (module, what `--help` says). The module holds a click command of the same name.
COMMANDS = {
    "keygen": ("cli.keygen", "Make a secret key file."),
    "register": ("cli.register", "Give a generator a payload that marks can carry."),
    "tag": ("cli.tag", "Put a key's invisible mark into pictures, in folders or shards."),
    "detect": ("cli.detect", "Look for marks, and for what files say of themselves."),
    "calibrate": ("cli.calibrate", "Measure tagged samples, for `filter --recall` and `--fpr`."),
    "filter": ("cli.filter", "Split a pool of pictures into kept, excluded and unreadable."),
    "evaluate": ("cli.evaluate", "Run a self-consuming training loop and measure it."),
    "sweep": ("cli.sweep", "Run a grid of loops, and find where more filtering stops helping."),
    "experiment": ("cli.experiment", "Repeat a named experiment, and compare with what is expected."),
    "demo": ("cli.demo", "The whole story on bundled real data, with a report."),
    "doctor": ("cli.doctor", "Say what is installed and what really works."),
}


class LazyGroup(click.Group):
    """Knows its commands by name; translates the errors of users' making into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HygieneError as error:
            line, code = str(error), error.exit_code
        except BrokenPipeError:
            raise  # click ends quietly when the reader of a pipe has had enough
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in ("", "hygiene", "evaluator", "cli"):
                raise  # our own mistake, no missing extra
            line, code = f"{package} is not installed: {EXTRAS}", HygieneError.exit_code
        except MemoryError as error:
            line, code = f"out of memory ({error}): ask for less at a time", HygieneError.exit_code
        except OSError as error:
            line, code = f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), HygieneError.exit_code
            if error.errno == errno.ENOSPC:
                line += "; finished work is stored" if _stores(ctx) else ""
                line += ": make room and run the same command again"
        except KeyboardInterrupt:
            line, code = "stopped", INTERRUPTED
            line += "; finished work is stored, the same command continues it" if _stores(ctx) else ""
        click.echo(f"hygiene: {line}", err=True)
        return ctx.exit(code)


def _stores(ctx: click.Context) -> bool:
    return ctx.invoked_subcommand not in STORES_NOTHING


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hygiene")
def main() -> None:
    """Keep a model's own outputs out of its training data.

    Tag what generators make, filter it out of training pools with a stated false-positive rate, and measure what
    that buys in a self-consuming loop.

    \b
    Example:
      hygiene keygen my.key
      hygiene tag generated tagged --key my.key
      hygiene filter pool clean --key my.key --max-p 1e-9

    \b
    Exit codes: 0 done; 1 a gate failed (--fail-on-found, a check of doctor); 2 usage or configuration;
    3 more unreadable pictures than --max-unreadable; 4 a worker process died; 130 interrupted.
    """


if __name__ == "__main__":
    main()
