"""Execute the notebooks of the documentation anew: `make notebooks`, after `make study`.

They run in the project's folder, as they tell their readers to; `jupyter execute` would run them in their own.
"""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Each in place; one that fails stays as it was."""
    for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, 4)
        NotebookClient(notebook, timeout=600, record_timing=False, resources={"metadata": {"path": str(ROOT)}}).execute()
        nbformat.write(notebook, path)
        print(f"{path.relative_to(ROOT)}: executed")


if __name__ == "__main__":
    main()
