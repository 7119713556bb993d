"""Files that m2pt keeps: written completely or not at all, read strictly, locked between processes, recognised by their state."""
