"""Published data sets of videos: each has a file of its name that declares it as `DATASET`."""
