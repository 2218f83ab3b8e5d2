"""The origin of results: the commit of the code and the processor."""

import functools
import platform
import subprocess
from pathlib import Path

CODE = Path(__file__).parents[1]


@functools.cache
def commit(folder: Path = CODE) -> str:
    """The commit of the code in a folder, with a `+` if files in it have been changed since.

    Args:
        folder: As it was when first asked about.

    Returns:
        Ten digits; "" without git, or where the folder is not part of a checkout, as an installed package.
    """
    asked = (
        ["ls-files", "--error-unmatch", "--", "."],  # not a package inside another project's checkout
        ["rev-parse", "--short=10", "HEAD"],
        ["status", "--porcelain", "--untracked-files=no", "--", "."],
    )
    try:
        found = [
            subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
            for words in asked
        ]
    except FileNotFoundError:
        return ""
    if any(each.returncode for each in found):
        return ""
    _, head, changed = (each.stdout.strip() for each in found)
    return head + ("+" if changed else "")


def processor() -> str:
    """The processor's name and number of cores, if the system reports them."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()
