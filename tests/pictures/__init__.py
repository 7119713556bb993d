"""The pictures in docs/pictures, taken by a real browser and a real terminal: `make pictures`."""
