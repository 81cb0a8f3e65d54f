"""compl-conformance: whether a backend keeps the contract of compl-core, rule by rule.

``compl-conformance NAME`` judges one; :mod:`compl_conformance.rule`, :mod:`compl_conformance.expect` and
:mod:`compl_conformance.sources` are what scenarios are written with.
"""

__version__ = "0.1.0"
