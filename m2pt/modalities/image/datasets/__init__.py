"""Published data sets of images: a file each, named after the data set, declares all of it as `DATASET`."""
