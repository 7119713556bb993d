"""What an interrupt (Ctrl-C) does: it ends the command in order, but never in the middle of an import.

An import that is interrupted leaves modules behind that are half there, and Python loses an interrupt that comes while it frees
the lock of a module. It imports nothing heavy, because it is needed first of all.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.1


def leave(_: int, __: FrameType | None) -> None:
    """End at once: nothing is under way yet, or any more, that would have to be ended in order."""
    if os.isatty(1):
        os.write(1, b"\x1b[?25h\n")  # a progress display hides the cursor
    os.write(2, b"m2pt: interrupted.\n")
    os._exit(130)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise `KeyboardInterrupt`, as soon as no import goes on in the main thread."""
    if not _imports(frame):
        raise KeyboardInterrupt
    again = threading.Timer(_AGAIN_S, os.kill, [os.getpid(), number])
    again.daemon = True
    again.start()


@contextmanager
def obeyed_at_once() -> Iterator[None]:
    """While libraries are loaded for seconds, an interrupt ends the process without waiting for them.

    Every process that this one has started ends with it. Without effect where another program handles interrupts.
    """
    if signal.getsignal(signal.SIGINT) is not interrupt:
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)


def _imports(frame: FrameType | None) -> bool:
    """Whether an import goes on in this frame or above it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
