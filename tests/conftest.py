"""Imported before any test: m2pt makes torchvision (which timm imports) importable beside a CPU build of torch."""

import signal

import torch

import m2pt

assert m2pt.__version__

# As in a job: results do not depend on the number of cores, and tests that run side by side do not slow one another down.
torch.set_num_threads(1)

# A shell starts background commands with interrupts ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
