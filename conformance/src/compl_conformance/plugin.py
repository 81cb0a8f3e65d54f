"""The pytest plugin: options, and every scenario once for each backend, under the rule's id: ``wait/4[epoll]``.

It is loaded into every pytest session where this distribution is installed, and leaves alone what is no rule.
"""

from __future__ import annotations

from typing import Any

import pytest

pytest.register_assert_rewrite("compl_conformance.expect", "compl_conformance.fixtures", "compl_conformance.scenarios")

from compl_conformance.events import RULES  # noqa: E402  after the registration above
from compl_conformance.rule import TIMEOUT, Rule, rule_of  # noqa: E402
from compl_conformance.session import existing_session, session_of  # noqa: E402
from compl_conformance.verdict import UsageError  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("compl-conformance", "conformance of completion ports")

    def add(name: str, help: str, **settings: Any) -> None:
        group.addoption(f"--compl-{name}", help=help, **settings)

    add("backend", "backend to judge: a name or package.module:object; repeatable; default: all", action="append")
    add("rule", "judge only this rule or pattern (wait/4, wait/*); repeatable", action="append")
    add("strict", "a SHOULD that fails is a failure; so is what works undeclared", action="store_true")
    add("contract", "judge by this contract version, or 'latest', not by the one the backend states")
    add("require", "fail unless these backends can be judged here; comma-separated", default="")
    add("deviations", "TOML file with the declared deviations (default: ./pyproject.toml)", metavar="FILE")
    add("seed", "seed of everything random", type=int)
    add("timeout", f"seconds for a rule whose limit is the usual {TIMEOUT:g}; the others in proportion", type=float)
    add("patience", "scale of the time to wait for what should come (default: 1)", type=float, default=1.0)
    add("repeat", "judge each rule this many times", type=int, default=1, metavar="N")
    add("events", "write JSON lines here (for the parent process)", metavar="FILE")
    add("stacks", "end the process when a rule hangs, and leave its stacks here", metavar="FILE")


def pytest_configure(config: pytest.Config) -> None:
    if any(config.getoption(f"--compl-{name}") for name in ("backend", "require", "events")):
        session_of(config)  # what is wrong with the options is better said before collection


def pytest_report_header(config: pytest.Config) -> list[str]:
    session = existing_session(config)
    if not session:
        return []
    judged = [f"{target.name}{'' if target.available else f' ({target.why_not})'}" for target in session.targets]
    return [f"compl-conformance: {', '.join(judged)}; seed {session.seed}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if rule_of(metafunc.function) is None:
        return
    session = session_of(metafunc.config)
    metafunc.fixturenames.append("compl_target")
    metafunc.parametrize("compl_target", session.targets, ids=[target.name for target in session.targets])
    if session.repeat > 1:
        rounds = range(session.repeat)
        metafunc.fixturenames.append("compl_round")
        metafunc.parametrize("compl_round", rounds, ids=[str(number + 1) for number in rounds])


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    """Collect a scenario under its rule's id, so that ids, selection and reports all say ``wait/4``."""
    rule = rule_of(obj)
    if rule is None or name == rule.id:
        return None
    setattr(collector.obj, rule.id, obj)  # where pytest looks it up by the new name
    made = collector.ihook.pytest_pycollect_makeitem(collector=collector, name=rule.id, obj=obj)
    for item in made or ():
        item.extra_keyword_matches.update({name, rule.area})
    return made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    session = existing_session(config)
    if session is None:
        return
    try:
        session.check_deviations()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    chosen: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    rules: dict[str, Rule] = {}
    for item in items:
        rule = rule_of(getattr(item, "function", None))
        if rule is None:
            chosen.append(item)
        elif session.wants(rule.id):
            chosen.append(item)
            rules[rule.id] = rule
            _mark(item, rule.timeout * session.terms.time_scale)
        else:
            dropped.append(item)
    items[:] = chosen
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    if session.events:
        session.events.write(RULES, ids=list(rules))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A backend that was asked for and had no rule put to it is not a success."""
    ours = existing_session(session.config)
    if ours and ours.idle and session.exitstatus == pytest.ExitCode.OK and not session.config.option.collectonly:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = existing_session(config)
    if session and session.idle and not config.option.collectonly:
        terminalreporter.line(f"compl-conformance: no rule ran on {', '.join(session.idle)}", red=True)


def _mark(item: pytest.Item, limit: float) -> None:
    # What a backend leaves to the garbage collector or to a thread to raise is a failure of the rule, not a remark.
    item.add_marker(pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"))
    item.add_marker(pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"))
    if not item.config.getoption("--compl-stacks") and item.config.pluginmanager.hasplugin("timeout"):
        item.add_marker(pytest.mark.timeout(limit))
