"""`python -m tfbn.cli`, the same as `tfbn`."""

import sys

from tfbn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
