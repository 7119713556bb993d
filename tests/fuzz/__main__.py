"""Read tens of thousands of damaged files with every reader, each in a process of its own under limits of time and memory.

    python -m tests.fuzz [--inputs 50000] [--only NAME ...] [--seed 0] [--coverage]

Hypothesis draws what is damaged, and shrinks what it finds; with `--coverage` atheris does, which follows the branches of m2pt
(`pip install atheris==3.0.0`). A finding is printed, and its file kept in build/fuzz/; put it into tests/fuzz/found/ with its
mend, where it stays as a test.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
import traceback
from contextlib import nullcontext
from pathlib import Path

KEPT = Path("build/fuzz")
_SHARES = {"study file": 1, "shard": 1, "weights": 2, "sound": 2, "picture": 2}
"""Of readers that take long, in parts of what the others get (4)."""


def share(name: str, inputs: int, names: list[str]) -> int:
    """How many of the inputs a reader gets."""
    parts = {other: _SHARES.get(other, _SHARES.get(other.partition(":")[0], 4)) for other in names}
    return -(-inputs * parts[name] // sum(parts.values()))


def work(name: str, inputs: int, seed: int, coverage: bool) -> None:
    """Read so many files with one reader; prints what came of it as JSON."""
    with _followed() if coverage else nullcontext():
        from tests.fuzz.readers import READERS
    from tests.fuzz.trial import limit_memory

    reader = READERS[name]
    seeds = reader.seeds()
    limit_memory()
    last = KEPT / f"last-{hashlib.sha256(name.encode()).hexdigest()[:8]}.bin"
    counts = {"inputs": 0, "refused": 0, "slowest_s": 0.0}

    def one(content: bytes) -> None:
        from tests.fuzz.trial import answer

        last.write_bytes(content)  # of a process that is killed by what it reads, this is what it read
        given = answer(reader, content)
        counts["inputs"] += 1
        counts["refused"] += given.refused
        counts["slowest_s"] = max(counts["slowest_s"], given.seconds)
        if coverage and counts["inputs"] % 100 == 0:  # atheris ends the process
            print(json.dumps(counts | {"fault": None}), flush=True)

    fault = None
    try:
        for content in seeds:
            one(content)
        (_by_coverage if coverage else _by_hypothesis)(one, reader.form, seeds, inputs, seed)
    except BaseException as error:
        faults = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
        fault = " | ".join(f"{type(each).__name__}: {str(each)[:400]}" for each in faults)
        traceback.print_exception(error)
        kept = KEPT / f"{reader.folder}-{hashlib.sha256(last.read_bytes()).hexdigest()[:8]}.bin"
        kept.write_bytes(last.read_bytes())
        fault += f" ({kept})"
    print(json.dumps(counts | {"fault": fault}))


def _followed():
    """What is imported within is followed branch by branch: our own code, not that of libraries."""
    import atheris

    return atheris.instrument_imports(include=["m2pt", "pipelines"])


def _by_hypothesis(one, form, seeds, inputs, seed):
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as some

    from tests.fuzz.mutations import changed

    @seeded(seed)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(some.sampled_from(seeds), some.integers(0, 2**64))
    def read(content: bytes, drawn: int) -> None:
        one(changed(content, form, random.Random(drawn)))

    read()


def _by_coverage(one, form, seeds, inputs, seed):
    """In a process that atheris ends; what its own mutations leave is damaged once more by ours half of the time."""
    import atheris

    from tests.fuzz.mutations import changed

    def mutate(content: bytes, limit: int, drawn: int) -> bytes:
        if drawn % 2:
            return changed(content, form, random.Random(drawn))[:limit]
        return bytes(atheris.Mutate(content, limit))

    corpus = KEPT / f"seeds-{hashlib.sha256(repr(seeds).encode()).hexdigest()[:8]}"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds):
        (corpus / str(number)).write_bytes(content)
    options = [
        f"-runs={inputs}",
        f"-seed={seed + 1}",
        "-max_len=1000000",
        "-rss_limit_mb=0",
        "-verbosity=0",
        "-print_final_stats=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> int:
    """Print a line for each reader; 1 if one of them found anything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=50_000, help="damaged files, of all readers together")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", action="store_true", help="let atheris draw, led by the branches that are taken")
    parser.add_argument("--work", metavar="NAME", help=argparse.SUPPRESS)
    given = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    if given.work:
        work(given.work, given.inputs, given.seed, given.coverage)
        return 0
    from tests.fuzz.readers import READERS

    names = given.only or list(READERS)
    found = 0
    print(f"{'reader':24} {'inputs':>7} {'refused':>8} {'slowest':>9} {'took':>7}  found")
    for name in names:
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.fuzz", "--work", name, "--inputs", str(share(name, given.inputs, names))]
        command += ["--seed", str(given.seed), *(["--coverage"] if given.coverage else [])]
        with (KEPT / f"{READERS[name].folder}.txt").open("w") as errors:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        end = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        told = (
            json.loads(lines[-1])
            if lines
            else {"inputs": 0, "refused": 0, "slowest_s": 0.0, "fault": f"its process ended ({end})"}
        )
        if done.returncode and lines:  # by atheris, which prints what was raised
            told["fault"] = told["fault"] or f"its process ended ({end}); {KEPT / READERS[name].folder}.txt says why"
        found += told["fault"] is not None
        words = f"{told['inputs']:7} {told['refused']:8} {1000 * told['slowest_s']:6.0f} ms {time.monotonic() - began:5.0f} s"
        print(f"{name:24} {words}  {told['fault'] or 'nothing'}", flush=True)
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
