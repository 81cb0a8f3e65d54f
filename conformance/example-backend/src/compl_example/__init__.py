"""compl-example: a complete backend for compl-core over the standard library, to learn from."""

from compl_example.backend import backend
from compl_example.port import ExamplePort

__version__ = "0.1.0"

__all__ = ["ExamplePort", "backend"]
