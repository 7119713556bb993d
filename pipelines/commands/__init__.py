"""The commands of the command line: each is a function of the parsed options that returns the exit code."""
