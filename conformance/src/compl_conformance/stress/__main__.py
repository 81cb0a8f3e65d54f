"""``python -m compl_conformance.stress``; see the package.  Status 1 and a traceback: the model did not expect it."""

from __future__ import annotations

import argparse
import sys

from compl_conformance import stress
from compl_core import BackendUnavailable, NotSupported, registry


def main() -> int:
    parser = argparse.ArgumentParser(
        description=stress.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog=stress.__name__
    )
    parser.add_argument("backend", help="a backend's name, or package.module:object")
    parser.add_argument("steps", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        counts = stress.run(registry.load(options.backend).open, options.steps, options.seed)
    except (BackendUnavailable, NotSupported) as error:
        print(error, file=sys.stderr)
        return 2
    said = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{options.steps} steps, nothing lost: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
