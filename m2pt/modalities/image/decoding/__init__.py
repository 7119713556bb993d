"""Image files to pixels; a damaged file is refused."""
