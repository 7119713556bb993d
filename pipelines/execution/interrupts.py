"""What an interrupt (Ctrl-C) does: it ends the command in order, but never in the middle of an import; a second one at once.

An import that is interrupted leaves modules behind that are half there, and Python loses an interrupt that comes while it frees
the lock of a module. It also loses one while its main thread waits in a system call, if the operating system hands the signal to
another thread: only the main thread runs handlers, and nothing wakes it (`heard` does).

It imports nothing heavy, because it is needed first of all.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_AGAIN_S = 0.1
_WAKE_AFTER_S = (0.05, 0.5, 2.0)
"""The main thread may be about to wait, where a single call would come too early."""

led: set[int] = set()
"""The process groups that this process has started and that do not notice when it has ended."""


def leave(_: int, __: FrameType | None) -> None:
    """End at once, with the groups that this process leads: the user does not wait for an end in order, or there is none.

    Workers and servers end with their standard input, and every file of a run is written so that it may be cut off at any point.
    """
    for group in led:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    if os.isatty(1):
        os.write(1, b"\x1b[?25h\n")  # a progress display hides the cursor
    os.write(2, b"m2pt: interrupted.\n")
    os._exit(130)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise `KeyboardInterrupt`, as soon as no import goes on in the main thread; the next interrupt ends the process at once."""
    if not _imports(frame):
        signal.signal(signal.SIGINT, leave)
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


def heard() -> None:
    """From now on, the main thread runs the handler of a signal also if another thread has received it.

    Of about 40 interrupts of a process that waited for another one, one was received by another thread (Linux 6.18).
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGURG, lambda _, __: None)  # its arrival ends a system call; without a handler it would be ignored
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_wake, args=[reader], daemon=True).start()


def _wake(reader: int) -> None:
    main = threading.main_thread().ident
    while received := os.read(reader, 1):
        if received[0] != signal.SIGURG and main is not None:
            for seconds in _WAKE_AFTER_S:
                time.sleep(seconds)
                signal.pthread_kill(main, signal.SIGURG)


def _imports(frame: FrameType | None) -> bool:
    """Whether an import goes on in this frame or above it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
