"""What a run is, and what it leaves behind: identity, records, attempts, environment, energy, trials."""
