"""Sound files to waveforms, and the lists that name them; a damaged file is refused."""
