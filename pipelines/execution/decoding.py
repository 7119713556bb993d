"""Decoding what runs will read while further data are being made, by processes of their own (`m2pt.data.ahead`)."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from m2pt.config import EmbeddedData, InputConfig, Modality, Study, UserError
from m2pt.data.ahead import Split
from m2pt.data.fingerprints import CACHE
from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.display.view import DATA
from pipelines.execution.log_files import log_file
from pipelines.execution.process_environment import LOGS
from pipelines.execution.progress import Display
from pipelines.planning.embedded_data import make_data, modalities_made
from pipelines.planning.plan import Plan
from pipelines.planning.slots import ONE_THREAD, usable_cores

_COMMAND = (sys.executable, "-m", "m2pt.data.ahead")
_LOG = LOGS / "decoding.log"
_LEAST = 2000
"""So many samples make it worth while: a process takes as long to start as to decode them."""

_MOST_PROCESSES = 4
_LIMIT_S = 300.0


def make_decoded(study: Study, plan: Plan | None, root: Path, display: Display) -> bool:
    """Make the embedded data of a study in `root`, as `make_data` does, and decode what its runs will read of them."""
    if study.data.embedded is None:
        return False
    making = partial(_show, display)
    modalities = modalities_made(study)[::-1]  # video first: what takes longest to decode must not come last
    with DecodingAhead(() if plan is None else plan.specs, study.data.embedded, root) as ahead:
        made = make_data(root, study.data.embedded, making, modalities, ahead.made)
        if ahead.has_begun:
            display.prepare(DATA, "decoding")
    return made


def _show(display: Display, modality: str, done: int, total: int) -> None:
    display.prepare(DATA, f"making {modality}", done, total)


class DecodingAhead:
    """Decodes what runs will read of embedded data below `root`, each modality as soon as it is `made`.

    Leaving the context waits until all is decoded; on an exception, or after a limit, what is not is left to the runs.
    """

    def __init__(self, specs: Iterable[Spec], sizes: EmbeddedData, root: Path) -> None:
        self._root = root
        self._wanted = dict.fromkeys(_read_by(specs))
        self._sizes = sizes.model_dump()
        count = sum(self._sizes.get(split, 0) for _, _, split in self._wanted)
        self._free = 0 if count < _LEAST else min(usable_cores(), _MOST_PROCESSES)
        self._processes: dict[subprocess.Popen[bytes], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            for process in self._processes:
                with suppress(OSError):
                    self._input(process).close()
            deadline = time.monotonic() + _LIMIT_S
            for process in self._processes if error is None else ():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for process in self._processes:
                process.kill()
                process.wait()

    @property
    def has_begun(self) -> bool:
        """Whether processes were started."""
        return bool(self._processes)

    def made(self, modality: Modality, data_sha256: str) -> None:
        """The data of a modality are complete, with this fingerprint."""
        wanted = [(form, split) for name, form, split in self._wanted if name == modality]
        for form, split in sorted(wanted, key=lambda each: -self._sizes[each[1]]):
            if (process := self._least_busy()) is None:
                return
            self._processes[process] += self._sizes[split]
            folder = str(self._root / modality)
            told = Split(modality, folder, split, form.model_dump_json(), data_sha256, str(CACHE))
            with suppress(OSError):  # it has died, and the runs decode instead
                self._input(process).write(told.line())

    def _least_busy(self) -> subprocess.Popen[bytes] | None:
        """The process with the fewest samples to decode, a new one while there may be more; None if there is none."""
        if self._free:
            self._free -= 1
            with suppress(OSError, UserError), log_file(_LOG) as log:
                process = subprocess.Popen(
                    _COMMAND,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env=os.environ | ONE_THREAD,
                    bufsize=0,
                    start_new_session=True,  # Ctrl-C is for whoever waits for it
                )
                self._processes[process] = 0
        return min(self._processes, key=self._processes.__getitem__, default=None)

    def _input(self, process: "subprocess.Popen[bytes]") -> IO[bytes]:
        assert process.stdin is not None
        return process.stdin


def _read_by(specs: Iterable[Spec]) -> Iterator[tuple[Modality, InputConfig, str]]:
    """The splits of embedded data that runs read."""
    for spec in specs:
        if isinstance(spec, PretrainSpec):
            yield from ((spec.modality, spec.input, split) for split in ("pretrain", "val") if spec.reads_data)
        elif spec.task is None:
            yield from ((spec.modality, spec.input, split) for split in ("train", "val", "test"))
            if spec.auxiliary_data is not None:
                yield spec.auxiliary, spec.auxiliary_data.input, "train"
