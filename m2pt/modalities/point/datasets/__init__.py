"""Published data sets of point clouds: a file each, named after the data set, declares all of it as `DATASET`."""
