"""Time series as a further modality of m2pt, with the data sets of the UCR archive and a method."""

import m2pt.config  # noqa: F401  # before `section`, which it imports itself
