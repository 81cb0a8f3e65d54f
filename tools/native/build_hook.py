"""The hatchling build hook of every native distribution: Cython, then the C compiler, into a platform wheel.

Each of them has a ``hatch_build.py`` that loads this file, from ``tools/native`` in a checkout or from ``native`` in an
sdist, where this hook puts the whole directory.  Options, in ``[tool.hatch.build.hooks.custom]``:

``module``     dotted name of the extension module
``sources``    its .pyx or .c files, relative to the distribution
``platforms``  values of ``sys.platform`` that it can be built on
``libraries``  what it is linked with
``pure-elsewhere``  on other platforms the wheel has the Python part alone, instead of being refused

The directory of this file and that of each source are searched for .pxi, .pxd and .h files, and any change in one of
them rebuilds the module.  Environment: ``CFLAGS`` is added to the compiler's flags (``-fsanitize=address -O1``),
``COMPL_BUILD_DIR`` moves the build out of the distribution, so that several builds of one checkout may run at once,
``COMPL_PREBUILT=tag=path`` packs a module that was compiled elsewhere.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HERE = Path(__file__).resolve().parent
_LEFT_BEHIND = re.compile(r"(^|/)(__pycache__|\.)")
_INPUTS = frozenset({".c", ".h", ".pxd", ".pxi", ".py", ".pyx"})

#: What every .pyx of this project is compiled with.
DIRECTIVES = {
    "autotestdict": False,  # no __test__ in the module: the stubs describe all that is there
    "binding": False,  # plain C methods: the interpreter specialises calls to them
    "embedsignature": True,  # inspect.signature() all the same
    "embedsignature.format": "clinic",
    "freethreading_compatible": True,
    # An undeclared variable is a Python object, never a C integer by inference, whose <PyObject *> is a dead temporary.
    "infer_types": False,
    "language_level": 3,
}


class NativeBuildHook(BuildHookInterface[Any]):
    """Builds one extension module and puts it, and nothing of its sources, into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each target; ``version`` is ``standard`` or ``editable``."""
        if self.target_name == "sdist":
            for path in _files(_HERE):
                build_data["force_include"][str(path)] = f"native/{path.relative_to(_HERE).as_posix()}"
            return
        prebuilt = os.environ.get("COMPL_PREBUILT")
        if not prebuilt and self.config.get("pure-elsewhere") and sys.platform not in self.config["platforms"]:
            return
        build_data["pure_python"] = False
        if prebuilt:
            build_data["tag"], _, module = prebuilt.partition("=")
            self._include(Path(module), build_data)
            return
        platforms = self.config["platforms"]
        if sys.platform not in platforms:
            raise RuntimeError(
                f"{self.metadata.name} builds on {', '.join(platforms)} only, and this is {sys.platform}; "
                "install another backend, or set COMPL_PREBUILT to a module compiled elsewhere"
            )
        editable = version == "editable"
        built = self._compile(in_place=editable)
        build_data["infer_tag"] = True
        if not editable:
            self._include(built, build_data)

    def _include(self, built: Path, build_data: dict[str, Any]) -> None:
        package = self.config["module"].split(".")[:-1]
        build_data["force_include"][str(built)] = "/".join([*package, built.name])

    def _work(self) -> Path:
        """Where this interpreter builds: 3.13 and 3.13t share a cache tag, hence the ABI's name."""
        elsewhere = os.environ.get("COMPL_BUILD_DIR")
        base = Path(elsewhere, self.metadata.name) if elsewhere else Path(self.root, "build")
        abi = sysconfig.get_config_var("SOABI") or f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
        return base / str(abi)

    def _compile(self, *, in_place: bool) -> Path:
        from setuptools import Distribution, Extension
        from setuptools.command.build_ext import build_ext

        class PlainBuildExt(build_ext):
            def build_extensions(self) -> None:
                # A relocated interpreter (pyenv) has its own library directory in LDSHARED: not into the wheel.
                linker = getattr(self.compiler, "linker_so", None)
                if linker:
                    self.compiler.linker_so = [word for word in linker if not word.startswith("-Wl,-rpath")]
                super().build_extensions()

        root, work = Path(self.root), self._work()
        sources: list[str] = list(self.config["sources"])
        searched = [_HERE, *dict.fromkeys((root / source).parent for source in sources)]
        inputs = [path for folder in searched for path in _files(folder) if path.suffix in _INPUTS]
        extension = Extension(
            self.config["module"],
            sources,
            depends=[str(path) for path in inputs],
            include_dirs=[str(folder) for folder in searched],
            libraries=list(self.config.get("libraries", ())),
            extra_compile_args=_compiler_flags(),
            # libgcc and winpthreads come with the compiler, not with Windows.
            extra_link_args=["-static"] if sys.platform == "win32" else [],
        )
        previous = Path.cwd()
        os.chdir(root)  # setuptools and Cython name what they generate after relative paths
        try:
            extensions = [extension]
            if any(source.endswith(".pyx") for source in sources):
                from Cython.Build import cythonize

                extensions = cythonize(  # type: ignore[no-untyped-call]
                    extensions,
                    build_dir=str(work / "c"),
                    include_path=[str(folder) for folder in searched],
                    compiler_directives=DIRECTIVES,
                    # Cython follows the includes of one directory; this follows all of them.
                    force=_stale(work / "c", inputs),
                )
            command = PlainBuildExt(
                Distribution({"name": self.metadata.name, "ext_modules": extensions, "package_dir": {"": "src"}})
            )
            if sys.platform == "win32":
                command.compiler = "mingw32"  # the sources are GNU C
            command.inplace = in_place
            command.build_temp = str(work / "temp")
            command.build_lib = str(work / "lib")
            command.ensure_finalized()
            command.run()
            return root / str(command.get_ext_fullpath(self.config["module"]))
        finally:
            os.chdir(previous)


def _files(folder: Path) -> list[Path]:
    """Every file below, without what interpreters and checkers leave behind."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in files if not _LEFT_BEHIND.search(path.relative_to(folder).as_posix()))


def _stale(generated: Path, inputs: list[Path]) -> bool:
    """Whether an input is newer than a generated C file, or there is none yet."""
    times = [path.stat().st_mtime for path in generated.rglob("*.c")]
    return not times or min(times) <= max(path.stat().st_mtime for path in inputs)


def _compiler_flags() -> list[str]:
    if sys.platform == "win32":
        return ["-O2", "-g0", "-Wall", "-D_WIN32_WINNT=0x0A00", "-DMS_WIN64"]  # the last is said to MSVC alone
    # setuptools puts CFLAGS before these, so what the caller asks for is said again, last.
    return ["-O2", "-g0", "-fvisibility=hidden", "-Wall", *os.environ.get("CFLAGS", "").split()]
