"""Files of point clouds to arrays; a damaged file is refused."""
