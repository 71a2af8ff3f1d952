"""`python -m agent_runtime_framework.runtime.cli`: the same as `arf`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
