"""What the commands of the command line do; each function takes the parsed options and returns the exit code."""
