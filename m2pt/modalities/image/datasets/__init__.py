"""Published data sets of images: each has a file of its name that declares it as `DATASET`."""
