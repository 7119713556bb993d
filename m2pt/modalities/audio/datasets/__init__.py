"""Published data sets of sounds: a file each, named after the data set, declares all of it as `DATASET`."""
