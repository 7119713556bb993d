"""One's own files as data sets: in class folders, or listed in a table; the same for every modality."""
