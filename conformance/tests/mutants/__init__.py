"""Small broken ports, each with one fault that somebody who writes a backend may well make, to test the rules with.

``mutants:drops_every_7th_post`` is one of them as a backend.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mutants.fault import Mutant


def everyone() -> dict[str, Mutant]:
    """All mutants, by name."""
    for module in pkgutil.iter_modules(__path__):
        if module.name != "trial":
            importlib.import_module(f"{__name__}.{module.name}")
    from mutants.fault import MUTANTS

    return MUTANTS


def __getattr__(name: str) -> Any:
    if name == "unmutated":
        from mutants.ports import unmutated

        return unmutated
    found = None if name.startswith("_") else everyone().get(name)
    if found is None:
        raise AttributeError(f"there is no mutant {name!r}")
    return found.backend
