"""How the progress of a command is shown: as bars in a terminal, as lines elsewhere, as events to the command that started it."""
