"""`python3 tools/bench`: makes the benchmark's own environment on first use and goes on inside it."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:
        # Run as a folder, Python puts the folder itself first, where our modules would be found under the wrong names.
        sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from bench import environment

    environment.enter(sys.argv[1:])
    from bench.cli import main

    main(prog_name="python3 tools/bench")
