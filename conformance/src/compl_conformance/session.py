"""What one pytest session judges, by which terms, and where it reports to: built from the options, once."""

from __future__ import annotations

import faulthandler
import fnmatch
import random
from pathlib import Path
from typing import Any, Final

import pytest

from compl_conformance import deviations, targets
from compl_conformance.case import Terms, version
from compl_conformance.events import BACKEND, EventWriter
from compl_conformance.expect import set_patience
from compl_conformance.fixtures import SEED
from compl_conformance.judging import Judge
from compl_conformance.rule import RULES, TIMEOUT, catalogue
from compl_conformance.targets import Target
from compl_conformance.verdict import UsageError

_SESSION = pytest.StashKey["Session"]()
#: Newer than any contract.
_LATEST: Final = (1 << 30,)


class Session:
    """Targets, terms and the judge.  Raises UsageError for options that make no sense here."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        seed = option("--compl-seed")
        self.seed: int = random.SystemRandom().randrange(1 << 32) if seed is None else seed
        self.named: list[str] = option("--compl-backend") or []
        self.required: list[str] = [name for name in option("--compl-require").split(",") if name]
        self._rules: list[str] = option("--compl-rule") or ["*"]
        self.repeat: int = option("--compl-repeat")
        set_patience(option("--compl-patience"))
        self.terms = Terms(
            strict=option("--compl-strict"),
            contract=contract(option("--compl-contract")),
            time_scale=(option("--compl-timeout") or TIMEOUT) / TIMEOUT,
            deviations=_deviations(config),
        )
        self.targets = [targets.load(candidate) for candidate in targets.choose(self.named, self.required)]
        for target in self.targets:
            if not target.available and {target.name, target.spec} & set(self.required):
                raise UsageError(f"required backend {target.name}: {target.why_not}")
        self.events = EventWriter(Path(option("--compl-events"))) if option("--compl-events") else None
        stacks = option("--compl-stacks")
        self.stacks = Path(stacks).open("w", encoding="utf-8") if stacks else None  # noqa: SIM115  never closed, see close()
        if self.stacks:
            faulthandler.enable(self.stacks)
        self.judge = Judge(self.terms, self.events, self.stacks)
        if self.events:
            for target in self.targets:
                self.events.write(BACKEND, **_describe(target), seed=self.seed)

    def wants(self, rule: str) -> bool:
        """Whether ``--compl-rule`` names it, or a pattern that it matches."""
        return rule in self._rules or any(fnmatch.fnmatchcase(rule, wanted) for wanted in self._rules)

    @property
    def idle(self) -> list[str]:
        """The named and required backends that no rule was put to."""
        asked = {*self.named, *self.required}
        mine = [target for target in self.targets if asked & {target.name, target.spec}]
        return [target.name for target in mine if not self.judge.ran.get(target.name)]

    def check_deviations(self) -> None:
        """Raise UsageError for a deviation from no known rule; to be called when the scenarios are imported."""
        try:
            self.terms.deviations.check(RULES)
        except UsageError:
            self.terms.deviations.check({**catalogue(), **RULES})

    def close(self) -> None:
        if self.events:  # the stacks stay open: the interpreter's exit can crash, too
            self.events.close()


def session_of(config: pytest.Config) -> Session:
    """The session, built at the first question: sessions without rules do not have one."""
    if _SESSION not in config.stash:
        try:
            made = config.stash[_SESSION] = Session(config)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        config.stash[SEED] = made.seed
        config.add_cleanup(made.close)
        config.pluginmanager.register(made.judge, "compl-conformance-judge")
    return config.stash[_SESSION]


def existing_session(config: pytest.Config) -> Session | None:
    return config.stash.get(_SESSION, None)


def contract(text: str | None) -> tuple[int, ...] | None:
    """``1.0`` or ``latest`` as it is compared; UsageError for anything else."""
    if text is None:
        return None
    if text == "latest":
        return _LATEST
    try:
        return version(text)
    except ValueError:
        raise UsageError(f"{text!r} is no contract version such as 1.0, nor 'latest'") from None


def _describe(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "contract": target.contract,
        "available": target.available,
        "missing": target.missing,
        "reason": target.probe.reason,
        "fix": target.probe.fix,
        "capabilities": [str(capability.name) for capability in target.capabilities],
        "details": {str(name): str(value) for name, value in target.probe.details.items()},
    }


def _deviations(config: pytest.Config) -> deviations.Deviations:
    given = config.getoption("--compl-deviations")
    file = Path(given) if given else config.invocation_params.dir / "pyproject.toml"
    return deviations.load(file) if given or file.exists() else deviations.Deviations()
