"""Published data sets of videos: a file each, named after the data set, declares all of it as `DATASET`."""
