"""Runs Hypothesis state machines inside a rule."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

SETTINGS: Final = hypothesis.settings(
    max_examples=40,
    stateful_step_count=25,
    # The first failure is reported as it is: making it smaller would run it hundreds of times, each with its waits.
    phases=(hypothesis.Phase.generate,),
    report_multiple_bugs=False,
    deadline=None,
    database=None,  # a rule is judged anew each time, by its seed alone
    print_blob=False,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def explore(machine: Callable[[], RuleBasedStateMachine], rng: random.Random) -> None:
    """Run ``machine()`` again and again through random steps; a failure shows those that led to it."""

    def seeded() -> RuleBasedStateMachine:
        return machine()

    # Any callable will do for a factory, whatever the annotation says.
    factory: Any = hypothesis.seed(rng.getrandbits(64))(seeded)
    run_state_machine_as_test(factory, settings=SETTINGS)
