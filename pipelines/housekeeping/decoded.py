"""What can be removed of the caches: decoded data. Fingerprints and lists of samples are small but slow to make: they stay."""

import re
from functools import partial
from pathlib import Path

from m2pt.config import UserError
from m2pt.data.fingerprints import CACHE
from m2pt.files.leases import LeaseHeldError, leased
from m2pt.files.markers import is_leased
from pipelines.housekeeping.garbage import Kind, Listing, children, folders

_FOLDER = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{16}")  # the modality may be of a plugin that is no longer there
_FILE = re.compile(r"(?P<whole>(?P<split>[a-z]+)\.safetensors)|\.(?P<cut>[a-z]+)\.safetensors\.[a-z0-9_]{8}")


def decoded_data(cache: Path = CACHE) -> Listing:
    """The decoded samples of every split, by the names that `m2pt.data.decoded` gives them; not those that are being made."""
    listing = Listing()
    for home in folders(children(cache)):
        for path in children(home) if _FOLDER.fullmatch(home.name) else []:
            if match := _FILE.fullmatch(path.name):
                marker = home / f".{match['split'] or match['cut']}.lease"
                if not is_leased(marker):
                    listing.add_file(Kind.CACHE, path, "", partial(_remove, path, marker))
    return listing


def _remove(path: Path, marker: Path) -> None:
    """Remove a file with the lease of its split held, as whoever writes it does."""
    try:
        with leased(marker, wait_s=0):
            path.unlink(missing_ok=True)
    except LeaseHeldError as error:
        raise UserError(f"{path}: is being made by another process (pid {error.holder}); wait for it to end.") from None
