"""The command line: `python -m pipelines COMMAND --study FILE`, also installed as `m2pt`.

Exit codes: 0 all is well; 1 some runs failed; 2 the user can mend it (one sentence says how); 3 an error of m2pt itself;
130 and 143 interrupted.
"""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from pipelines.execution import process_environment as environment

EPILOG = "Exit codes: 0 all is well, 1 some runs failed, 2 a fault that you can mend (one sentence says how), 3 an error of m2pt."

COMMANDS = {
    "plan": ("plan", "show what would run, what is done, and what it will cost"),
    "status": ("status", "show how many runs are in each state, and every failed one by name"),
    "data": ("execute", "make the embedded data of a study"),
    "study": ("execute", "do the whole study: data, encoders, runs, report"),
    "search": ("search", "do a study with a search: trials, then what they chose beside what was declared"),
    "pretrain": ("execute", "make the encoders of a study"),
    "sweep": ("execute", "do the fine-tuning runs of a study"),
    "report": ("execute", "render the report of a study as it stands"),
    "publish": ("publish", "publish what the runs left behind to MLflow; twice is as good as once"),
    "compare": ("compare", "show the gains of two studies side by side"),
    "weights": ("weights", "say what a file of pretrained weights is"),
    "serve": ("serve", "put a study on a schedule on a Prefect server"),
    "ui": ("serve", "show the pages of MLflow, and of Prefect with --prefect"),
}


WITHOUT_STUDY = ("compare", "weights")
"""Commands that are given files of their own."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; imports nothing of the commands."""
    parser = argparse.ArgumentParser(prog="m2pt", description="Studies of cross-modal transfer, end to end.", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    each = {name: commands.add_parser(name, help=line, description=line, epilog=EPILOG) for name, (_, line) in COMMANDS.items()}
    for name, command in each.items():
        if name not in WITHOUT_STUDY:
            command.add_argument(
                "--study", type=Path, default=Path("params.yaml"), metavar="FILE", help="study file (params.yaml)"
            )
    each["compare"].add_argument("first", type=Path, metavar="FIRST", help="a study file")
    each["compare"].add_argument("second", type=Path, metavar="SECOND", help="another study file")
    each["plan"].add_argument(
        "--seeds-needed", action="store_true", help="say how many seeds each pair needs, from what is known"
    )
    each["weights"].add_argument("action", choices=["inspect"], help="what to do")
    each["weights"].add_argument("file", type=Path, metavar="FILE", help="a file or folder of weights")
    each["weights"].add_argument("--layout", help="the layout, where several fit")
    each["weights"].add_argument("--weights", help="raw: the trained weights; ema: their moving average")
    each["weights"].add_argument("--grid", help="the grid of the stored positions, such as 14x14, where nothing defines it")
    each["weights"].add_argument("--places", help="say what becomes of the positions on a grid of an input, such as 32x8")
    each["weights"].add_argument("--json", action="store_true", help="print one JSON document")
    each["plan"].add_argument("--json", action="store_true", help="print one JSON document")
    each["data"].add_argument("--out", type=Path, metavar="FOLDER", help="where to make them (the study's data.root)")
    each["report"].add_argument("--out", type=Path, metavar="FOLDER", help="where to render it (reports, or build/STUDY/reports)")
    schedule = each["serve"].add_mutually_exclusive_group(required=True)
    schedule.add_argument("--cron", metavar="EXPRESSION", help='for instance "0 2 * * *": every night at two')
    schedule.add_argument("--every", type=float, metavar="SECONDS", help="start again and again after so many seconds")
    each["serve"].add_argument("--starter", action="store_true", help=argparse.SUPPRESS)
    for name in ("serve", "ui"):
        each[name].add_argument("--port", type=int, metavar="PORT", help="preferred port of the pages")
    each["ui"].add_argument("--prefect", action="store_true", help="show the pages of Prefect too")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command; returns its exit code. A fault is told in one sentence on standard error, never by a traceback."""
    options = build_parser().parse_args(arguments)
    environment.prepare()
    environment.follow_parent()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        from m2pt.config import UserError
    except ImportError as error:
        return _tell(f"{error.name or error} is not installed; install m2pt with its requirements.", 2)
    try:
        module = importlib.import_module(f"pipelines.commands.{COMMANDS[options.command][0]}")
        code = int(getattr(module, options.command)(options))
        sys.stdout.flush()
    except UserError as error:
        return _tell(str(error), 2)
    except KeyboardInterrupt:
        return _tell("interrupted; start again and it goes on.", 130)
    except BrokenPipeError:  # who read our output has left, as `head` does; Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ModuleNotFoundError as error:
        return _tell(f"{error.name} is not installed; install m2pt with its extra requirements `pipelines` and `embedded`.", 2)
    except Exception as error:  # the last resort, so that no traceback reaches a user
        return _tell(f"unexpected {type(error).__name__}: {error} ({_keep_traceback()} says where).", 3)
    return code


def _tell(sentence: str, code: int) -> int:
    print(f"m2pt: {sentence}", file=sys.stderr)
    return code


def _keep_traceback() -> str:
    path = environment.LOGS / time.strftime("error-%Y%m%d-%H%M%S.txt")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError as error:
        return f"no log, for {error.strerror},"
    return str(path)


def _terminated(_: int, __: FrameType | None) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
