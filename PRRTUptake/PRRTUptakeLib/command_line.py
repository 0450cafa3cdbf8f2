"""What every subcommand of ``prrt`` shares: how it is declared, how it fails, how it prints JSON."""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import math
import os
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError, reason
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DONE, NO_ANSWER = 0, 1  # wrong use is argparse's 2
INTERRUPTED = 130  # as a shell says it of Ctrl-C
# Options of mallopt(3): what is kept at the end of the heap (M_TRIM_THRESHOLD), and from what size on an array has
# pages of its own, which go back to the system (M_MMAP_THRESHOLD).
_KEPT_bytes = {-1: 128 << 20, -3: 16 << 20}


@dataclass(frozen=True)
class Command:
    """One subcommand: its name, one line of help, its arguments, and what it does with them."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def settle_process() -> None:
    """Settings of a process that is ours alone, as the command's: call it before numpy is imported.

    Our matrices are small: with threads, BLAS takes a tenth more CPU time and is ready no sooner. What is made once
    (modules, tables) is looked through for garbage less often, and not at all when the process ends.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(20_000, 50, 100)
    atexit.register(gc.freeze)
    _use_memory_again()


def _use_memory_again() -> None:
    """Have the GNU C library keep what arrays gave back, up to 128 MB, for the arrays that follow.

    It gives most of it back to the system, which fills each page with zeros when it is asked for again: a third of all
    page faults of a run. With other libraries, or where the user chose, nothing is changed.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return
    import ctypes  # as numpy does

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, most in _KEPT_bytes.items():
            set_option(option, most)


def execute(commands: Sequence[Command], arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that ``arguments`` name (``sys.argv`` by default) and return the exit status.

    0 done; 1 the data do not allow an answer, with one sentence on standard error; 2 wrong use (argparse); 130 stopped.
    """
    parser = argument_parser(commands)
    chosen = parser.parse_args(arguments)
    try:
        with _ended_like_interrupted():
            chosen.run(chosen)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\nprrt {chosen.command}: stopped; what was being written is removed.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return NO_ANSWER
    except PRRTError as error:
        print(f"prrt {chosen.command}: {error}", file=sys.stderr)
        return NO_ANSWER
    except OSError as error:  # a full disk, a read-only folder: the user's to mend, not a defect
        name = f" ({error.filename})" if error.filename else ""
        print(f"prrt {chosen.command}: {reason(error)}{name}.", file=sys.stderr)
        return NO_ANSWER
    return DONE


def argument_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """The parser of ``prrt`` with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="prrt", description="Uptake and dosimetry of peptide receptor radionuclide therapy. Research use only."
    )
    parser.add_argument("--version", action="version", version=f"prrt {VERSION} (SlicerPRRT)")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        subparser = subparsers.add_parser(command.name, help=command.summary, description=command.summary)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """A request to end (SIGTERM, as of a queue or a shutdown) tidies up as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object and nothing else."""
    print(json_text(content))


def json_text(content: dict[str, Any]) -> str:
    """One JSON object as text; numbers that are not finite become null, as JSON has no word for them.

    Examples
    --------
    >>> print(json_text({"p": float("nan")}))
    {
      "p": null
    }
    """
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
