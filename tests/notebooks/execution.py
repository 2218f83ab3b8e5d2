"""Runs a notebook from top to bottom in a clean kernel."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "notebooks"
TIMEOUT = 300  # seconds a cell may take


def names() -> list[str]:
    """The notebooks' names without their suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def read(name: str) -> Any:
    import nbformat

    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def execute(name: str, folder: Path) -> tuple[Any, float]:
    """Runs a notebook in a kernel of the Python that calls this.

    Args:
        name: The notebook's name.
        folder: Where the kernel starts and its files go.

    Returns:
        The notebook with its outputs, and the seconds it took.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised.
    """
    from nbclient import NotebookClient

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # As in an environment that is activated: a notebook may start TensorBoard.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ.setdefault("IPYTHONDIR", str(folder / "ipython"))
    notebook = read(name)
    started = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        shutdown_kernel="immediate",  # with the TensorBoard that a notebook may have started
    )
    client.execute(stderr=subprocess.DEVNULL)  # where the kernel and TensorFlow talk of themselves
    return notebook, time.perf_counter() - started


def store(name: str, notebook: Any) -> None:
    """Writes a notebook with its outputs: what it says and shows, nothing of this machine."""
    import nbformat

    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell{number:02}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_of_use(output)]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(notebook)
    nbformat.write(notebook, FOLDER / f"{name}.ipynb")


def _is_of_use(output: Any) -> bool:
    if output.output_type == "stream":
        return output.name == "stdout"
    # The frame with TensorBoard shows nothing once its server is gone.
    return "<iframe" not in output.get("data", {}).get("text/html", "")
