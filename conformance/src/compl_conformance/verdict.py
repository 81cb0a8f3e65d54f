"""The verdicts that a rule can end with, how several make one, and the exit codes.

There is no silent skip among them.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable


class Verdict(enum.StrEnum):
    """What came of one rule on one backend."""

    PASS = "pass"
    #: The rule is not kept, or the process died or hung over it.
    FAIL = "FAIL"
    #: A declared deviation that passes after all: it fails, so that the declaration goes.
    STALE = "stale"
    #: Fails, as declared with a reason.
    DEVIATION = "deviation"
    #: A SHOULD that fails; with ``--strict`` it is a FAIL.
    ADVICE = "advice"
    #: The capability is not declared, and the call was refused with NotSupported.
    NOT_APPLICABLE = "n/a"
    #: This machine cannot.
    HOST = "host"
    #: The rule is newer than the contract that the backend states.
    FUTURE = "future"

    @property
    def failed(self) -> bool:
        return self in (Verdict.FAIL, Verdict.STALE)

    @property
    def counted(self) -> bool:
        """The rule was put to the backend, which kept it or did not."""
        return self not in (Verdict.NOT_APPLICABLE, Verdict.HOST, Verdict.FUTURE)

    @property
    def ran(self) -> bool:
        """The scenario ran."""
        return self.counted or self is Verdict.NOT_APPLICABLE


#: Of several judgements of one rule (parameters, repetitions) the first of these that occurs is the rule's.
#: A deviation that shows in one of them is not stale in the others.
_WORST_FIRST = (
    Verdict.FAIL,
    Verdict.ADVICE,
    Verdict.DEVIATION,
    Verdict.STALE,
    Verdict.HOST,
    Verdict.NOT_APPLICABLE,
    Verdict.FUTURE,
    Verdict.PASS,
)


class Exit(enum.IntEnum):
    """The command's exit codes."""

    CONFORMANT = 0
    RULE_FAILED = 1
    USAGE = 2
    #: A required backend is absent, or no rule ran.
    NOTHING_RAN = 3
    SUITE_BROKE = 4


class UsageError(Exception):
    """What the caller asked for makes no sense; the message is one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """One rule's verdict on one backend, with what a reader needs to act on it."""

    rule: str
    verdict: Verdict
    seconds: float = 0.0
    expected: str = ""
    actual: str = ""
    #: Why it is n/a, host, future or a deviation; what is remarkable about a pass.
    reason: str = ""
    #: Traceback, stacks, captured output.
    detail: str = ""


def combine(judgements: Iterable[Judgement]) -> Judgement:
    """The judgement of a rule that was judged several times: the worst, with the time of all."""
    several = list(judgements)
    worst = min(several, key=lambda judgement: _WORST_FIRST.index(judgement.verdict))
    return dataclasses.replace(worst, seconds=sum(judgement.seconds for judgement in several))
