"""The name by which a shell finds this program, for advice that can be copied."""

import re
import shlex
import shutil
import sys
from pathlib import Path

_COMMAND = re.compile(r"`m2pt (?=[a-z])")


def as_called(text: str) -> str:
    """A text that gives commands such as `m2pt status`, with the program as a shell finds it from the current folder."""
    return _COMMAND.sub(lambda _: f"`{program()} ", text)


def program() -> str:
    """`m2pt` where PATH has it, otherwise the path of its command beside this Python, relative if it is below this folder."""
    here, known = Path(sys.executable).with_name("m2pt"), shutil.which("m2pt")
    if not here.is_file() or (known is not None and here.samefile(known)):
        return "m2pt"
    return shlex.quote(str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here))
