"""The end of this process: all that was to be done at exit is done, and then the operating system takes its memory as a whole.

Python would free every object one by one, which takes from one to seven seconds after Prefect, MLflow and torch were loaded: the
command has said its last word, and the prompt does not come back.
"""

import atexit
import os
import sys
from contextlib import suppress


class QuickEnd:
    """Ends the process with `code` after everything else that was registered with `atexit`; without a code Python ends as ever.

    Make it before anything heavy is imported: what is registered first is done last.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._end)

    def _end(self) -> None:
        if self.code is None:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # its reader is gone, or it was closed
                stream.flush()
        os._exit(self.code)
