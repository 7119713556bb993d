"""Prefect's server for a command that goes on without it: it shows what is done, and nothing waits for it or fails by it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from m2pt.config import UserError
from pipelines.execution.process_environment import LOGS
from pipelines.scheduling import server
from pipelines.scheduling.credentials import API_URL

_WITHOUT = "The study goes on without its pages, and nothing but these is lost; if its database is damaged, delete {home}."


@contextmanager
def prefect_or_none(say: Callable[[str], object]) -> Iterator[Callable[[], bool]]:
    """Have a server, if one can be had; what is yielded waits for it, and says whether it is there.

    Of a server that cannot be used `say` is told, by the command that has started it.

    Raises:
        UserError: the address of a server that the user has set leads to none, or to another project's.

    """
    with ExitStack() as stack:
        if os.environ.get(server.OWN) == server.NONE:  # the command that has started this one could have none
            yield lambda: False
            return
        fault: Exception | None = None
        prefect: server.Used | None = None
        named = os.environ.get(API_URL, "")
        try:
            prefect = stack.enter_context(server.used(LOGS / "prefect-server.log"))
        except (UserError, OSError) as error:
            fault = error
        is_anothers = bool(named) and not server.is_ours(named)
        if is_anothers and prefect is not None:
            prefect.ready()

        def ready() -> bool:
            if is_anothers:  # it was there, and whoever sends to it tries again
                return True
            try:
                if prefect is not None:
                    prefect.ready()
                    return True
            except server.ServerEndedError:
                return False
            except UserError as error:
                return False if named else _tell(say, error)
            return _tell(say, fault)

        yield ready


def _tell(say: Callable[[str], object], fault: object) -> bool:
    home = os.environ["PREFECT_HOME"]
    say(f"Prefect cannot be used: {str(fault).rstrip('.')}. {_WITHOUT.format(home=home)}")
    return False
