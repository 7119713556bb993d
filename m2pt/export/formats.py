"""The formats by name, and the one way in which a run is written in any of them: complete with its card, or not at all."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from m2pt.config import UserError
from m2pt.export.card import Exported, card
from m2pt.export.evidence import Evidence
from m2pt.export.written import Written
from m2pt.files.access import unwritable
from m2pt.inference.trained import describe, description, finished, trained

CARD = "README.md"

Writer = Callable[[Path, Path], Written]
"""Writes the final model of a run (its folder) into a folder, and compares it with the run's own."""


def _timm(run_dir: Path, folder: Path) -> Written:
    from m2pt.export import as_timm

    return as_timm.write(trained(run_dir), folder)


def _safetensors(run_dir: Path, folder: Path) -> Written:
    from m2pt.export import as_weights

    return as_weights.write(run_dir, folder)


def _onnx(run_dir: Path, folder: Path) -> Written:
    from m2pt.export import as_graph

    return as_graph.write_onnx(trained(run_dir), folder)


def _torch_export(run_dir: Path, folder: Path) -> Written:
    from m2pt.export import as_graph

    return as_graph.write_program(trained(run_dir), folder)


def _hf(run_dir: Path, folder: Path) -> Written:
    from m2pt.export import as_huggingface

    return as_huggingface.write(trained(run_dir), folder)


WRITERS: Mapping[str, Writer] = {
    "timm": _timm,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "torch-export": _torch_export,
    "hf": _hf,
}
"""The formats that need no tracker, by name; each imports what it needs when it is chosen."""


def export(run_dir: Path, out: Path, name: str, writer: Writer, evidence: Evidence | str) -> Written:
    """Write the final model of a complete run into the new folder `out`, with a description of it and a card.

    Args:
        run_dir: the folder of the run.
        out: the folder to make; it appears when it is complete.
        name: the name of the format.
        writer: what writes it.
        evidence: what the study knows of the run, or a sentence that says why nothing is known.

    Raises:
        UserError: the folder exists or cannot be written, the run is not complete or damaged, the format cannot hold its model,
            or a package that the format needs is missing.

    """
    spec, record = finished(run_dir)
    with _new_folder(out) as folder:
        try:
            written = writer(run_dir, folder)
        except ModuleNotFoundError as error:
            raise UserError(f"--to {name}: {error.name} is not installed; install m2pt with its extra `export`.") from error
        describe(folder, description(spec, record))
        (folder / CARD).write_text(card(Exported(run_dir, spec, record, name, written, evidence)), encoding="utf-8")
    return written


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that gets its name at the end, and is removed if anything fails."""
    if out.exists() or out.is_symlink():
        raise UserError(f"{out}: exists already; name a folder that does not, or remove it.")
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(out)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
