"""Discovery by entry points, and what open_port() opens."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

import compl_core
from compl_core import Backend, BackendUnavailable, CompletionPort, Probe
from compl_core.registry import ask, backends, candidates, load, open_port, wanted

Install = Callable[[str, object], str]
Make = Callable[..., Backend]


def refuse_to_open() -> CompletionPort:
    raise BackendUnavailable("uring", "io_uring_setup: ENOMEM", "raise RLIMIT_MEMLOCK")


def break_down() -> NoReturn:
    raise RuntimeError("broken probe")


def test_backends_come_in_the_order_of_preference_then_by_name(install: Install, make_backend: Make) -> None:
    for name in ("zebra", "iocp", "epoll", "apple", "uring", "aio"):
        install(name, make_backend(name))
    assert list(backends()) == ["uring", "aio", "epoll", "iocp", "apple", "zebra"]
    assert [candidate.name for candidate in candidates()] == list(backends())


def test_nothing_installed_is_an_empty_answer(install: Install) -> None:
    assert backends() == {}
    assert candidates() == []


def test_backends_probes_nothing(install: Install, make_backend: Make) -> None:
    install("mine", make_backend("mine", probe=break_down))
    assert list(backends()) == ["mine"]


def test_candidates_carry_probe_backend_and_origin(install: Install, make_backend: Make) -> None:
    backend = make_backend("mine")
    path = install("mine", backend)
    (candidate,) = candidates()
    assert candidate == ("mine", backend.probe(), backend, path)


@pytest.mark.parametrize(
    ("exported", "reason"),
    [
        ("no_such_module_here:backend", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("sys:no_such_object", "AttributeError"),
        ("sys", "not of the form package.module:object"),
        ("9, bad value", "not of the form package.module:object"),
        ("sys:maxsize", "is no compl_core.Backend but"),
        (SimpleNamespace(name="broken"), "is no compl_core.Backend but"),
    ],
)
def test_a_broken_entry_point_is_refused_and_keeps_nobody_else_away(
    install: Install, make_backend: Make, exported: object, reason: str
) -> None:
    install("broken", exported)
    install("sound", make_backend("sound"))
    assert list(backends()) == ["sound"]
    broken, sound = candidates()
    assert (broken.name, broken.backend, broken.probe.available) == ("broken", None, False)
    assert reason in broken.probe.reason
    assert broken.probe.fix.startswith("mend or uninstall ")
    assert sound.probe.available
    assert open_port().name == "bare"
    with pytest.raises(BackendUnavailable, match="broken: ") as caught:
        open_port("broken")
    assert caught.value.reason == broken.probe.reason


def test_a_module_that_fails_in_its_import_is_refused(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails_in_import.py").write_text("raise ZeroDivisionError('in the import')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    install("broken", "fails_in_import:backend")
    (candidate,) = candidates()
    assert "ZeroDivisionError: in the import" in candidate.probe.reason
    with pytest.raises(BackendUnavailable) as caught:
        load("broken")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": "Mine"}, "lower-case"),
        ({"name": "my:backend"}, "lower-case"),
        ({"name": 7}, "lower-case"),
        ({"contract": "1"}, "not a version"),
        ({"contract": "1.0.0"}, "not a version"),
        ({"contract": 1.0}, "not a version"),
        ({"contract": "2.0"}, "keeps contract 2.0, this compl-core states 1.0"),
        ({"capabilities": 3}, "no compl_core.Capability"),
        ({"probe": None}, "cannot be called"),
        ({"open": None}, "cannot be called"),
    ],
)
def test_a_backend_record_is_validated(install: Install, make_backend: Make, fields: Any, fault: str) -> None:
    backend = make_backend(**{"name": "mine", **fields})
    path = install("mine", backend)
    (candidate,) = candidates()
    assert candidate.backend is None
    if "name" not in fields:  # by its entry point the name is wrong in another way
        assert fault in candidate.probe.reason
    with pytest.raises(BackendUnavailable) as caught:
        load(path)
    assert fault in caught.value.reason


def test_a_newer_minor_version_of_the_contract_is_accepted(install: Install, make_backend: Make) -> None:
    install("mine", make_backend("mine", contract="1.7"))
    assert backends()["mine"].contract == "1.7"


def test_the_record_and_the_entry_point_agree_on_the_name(install: Install, make_backend: Make) -> None:
    install("mine", make_backend("yours"))
    (candidate,) = candidates()
    assert "its name is 'yours', the entry point's 'mine'" in candidate.probe.reason


def test_two_distributions_of_one_name_are_refused_not_chosen_between(install: Install, make_backend: Make) -> None:
    first, second = install("mine", make_backend("mine")), install("mine", make_backend("mine"))
    (candidate,) = candidates()
    assert not candidate.probe.available
    assert first in candidate.probe.reason
    assert second in candidate.probe.reason
    assert candidate.probe.fix == "uninstall all but one"


def test_an_entry_point_may_have_spaces_and_extras(install: Install, make_backend: Make) -> None:
    module = install("mine", make_backend("mine")).partition(":")[0]
    install("mine", f"{module} : backend [fast]")
    assert list(backends()) == ["mine"]


def test_one_backend_seen_twice_is_one(install: Install, make_backend: Make) -> None:
    install("mine", install("mine", make_backend("mine")))
    assert list(backends()) == ["mine"]


@pytest.mark.parametrize("probe", [break_down, lambda: None])
def test_a_probe_that_breaks_its_rule_is_a_refusal(make_backend: Make, probe: Callable[[], Probe]) -> None:
    answer = ask(make_backend("mine", probe=probe))
    assert not answer.available
    assert "its probe r" in answer.reason
    assert "author of the backend mine" in answer.fix


def test_open_port_takes_the_first_that_is_available(install: Install, make_backend: Make) -> None:
    install("uring", make_backend("uring", refused="io_uring_setup: EPERM"))
    install("aio", make_backend("aio"))
    install("epoll", make_backend("epoll", open=refuse_to_open))
    assert open_port().name == "bare"


def test_what_comes_after_the_one_that_opens_is_not_imported(
    install: Install, make_backend: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "comes_later.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    install("uring", make_backend("uring"))
    install("later", "comes_later:backend")
    open_port()
    assert "comes_later" not in sys.modules


def test_open_port_goes_on_when_opening_fails_although_the_probe_said_yes(install: Install, make_backend: Make) -> None:
    install("uring", make_backend("uring", open=refuse_to_open))
    install("epoll", make_backend("epoll"))
    assert open_port().name == "bare"


def test_any_other_failure_to_open_comes_out(install: Install, make_backend: Make) -> None:
    def too_many_files() -> CompletionPort:
        raise OSError(errno.EMFILE, "too many open files")

    install("uring", make_backend("uring", open=too_many_files))
    install("epoll", make_backend("epoll"))
    with pytest.raises(OSError, match="too many open files") as caught:
        open_port()
    assert caught.value.errno == errno.EMFILE


def test_all_refused_lists_every_reason_and_fix(install: Install, make_backend: Make) -> None:
    install("epoll", make_backend("epoll", refused="epoll_create1: ENOSYS"))
    install("uring", make_backend("uring", open=refuse_to_open))
    install("broken", "no_such_module_here:backend")
    with pytest.raises(BackendUnavailable) as caught:
        open_port()
    first, *lines = str(caught.value).splitlines()
    assert "no installed backend opens on this host; mend one of them:" in first
    assert lines[0] == "  uring: io_uring_setup: ENOMEM; raise RLIMIT_MEMLOCK"
    assert lines[1] == "  epoll: epoll_create1: ENOSYS; mend epoll"
    assert lines[2].startswith("  broken: loading no_such_module_here:backend failed: ModuleNotFoundError")


@pytest.mark.parametrize(
    ("platform", "fix"),
    [
        ("linux", "pip install compl-uring compl-aio compl-epoll"),
        ("win32", "pip install compl-iocp"),
        ("darwin", "entry point in the group 'compl.backends'"),
    ],
)
def test_nothing_installed_says_what_to_install(
    install: Install, monkeypatch: pytest.MonkeyPatch, platform: str, fix: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(BackendUnavailable, match="no backend is installed") as caught:
        open_port()
    assert fix in caught.value.fix
    assert caught.value.errno == errno.ENOENT


def test_a_name_opens_that_backend_only(install: Install, make_backend: Make) -> None:
    install("uring", make_backend("uring", refused="io_uring_setup: EPERM"))
    install("epoll", make_backend("epoll"))
    assert open_port("epoll").name == "bare"
    with pytest.raises(BackendUnavailable) as caught:
        open_port("uring")
    assert (caught.value.name, caught.value.reason, caught.value.fix) == (
        "uring",
        "io_uring_setup: EPERM",
        "mend uring",
    )


def test_the_environment_names_the_backend(
    install: Install, make_backend: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("uring", make_backend("uring"))
    install("epoll", make_backend("epoll", refused="epoll_create1: ENOSYS"))
    monkeypatch.setenv("COMPL_BACKEND", "epoll")
    with pytest.raises(BackendUnavailable, match="epoll_create1: ENOSYS") as caught:
        open_port()
    assert caught.value.__notes__ == ["'epoll' was asked for by COMPL_BACKEND in the environment"]
    assert open_port("uring").name == "bare"  # the argument goes first
    monkeypatch.setenv("COMPL_BACKEND", " ")
    assert open_port().name == "bare"  # empty is unset
    assert wanted().name is None


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("iocp", "pip install compl-iocp"),
        ("Epoll", "did you mean 'epoll'?"),
        ("mime", "did you mean 'mine'?"),
        ("", "entry-point group 'compl.backends'"),
        ("something-else", "entry-point group 'compl.backends'"),
    ],
)
def test_an_unknown_name_says_what_there_is_and_what_to_do(
    install: Install, make_backend: Make, name: str, fix: str
) -> None:
    install("mine", make_backend("mine"))
    install("epoll", make_backend("epoll"))
    for call in (open_port, load):
        with pytest.raises(BackendUnavailable) as caught:
            call(name)
        assert caught.value.errno == errno.ENOENT
        assert "installed: epoll, mine" in caught.value.reason
        assert fix in caught.value.fix


def test_a_dotted_path_needs_no_installation(
    install: Install, make_backend: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend("mine")
    monkeypatch.setitem(sys.modules, "my_package", SimpleNamespace(parts=SimpleNamespace(backend=backend)))
    assert load("my_package:parts.backend") is backend
    assert open_port("my_package:parts.backend").name == "bare"
    monkeypatch.setenv("COMPL_BACKEND", "my_package:parts.backend")
    assert open_port().name == "bare"


def test_a_refused_backend_loads_all_the_same(install: Install, make_backend: Make) -> None:
    backend = make_backend("mine", refused="not today")
    install("mine", backend)
    assert load("mine") is backend


@pytest.mark.parametrize("path", ["a:b:c", ":backend", "sys:", "9a:b", "sys: path", "no such:thing"])
def test_a_malformed_path_is_named(install: Install, path: str) -> None:
    with pytest.raises(BackendUnavailable, match="is not of the form package"):
        load(path)


@pytest.mark.parametrize("path", ["no_such_module_here:backend", "compl_core:no_such_object"])
def test_a_path_to_nothing_is_named(install: Install, path: str) -> None:
    with pytest.raises(BackendUnavailable, match="correct the path") as caught:
        load(path)
    assert caught.value.errno == errno.ENOENT


def test_the_package_exports_the_registry() -> None:
    assert compl_core.open_port is open_port
    assert compl_core.load is load
    assert compl_core.backends is backends
    assert compl_core.candidates is candidates
