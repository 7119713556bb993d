"""What m2pt keeps in files: written whole or not at all, read strictly, locked between processes, known again by their state."""
