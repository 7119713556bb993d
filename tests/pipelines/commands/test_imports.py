"""What a command imports before it has looked at anything: libraries that take seconds are left to the commands that use them."""

import json
import subprocess
import sys

import pytest

ROUTE = """
import json, sys
from pipelines.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

SLOW = {
    "torch",
    "numpy",
    "timm",
    "torchvision",
    "scipy",
    "pandas",
    "matplotlib",
    "sympy",
    "sklearn",
    "PIL",
    "mlflow",
    "prefect",
    "optuna",
    "dvc",
}

STUDY = "{study: tiny, data: {embedded: {}}, encoders: {mae: {kind: mae}}, sweep: {seeds: [0], targets: [image, audio]}}"


def imported(folder, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", ROUTE, *words], cwd=folder, capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_help_imports_nothing_but_the_standard_library_and_its_own_files(tmp_path):
    known = sys.stdlib_module_names | {"__main__", "m2pt", "pipelines"}
    assert {name for name in imported(tmp_path, "--help") - known if not name.startswith("_")} == set()


@pytest.mark.parametrize("command", ["plan", "status", "check params.yaml"])
def test_what_looks_at_a_study_imports_nothing_that_computes_draws_or_serves(tmp_path, command):
    (tmp_path / "params.yaml").write_text(STUDY)
    assert imported(tmp_path, *command.split()) & SLOW == set()


def test_what_does_a_study_leaves_computing_and_drawing_to_others(tmp_path):
    imports = "from pipelines.execution.process_environment import prepare; prepare(); import pipelines.scheduling.flows"
    told = f"{imports}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    assert {"torch", "timm", "torchvision", "matplotlib"} & set(done.stdout.split()) == set()
