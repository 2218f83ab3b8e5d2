"""Every benchmark, one after another: `python -m benchmarks`."""

import subprocess
import sys

BENCHMARKS = ("layer", "recorder")

if __name__ == "__main__":
    # A process each, so that none slows another by what it leaves behind.
    for name in BENCHMARKS:
        print(f"== benchmarks.{name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=True)
