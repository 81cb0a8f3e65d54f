"""``python -m compl_conformance``: the command ``compl-conformance``."""

from compl_conformance.cli import main

if __name__ == "__main__":
    main(prog_name="compl-conformance")
