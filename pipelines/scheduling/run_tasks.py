"""The runs of a study, each shown as a task, so that the user sees which one is going on."""

import itertools
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from m2pt.config import UserError
from m2pt.runs.spec import Spec
from pipelines.execution.expected import pace_of
from pipelines.execution.outcome import Ended
from pipelines.execution.priority import in_order, starts_of
from pipelines.execution.session import Session

_AHEAD = 1
"""Tasks beyond what the engine does at once: the next one is ready when a slot becomes free."""


class StoppedError(Exception):
    """The session was told to stop, so that what follows its runs is not done."""


def do_runs(session: Session, kind: str, phase: str, title: str, total: int, todo: Sequence[Spec]) -> None:
    """Do runs of a kind, shown as a phase with a title, as many at once as the engine does, the longest first.

    Raises:
        StoppedError: the session was stopped before all of them had ended.
        UserError: a disk is full.

    """
    pace = pace_of(session.plan, todo, session.engine.capacity)
    session.display.begin(phase, total, total - len(todo), title, pace)
    if todo:
        session.warm()
        with ThreadPoolExecutor(session.engine.capacity + _AHEAD) as pool:
            try:
                _submit_all(pool, session, kind, in_order(session.plan, todo, pace))
            except BaseException:
                session.stop()
                raise
    if session.out_of_space is not None:
        raise UserError(f"{session.out_of_space.rstrip('.')}. The other runs wait: free space (`m2pt gc`), then start again.")
    if session.stopped:
        raise StoppedError


def _submit_all(pool: ThreadPoolExecutor, session: Session, kind: str, todo: Sequence[Spec]) -> None:
    """Each run in its order, as soon as the engine can take it; an encoder that starts from another waits for it."""
    left = {session.plan.label(spec): spec for spec in todo}
    starts = starts_of(session.plan, todo)
    over: queue.SimpleQueue[str] = queue.SimpleQueue()
    futures: dict[str, Future[Ended]] = {}
    going: set[str] = set()
    while left and not session.stopped:
        ready = (name for name in left if starts.get(name) not in left and starts.get(name) not in going)
        for name in list(itertools.islice(ready, max(0, session.engine.capacity + _AHEAD - len(going)))):
            spec, begun = left.pop(name), threading.Event()
            if (start := futures.get(starts.get(name, ""))) is not None and not start.result().ok:
                continue  # there is nothing to start from
            futures[name] = pool.submit(_do, session, kind, spec, begun)
            futures[name].add_done_callback(partial(_over, begun, over, name))
            going.add(name)
            begun.wait()  # so that they ask the engine for a slot in their order
        if going:
            going.remove(over.get())
    for future in futures.values():
        future.result()


def _over(begun: threading.Event, over: "queue.SimpleQueue[str]", name: str, _: object) -> None:
    begun.set()
    over.put(name)


def _do(session: Session, kind: str, spec: Spec, begun: threading.Event) -> Ended:
    """Do one run, a second time if its worker dies."""
    name = session.plan.label(spec)
    task = session.shown.begin(kind, name)
    task.log(f"{name}: running")
    begun.set()
    ended = session.do(spec, again=True)
    if ended.died and not session.stopped:
        task.log(f"{name}: {ended.result}", error=True)
        ended = session.do(spec)
    task.log(f"{name}: {ended.result}", error=not ended.ok)
    task.end("COMPLETED" if ended.ok else "CANCELLED" if session.stopped else "FAILED", ended.result)
    return ended
