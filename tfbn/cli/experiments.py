"""`tfbn run EXPERIMENT`: the experiments, in a checkout or installed from the wheel."""

import importlib.util
import runpy
import sys
from pathlib import Path

from tfbn.utils.validation import InputError, near_names


def run(arguments: list[str]) -> int:
    """Runs an experiment's binary in this process, with its own flags.

    Args:
        arguments: The experiment's name and its flags; or `--help`.
    """
    package, folder = _package()
    names = sorted(path.parent.name for path in folder.glob("*/__main__.py"))
    if not arguments or arguments[0] in ("--help", "-h", "help", "-help"):
        print("\n".join(["tfbn run EXPERIMENT [flags]", "", *(f"  {name}" for name in names)]))
        return 0 if arguments else 2
    name, *flags = arguments
    if name not in names:
        raise InputError(f"Expected an experiment ({near_names(name, names)}). Received: {name}")
    sys.argv = [f"tfbn run {name}", *flags]
    runpy.run_module(f"{package}.{name}", run_name="__main__", alter_sys=True)
    return 0


def _package() -> tuple[str, Path]:
    """The package of the experiments and its folder: in the wheel, or next to `tfbn` in a checkout."""
    here = Path(__file__).parents[1]
    if importlib.util.find_spec("tfbn.experiments") is not None:
        return "tfbn.experiments", here / "experiments"
    folder = here.parent / "experiments"
    if not (folder / "lab").is_dir():
        raise InputError(
            "Expected the experiments to be installed (pip install tfbn[experiments]). Received: none"
        )
    # At the front, so that a folder of that name in the working directory does not hide it.
    sys.path.insert(0, str(here.parent))
    return "experiments", folder
