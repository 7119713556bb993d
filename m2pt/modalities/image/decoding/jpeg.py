"""Whether the picture of a JPEG file is complete. libjpeg silently fills what is missing with grey.

Marker codes and the order of a file are those of ITU-T T.81, annexes B and G.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # within the data of a scan; neither a stuffed 0xFF nor a restart
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_START_OF_SCAN, _END, _INTERVAL = 0xDA, 0xD9, 0xDD
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_PROGRESSIVE, _FIRST_ARITHMETIC = {0xC2, 0xC6, 0xCA, 0xCE}, 0xC8
_NUM_COEFFICIENTS = 64

_FILLER = bytes((0xA5, 0x5A, 0x3C, 0xC3)) * 16
_HOLE = re.compile(bytes(512))  # the smallest block of a disk


@dataclass(frozen=True)
class _Scan:
    """Bytes of its data; its components, coefficients (first, last) and lowest bit; units between restarts (0: none)."""

    start: int
    end: int
    components: tuple[int, ...]
    coefficients: tuple[int, int]
    lowest_bit: int
    interval: int


@dataclass
class _Outline:
    """What the markers of a file say. `sampling` has the horizontal and vertical factors of each component."""

    kind: int = 0
    height: int = 0
    width: int = 0
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    scans: list[_Scan] = field(default_factory=list)


def otherwise_ended(content: bytes) -> bytes | None:
    """The same file with other bits after the data of its last scan, which a whole picture does not depend on.

    None where the way of coding (arithmetic) may leave out bits at the end.

    Raises:
        ValueError: a scan, or a part of one, is not there.

    """
    outline = _outline(content)
    if not outline.scans:
        raise ValueError("the file has no picture")
    _require_scans(outline)
    for scan in outline.scans:
        if scan.interval and len(_RESTART.findall(content, scan.start, scan.end)) < _num_restarts(outline, scan):
            raise ValueError("a scan ends early")
    if outline.kind > _FIRST_ARITHMETIC:
        return None
    end = outline.scans[-1].end
    return content[:end] + _FILLER + content[end:]


@dataclass(frozen=True)
class Probe:
    """Three changes of a file in a scan that holds a long run of zeros: behind its data, at their end, and at their beginning.

    Data that were never written (a download that was laid out beforehand, a disk that failed) are zeros, and a decoder reads them
    as a picture. It reaches the end of its blocks too late, and then the picture depends on what comes after the data; or too
    early, and then the picture does not depend on the end of the data, but on their beginning. Even areas are runs of zeros too,
    but the picture depends on those.
    """

    behind: bytes
    end: bytes
    beginning: bytes


def probes(content: bytes) -> Iterator[Probe]:
    """A probe of each scan that holds a long run of zeros: of next to no whole file."""
    if _HOLE.search(content) is None:
        return
    outline, size = _outline(content), len(_FILLER)
    for scan in outline.scans if outline.kind <= _FIRST_ARITHMETIC else ():
        if scan.end - scan.start > 2 * size and _HOLE.search(content, scan.start, scan.end):
            yield Probe(
                content[: scan.end] + _FILLER + content[scan.end :],
                content[: scan.end - size] + _FILLER + content[scan.end :],
                content[: scan.start] + _FILLER + content[scan.start + size :],
            )


def _outline(content: bytes) -> _Outline:
    """Read the markers of the first picture, to its end or as far as they go."""
    outline, place, interval = _Outline(), 2, 0
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == _END:
            break
        body = place + 4
        place = place + 2 + int.from_bytes(content[place + 2 : body], "big")
        segment = content[body:place]
        if marker in _FRAMES and not outline.sampling:
            outline.kind = marker
            outline.height, outline.width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
            outline.sampling = {part[0]: (part[1] >> 4 or 1, part[1] & 15 or 1) for part in _triples(segment[6:])}
        elif marker == _INTERVAL:
            interval = int.from_bytes(segment[:2], "big")
        elif marker == _START_OF_SCAN and len(segment) >= 4:
            marker_after = _NEXT_MARKER.search(content, place)
            end = marker_after.start() if marker_after else len(content)
            parts = tuple(segment[1 : 1 + 2 * segment[0] : 2])
            outline.scans.append(_Scan(place, end, parts, (segment[-3], segment[-2]), segment[-1] & 15, interval))
            place = end
    return outline


def _triples(values: bytes) -> list[bytes]:
    return [values[start : start + 3] for start in range(0, len(values) - 2, 3)]


def _require_scans(outline: _Outline) -> None:
    """Every coefficient of every component comes down to its last bit; files that are not progressive send all at once."""
    progressive = outline.kind in _PROGRESSIVE
    for component in outline.sampling:
        lowest = [1] * _NUM_COEFFICIENTS
        for scan in outline.scans:
            if component in scan.components:
                first, last = scan.coefficients if progressive else (0, _NUM_COEFFICIENTS - 1)
                for coefficient in range(first, min(last + 1, _NUM_COEFFICIENTS)):
                    lowest[coefficient] = scan.lowest_bit if progressive else 0
        if any(lowest):
            raise ValueError("a scan is missing")


def _num_restarts(outline: _Outline, scan: _Scan) -> int:
    """How many restart markers the data of a scan hold where they are whole."""
    across, down = (max(factors[axis] for factors in outline.sampling.values()) for axis in (0, 1))
    if len(scan.components) == 1:
        wide, high = outline.sampling.get(scan.components[0], (1, 1))
        columns, rows = -(-outline.width * wide // across), -(-outline.height * high // down)
    else:
        columns, rows = -(-outline.width // across), -(-outline.height // down)
    return max(0, -(-(-(-columns // 8) * -(-rows // 8)) // scan.interval) - 1)
