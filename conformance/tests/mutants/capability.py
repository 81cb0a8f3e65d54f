"""capability: what is declared, and what is there."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from compl_core import Capability, Completion, CompletionPort, NotSupported, Probe
from compl_example import ExamplePort
from compl_example.capabilities import CAPABILITIES
from mutants.fault import mutant


@mutant("capability/1", "capability/12", "socket/1", "socket/36")
class DeclaresWhatItHasNot(ExamplePort):
    """Declares SOCKET_IO, and has no accept and no recv yet."""

    accept = CompletionPort.accept
    recv = CompletionPort.recv


@mutant("capability/2")
class HasOtherNames(ExamplePort):
    """Calls a parameter what it likes."""

    def nop(self, context: object = None) -> int:
        return super().nop(context)


@mutant("capability/2")
class HasOtherDefaults(ExamplePort):
    """Returns up to 16 completions unless told."""

    def wait(self, max_completions: int = 16, *arguments: Any, **named: Any) -> list[Completion]:
        return super().wait(max_completions, *arguments, **named)


class Modest(ExamplePort):
    """Does not declare TIMEOUT."""

    declared: ClassVar[Capability] = CAPABILITIES & ~Capability.TIMEOUT

    @property
    def capabilities(self) -> Capability:
        return self.declared


@mutant("capability/3", "capability/14", "wait/25")
class RefusesWithTheWrongException(Modest):
    """Raises NotImplementedError where it lacks a capability."""

    def timeout(self, seconds: float, token: object = None) -> int:
        raise NotImplementedError("timeout")


@mutant("capability/3", "wait/26")
class RefusesInTheNameOfAnother(Modest):
    """Names the wrong capability when it refuses."""

    def timeout(self, seconds: float, token: object = None) -> int:
        raise NotSupported(Capability.CANCEL, self.name, "timeout")


@mutant("capability/3", "capability/14")
class WorksUndeclared(Modest):
    """Has timeouts, and does not say so."""


@mutant("capability/3")
class FailsUndeclaredCallsLater(Modest):
    """Completes a call that it does not support with ENOTSUP."""

    def timeout(self, seconds: float, token: object = None) -> int:
        return super().close_file(-1, token)


@mutant("capability/4", probe=lambda: Probe(True, CAPABILITIES | Capability.FILE_IO_KERNEL))
class ProbePromisesTooMuch(ExamplePort):
    """Probes by the version of the kernel."""


def _leaking_probe() -> Probe:
    os.open(os.devnull, os.O_RDONLY)
    return Probe(True, CAPABILITIES)


@mutant("capability/5", probe=_leaking_probe)
class ProbeLeavesADescriptor(ExamplePort):
    """Opens what it probes with, and does not close it."""


@mutant("capability/6", capabilities=CAPABILITIES & ~Capability.MULTISHOT)
class RecordSaysLess(ExamplePort):
    """Forgets a capability in its record."""


@mutant("capability/7")
class LearnsItsCapabilities(ExamplePort):
    """Finds out what it can do when it is used."""

    @property
    def capabilities(self) -> Capability:
        return CAPABILITIES if not self._ledger.submitted else CAPABILITIES & ~Capability.MULTISHOT


@mutant("capability/7")
class DeclaresNumbers(ExamplePort):
    """Has its capabilities as a number."""

    @property
    def capabilities(self) -> Any:
        return CAPABILITIES.value


@mutant("capability/8")
class HasNoFlush(ExamplePort):
    """Refuses flush, for which it has no use."""

    def flush(self) -> int:
        raise NotSupported(Capability.NONE, self.name, "flush")


@mutant("capability/20")
class DeclaresKernelFilesAndHasThreads(ExamplePort):
    """Declares FILE_IO_KERNEL, and reads in helper threads."""

    declared: ClassVar[Capability] = CAPABILITIES | Capability.FILE_IO_KERNEL

    @property
    def capabilities(self) -> Capability:
        return self.declared
