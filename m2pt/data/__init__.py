"""The data of a study on this machine: fingerprints, decoded samples, the embedded data sets."""
