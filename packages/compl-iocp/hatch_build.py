"""Loads the build hook that native distributions share: tools/native in a checkout, native in an sdist."""

from pathlib import Path
from runpy import run_path

_HERE = Path(__file__).parent
_NATIVE = _HERE / "native" if (_HERE / "native").is_dir() else _HERE.parents[1] / "tools" / "native"
NativeBuildHook = run_path(str(_NATIVE / "build_hook.py"))["NativeBuildHook"]
