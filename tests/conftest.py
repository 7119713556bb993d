"""Imported before any test: m2pt makes torchvision (which timm imports) importable beside a CPU build of torch."""

import m2pt

assert m2pt.__version__
