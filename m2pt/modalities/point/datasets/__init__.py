"""Published data sets of point clouds: each has a file of its name that declares it as `DATASET`."""
