"""The tests under adverse conditions: `make test-hard`, or `make test-hard ARGS='--times 1 -- tests/pipelines'`.

Each repetition has another order of tests, a busy process on each core, no home folder, the plain C locale, another time zone,
closed input and, if this user is allowed to, a read-only `/proc`. Each takes several times as long as `make test`.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack

READ_ONLY = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -o remount,ro /proc && exec "$@"', "sh"]
ENVIRONMENT = {"HOME": "/dev/null/nowhere", "LANG": "C", "LC_ALL": "C", "TZ": "Pacific/Chatham"}
BUSY = [sys.executable, "-S", "-c", "while True: pass"]


def main() -> int:
    """Run the tests; the exit code is that of the first repetition that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="number of repetitions (5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first order (0)")
    parser.add_argument("tests", nargs="*", help="arguments of pytest, after --")
    options = parser.parse_args()
    may = subprocess.run([*READ_ONLY, "true"], capture_output=True, check=False).returncode == 0
    print(f"/proc is {'read-only' if may else 'writable: this user cannot change that'}", flush=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LC_")} | ENVIRONMENT
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            busy = stack.enter_context(subprocess.Popen(BUSY, stdin=subprocess.DEVNULL))
            stack.callback(busy.kill)
        for seed in range(options.seed, options.seed + options.times):
            start = time.monotonic()
            command = [sys.executable, "-m", "pytest", "--order-seed", str(seed), "-p", "no:cacheprovider", *options.tests]
            code = subprocess.run(
                [*(READ_ONLY if may else []), *command], env=variables, stdin=subprocess.DEVNULL, check=False
            ).returncode
            print(f"order {seed}: exit code {code} after {time.monotonic() - start:.0f} s", flush=True)
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
