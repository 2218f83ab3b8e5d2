"""The notebooks: their form, and that each runs from a clean kernel to what is stored in it."""

import json
import re

import pytest

from tests.notebooks import execution

NAMES = ("claims", "doctor", "keras_recipe", "quickstart", "tensorboard", "your_model")
LINES, KILOBYTES = 25, 250


def cells(name, kind):
    notebook = json.loads((execution.FOLDER / f"{name}.ipynb").read_text())
    found = [cell for cell in notebook["cells"] if cell["cell_type"] == kind]
    return [("".join(cell["source"]), cell) for cell in found]


def test_all_are_there():
    assert execution.names() == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_form(name):
    texts, codes = cells(name, "markdown"), cells(name, "code")
    assert f"/blob/main/notebooks/{name}.ipynb" in texts[0][0]
    assert len(texts) >= 4
    assert "find_spec" in codes[0][0]
    assert all(source.count("\n") < LINES for source, _ in codes)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_stored_and_small(name):
    outputs = [output for _, cell in cells(name, "code") for output in cell["outputs"]]
    assert outputs
    kinds = {output["output_type"] for output in outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}  # no errors
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)
    assert (execution.FOLDER / f"{name}.ipynb").stat().st_size < KILOBYTES * 1024


@pytest.mark.parametrize("name", NAMES)
def test_says_nothing_of_errors_and_of_the_machine(name):
    text = (execution.FOLDER / f"{name}.ipynb").read_text()
    assert "ERROR:" not in text
    assert not re.search(r"/(?:tmp|home|root|work)/", text)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_runs(name, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook, _ = execution.execute(name, tmp_path)
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")
