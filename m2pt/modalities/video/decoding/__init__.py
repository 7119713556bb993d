"""Video files to frames, and the lists that name them; a damaged file is refused."""
