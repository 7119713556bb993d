"""Python imports this first of all in processes that have this folder in PYTHONPATH: what the harness does to them."""

from tests.faults.boundaries import install_declared

install_declared()
