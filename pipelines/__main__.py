"""The command line: `python -m pipelines COMMAND --study FILE`, also installed as `m2pt`.

Exit codes: 0 success; 1 some runs failed; 2 an error that the user can correct (one sentence says how); 3 a bug in m2pt;
130 and 143 interrupted.
"""

import os
import signal
import sys

IS_PROGRAM = __name__ == "__main__" or os.path.basename(sys.argv[0]) == "m2pt"  # noqa: PTH119 (pathlib is imported below)
"""Whether this process is the command line itself; in another program, its signals are not ours."""

if IS_PROGRAM:  # before any import of ours, which would end with a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from pipelines.execution import interrupts  # noqa: E402
from pipelines.execution.quick_end import QuickEnd  # noqa: E402

if IS_PROGRAM:  # before the other imports, which take seconds
    signal.signal(signal.SIGINT, interrupts.leave)
END = QuickEnd() if IS_PROGRAM else None

import argparse  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Iterator, Mapping, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from types import FrameType  # noqa: E402

from pipelines.commands.parser import Parser, add_first_study  # noqa: E402
from pipelines.commands.using import add_using  # noqa: E402
from pipelines.execution import process_environment as environment  # noqa: E402
from pipelines.execution.display.view import FIRST  # noqa: E402
from pipelines.execution.program import as_called  # noqa: E402
from pipelines.execution.progress import Display  # noqa: E402
from pipelines.housekeeping.garbage import Kind  # noqa: E402

EPILOG = (
    "Exit codes: 0 success, 1 some runs failed, 2 an error that you can correct (one sentence says how), 3 a bug in m2pt, 130 "
    "and 143 interrupted."
)

COMMANDS = {
    "init": ("init", "write a first study file for your own data, weights and minutes"),
    "check": ("check", "say all that is wrong with study files, at line and column, and what their studies would cost"),
    "plan": ("plan", "show what a study would run, what is done, what cannot start and why, and what the rest will cost"),
    "register": ("register", "write down what a study asks before it has results, so that its claims are confirmatory"),
    "status": ("status", "show what runs where, how many runs are in each state, why runs failed, and what takes space"),
    "verify": ("verify", "read every file of a study, and say which is not as it was written and what to do"),
    "stop": ("stop", "end a study that runs in another terminal or on another host; its runs save, and go on at the next start"),
    "data": ("execute", "make the embedded data of a study"),
    "study": ("execute", "run a complete study: make its data, pretrain its encoders, fine-tune, write the report"),
    "search": ("search", "run the search of a study: its trials, then a comparison of the chosen values with the declared ones"),
    "pretrain": ("execute", "pretrain the encoders of a study"),
    "sweep": ("execute", "do the fine-tuning runs of a study"),
    "report": ("execute", "write the report of a study from the runs that are complete so far"),
    "publish": ("publish", "publish the results of runs to the tracker (MLflow by default); safe to repeat"),
    "compare": ("compare", "show the gains of two studies side by side"),
    "export": (
        "export",
        "write the final model of a run in the format of another program, with a card",
    ),
    "predict": ("predict", "show the classes of files with their scores, by the final model of a run"),
    "weights": ("weights", "describe a file of pretrained weights"),
    "serve": ("serve", "run a study on a schedule, on a Prefect server"),
    "ui": ("serve", "serve the web pages of MLflow, and of Prefect with --prefect"),
    "gc": ("gc", "show what can be deleted to free space; with --delete, delete it"),
}


ENGINES = ("local", "ray", "slurm")
"""What `execution.engine` may be."""

WITHOUT_STUDY = ("check", "compare", "export", "init", "predict", "weights")
"""Commands that take no --study option."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; it does not import the commands."""
    words = "Studies of transfer between transformers of different modalities, from the data to the report."
    parser = Parser(prog="m2pt", description=words, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    each = {
        name: commands.add_parser(name, help=line, description=f"{line[:1].upper()}{line[1:]}.", epilog=EPILOG)
        for name, (_, line) in COMMANDS.items()
    }
    for name, command in each.items():
        if name not in WITHOUT_STUDY:
            command.add_argument(
                "--study", type=Path, default=Path("params.yaml"), metavar="FILE", help="the study file (default: params.yaml)"
            )
    _add_options(each)
    add_using(each)
    return parser


def _add_options(each: Mapping[str, argparse.ArgumentParser]) -> None:
    """The options that only some commands have."""
    add_first_study(each["init"])
    each["check"].add_argument("files", type=Path, nargs="*", metavar="FILE", help="a study file")
    each["check"].add_argument(
        "--schema", action="store_true", help="print the JSON schema of study files, for editors, with the keys of plugins"
    )
    each["compare"].add_argument("first", type=Path, metavar="FIRST", help="a study file")
    each["compare"].add_argument("second", type=Path, metavar="SECOND", help="another study file")
    each["plan"].add_argument(
        "--seeds-needed",
        action="store_true",
        help="show how many seeds each comparison needs, judged by the runs so far; it counts as a look at results",
    )
    each["register"].add_argument(
        "--despite-runs",
        action="store_true",
        help="register a study that has runs already; they are named, and its claims stay exploratory",
    )
    _add_inspection(each["weights"])
    for name in ("verify", "plan", "check"):
        each[name].add_argument("--json", action="store_true", help="print JSON")
    once = each["status"].add_mutually_exclusive_group()
    once.add_argument("--json", action="store_true", help="print JSON")
    once.add_argument("--watch", action="store_true", help="draw it again and again in the terminal, until Ctrl-C")
    each["data"].add_argument(
        "--out", type=Path, metavar="FOLDER", help="the folder to make them in (default: the study's data.root)"
    )
    each["report"].add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the folder to write it to (default: reports for params.yaml, build/STUDY/reports for others)",
    )
    for name in ("plan", "status", "study", "search", "pretrain", "sweep"):
        each[name].add_argument(
            "--verify", action="store_true", help="read all data and weights again, also where their size and times are as before"
        )
    for name in ("study", "pretrain", "sweep"):
        each[name].add_argument("--engine", choices=ENGINES, help="what does the runs (default: execution.engine of the study)")
    each["gc"].add_argument("--delete", action="store_true", help="delete what is listed")
    kinds = [kind.value for kind in Kind]
    each["gc"].add_argument("--only", action="append", choices=kinds, help="only this kind of thing; may be given several times")
    _add_serving(each)


def _add_inspection(weights: argparse.ArgumentParser) -> None:
    weights.add_argument("action", choices=["inspect"], help="what to do")
    weights.add_argument("file", type=Path, metavar="FILE", help="a file or folder of weights")
    weights.add_argument("--layout", help="the name of the layout, if several fit the file")
    weights.add_argument("--weights", help="which of two sets of weights: raw (as trained) or ema (their moving average)")
    weights.add_argument("--grid", help="the grid of the stored positions, such as 14x14, if the layout defines none")
    weights.add_argument("--places", help="show what happens to the positions for an input of this grid, such as 32x8")
    weights.add_argument("--json", action="store_true", help="print JSON")


def _add_serving(each: Mapping[str, argparse.ArgumentParser]) -> None:
    schedule = each["serve"].add_mutually_exclusive_group(required=True)
    schedule.add_argument(
        "--cron", metavar="EXPRESSION", help='start the study at these times, such as "0 2 * * *" (every night at two)'
    )
    schedule.add_argument("--every", type=float, metavar="SECONDS", help="start the study every so many seconds")
    each["serve"].add_argument("--starter", action="store_true", help=argparse.SUPPRESS)
    for name in ("serve", "ui"):
        each[name].add_argument(
            "--port", type=int, metavar="PORT", help="the port of the pages; another one is used if it is taken, any one for 0"
        )
    each["ui"].add_argument("--prefect", action="store_true", help="serve the pages of Prefect too")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error is one sentence on standard error, never a traceback."""
    options = build_parser().parse_args(arguments)
    if getattr(options, "engine", None):
        os.environ["M2PT_ENGINE"] = options.engine  # which reaches the stages of DVC too
    environment.prepare()
    environment.follow_parent()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with _display(options.command) as options.display:
            code, sentence = _run(options)
    finally:
        if IS_PROGRAM:  # what is left is Python's own end, which an interrupt would turn into a traceback
            signal.signal(signal.SIGINT, interrupts.leave)
    if sentence:
        print(f"m2pt: {as_called(sentence)}", file=sys.stderr)
    if END is not None:
        END.code = code
    return code


@contextmanager
def _display(command: str) -> Iterator[Display | None]:
    """What shows the progress of a command that takes long; it is there before anything heavy is imported."""
    if command not in FIRST:
        yield None
        return
    with Display() as display:
        display.prepare(FIRST[command], "loading the libraries")
        yield display


def _run(options: argparse.Namespace) -> tuple[int, str]:
    """Run the command; returns its exit code, and a sentence if it failed."""
    try:
        from m2pt.config import UserError
    except ImportError as error:
        return 2, f"{error.name or error} is not installed; install m2pt with its requirements."
    try:
        module = importlib.import_module(f"pipelines.commands.{COMMANDS[options.command][0]}")
        gc.freeze()  # what was imported stays, and so does a plan of thousands of runs: a third of its time went into looking
        gc.set_threshold(100_000, 50, 50)
        if IS_PROGRAM:
            signal.signal(signal.SIGINT, interrupts.interrupt)
            interrupts.heard()
        code = int(getattr(module, options.command)(options))
        sys.stdout.flush()
    except UserError as error:
        return 2, str(error)
    except KeyboardInterrupt:
        return 130, "interrupted; run the command again to continue."
    except BrokenPipeError:  # the reader of our output is gone, as with `head`; without this, Python would complain again on exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141, ""
    except ModuleNotFoundError as error:
        return 2, f"{error.name} is not installed; install m2pt with its extra requirements `pipelines` and `embedded`."
    except Exception as error:  # the last resort, so that no user sees a traceback
        return 3, f"unexpected {type(error).__name__}: {error} ({_keep_traceback()})."
    return code, ""


def _keep_traceback() -> str:
    path = environment.LOGS / time.strftime("error-%Y%m%d-%H%M%S.txt")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError as error:
        return f"no traceback could be written: {error.strerror}"
    return f"the traceback is in {path}"


def _terminated(_: int, __: FrameType | None) -> None:
    if END is not None:
        END.code = 143
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
