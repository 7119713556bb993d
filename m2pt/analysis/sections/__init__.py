"""The sections of a report, one file each: from what was computed of a study to the blocks that a reader sees."""
