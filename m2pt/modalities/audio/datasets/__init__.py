"""Published data sets of sounds: each has a file of its name that declares it as `DATASET`."""
