"""wait: how many completions, in which order, and when."""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time

from compl_conformance.expect import (
    background,
    expect,
    expect_completion,
    expect_nothing,
    raises,
    until,
    wait_for,
    wait_one,
)
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import NOT_INTEGERS, NOT_SECONDS
from compl_conformance.scenarios.timing import PROMPT, Watch, expect_blocked
from compl_conformance.sources import Sources
from compl_core import Capability, Completion, CompletionPort, Interest, Kind, Nop, Timeout


@rule("wait/1")
def test_zero_never_blocks(port: CompletionPort) -> None:
    """With timeout 0 and nothing to return, wait returns an empty list at once."""
    with Watch() as watch:
        for zero in (0, 0.0, -0.0) * 10:
            done = port.wait(timeout=zero)
            expect(done == [] and type(done) is list, "[]", done)
    watch.expect_prompt("30 waits of 0 s")


@rule("wait/2")
def test_never_early(port: CompletionPort) -> None:
    """With nothing to return, wait returns an empty list when its timeout is over, never before."""
    for seconds in (0.05, 0.02, 0.0105, 0.003, 0.001):
        with Watch() as watch:
            expect_nothing(port, seconds)
        watch.expect_not_before(seconds, f"wait(timeout={seconds})")


@rule("wait/3")
def test_below_a_millisecond(port: CompletionPort) -> None:
    """A timeout below a millisecond is not rounded to 0 either."""
    for seconds in (0.0009, 0.0005, 0.0002, 0.00005) * 5:
        with Watch() as watch:
            expect_nothing(port, seconds)
        watch.expect_not_before(seconds, f"wait(timeout={seconds})")


@rule("wait/4", needs=Capability.SUB_MS_TIMEOUT)
def test_below_a_millisecond_as_it_is(port: CompletionPort) -> None:
    """A timeout below a millisecond is not rounded up to one: the shortest of many waits of 0.2 ms is below 1 ms."""
    took = []
    for _ in range(50):
        with Watch() as watch:
            expect_nothing(port, 0.0002)
        took.append(watch.seconds)
    expect(0.0002 <= min(took) < 0.001, "the shortest between 0.2 and 1 ms", f"{min(took) * 1000:.3f} ms")


@rule("wait/5")
def test_sleeps(port: CompletionPort) -> None:
    """A wait sleeps: it uses less than half of a processor, with short timeouts too."""
    for seconds, times in ((0.1, 1), (0.0019, 30), (0.0009, 40)):
        used = time.process_time()
        with Watch() as watch:
            for _ in range(times):
                expect_nothing(port, seconds)
        used = time.process_time() - used
        expect(
            used < watch.seconds / 2,
            f"{times} waits of {seconds} s to use less than {watch.seconds / 2:.3f} s of processor time",
            f"{used:.3f} s",
        )


@rule("wait/6")
def test_none_blocks(port: CompletionPort) -> None:
    """Without a timeout, wait blocks until there is a completion; None is the default."""
    for arguments in ((), (1, None), (1, math.inf)):
        waiter = background(port.wait, *arguments)
        expect_blocked(waiter)
        port.post(1)
        expect(len(waiter.result()) == 1, "one completion", waiter.result())


@rule("wait/7")
def test_already_there(port: CompletionPort) -> None:
    """What is there already is returned at once, whatever the timeout."""
    for timeout in (0, 0.0, 1e-9, 30, 30.0, math.inf, None):
        port.post(3)
        with Watch() as watch:
            done = port.wait(1, timeout)
        expect(len(done) == 1, f"wait(1, {timeout}) to return the post", done)
        watch.expect_prompt(f"wait(1, {timeout})")


@rule("wait/8")
def test_at_most_max(port: CompletionPort) -> None:
    """At most max_completions come, 64 unless told; the others come next time, in order."""
    for number in range(200):
        port.post(number)
    taken = []
    for arguments in ((1,), (3,), (), (200,)):
        batch = port.wait(*arguments)
        asked = (*arguments, 64)[0]
        expect(1 <= len(batch) <= asked, f"1 to {asked} completions", len(batch))
        taken += [done.key for done in batch]
    taken += [done.key for done in port.wait(200, 0)]
    expect(taken == list(range(200)), "0 ... 199 in order over five waits", taken)


@rule("wait/9")
def test_all_that_is_there(port: CompletionPort) -> None:
    """A wait that has room takes all that is there, and does not wait for more."""
    for number in range(40):
        port.post(number)
    with Watch() as watch:
        batch = port.wait(1_000_000, 60)
    expect(len(batch) == 40, "the 40 posts that were there", len(batch))
    watch.expect_prompt("the wait")
    for number in range(64):
        port.post(number)
    batch = port.wait()
    expect(len(batch) == 64, "all 64, which is what wait() takes", len(batch))


@rule("wait/10")
def test_bad_numbers(port: CompletionPort) -> None:
    """max_completions below 1 and min_completions outside 1..max_completions are ValueError, others TypeError."""
    port.post(1)
    for most in (0, -1, -(2**31)):
        with raises(ValueError):
            port.wait(most, 0)
    for wrong in NOT_INTEGERS[:4]:  # True is an integer, only no key
        with raises(TypeError):
            port.wait(wrong, 0)
        with raises(TypeError):
            port.wait(5, 0, min_completions=wrong)
    for least, most in ((0, 5), (-1, 5), (6, 5), (2, 1)):
        with raises(ValueError):
            port.wait(most, 0, min_completions=least)
    wait_one(port)


@rule("wait/11")
def test_bad_timeouts(port: CompletionPort) -> None:
    """A negative or NaN timeout is ValueError, one that is no number TypeError, and nothing is taken."""
    port.post(1)
    for timeout in (-1, -1e-9, -math.inf, math.nan):
        with raises(ValueError):
            port.wait(1, timeout)
    for wrong in NOT_SECONDS:
        with raises(TypeError):
            port.wait(1, wrong)
    wait_one(port)


@rule("wait/12")
def test_far_timeouts(port: CompletionPort) -> None:
    """A timeout of any length is accepted and does not wrap round: years, 1e18 s, the largest float."""
    for timeout in (86400 * 36500, 2**31 / 1000 + 1, 2**32, 2**63, 1e18, sys.float_info.max, math.inf):
        waiter = background(port.wait, 1, timeout)
        expect_blocked(waiter)
        port.post(1)
        expect(len(waiter.result()) == 1, f"wait(1, {timeout:g}) to return the post", waiter.result())


@rule("wait/13")
def test_min_completions(port: CompletionPort) -> None:
    """With min_completions, wait blocks until that many are there."""

    def wait_for_three() -> list[Completion]:
        return port.wait(10, 30, min_completions=3)

    port.post(1)
    waiter = background(wait_for_three)
    for key in (2, 3):
        expect_blocked(waiter)
        port.post(key)
    expect([done.key for done in waiter.result()] == [1, 2, 3], "keys 1, 2 and 3", waiter.result())


@rule("wait/14")
def test_min_completions_on_timeout(port: CompletionPort) -> None:
    """When the timeout is over before min_completions are there, those that are come: in time, and none is lost."""
    port.post(1)
    port.post(2)
    with Watch() as watch:
        batch = port.wait(10, 0.04, min_completions=3)
    watch.expect_not_before(0.04, "wait(10, 0.04, min_completions=3) with two posts")
    expect([done.key for done in batch] == [1, 2], "keys 1 and 2", batch)
    port.post(3)
    batch = port.wait(10, 0, min_completions=5)
    expect([done.key for done in batch] == [3], "with timeout 0 the one that is there", batch)


@rule("wait/38", needs=Capability.READINESS)
def test_min_completions_of_one_file(port: CompletionPort, sources: Sources) -> None:
    """A ready file is one completion of a wait, however many the wait asks for, and does not shorten it."""
    mine, peer = sources.tcp()
    port.register(mine, 38, Interest.READABLE)
    peer.send(b"x")
    for _ in range(2):
        with Watch() as watch:
            batch = port.wait(9, 0.02, min_completions=2)
        watch.expect_not_before(0.02, "wait(9, 0.02, min_completions=2) with one ready file")
        expect([done.key for done in batch] == [38], "the file, once", batch)


@rule("wait/15")
def test_min_completions_by_name(port: CompletionPort) -> None:
    """All parameters of wait can be named, and min_completions must be."""
    port.post(1)
    with raises(TypeError):
        port.wait(5, 0, 1)  # type: ignore[call-arg]
    expect(len(port.wait(max_completions=5, timeout=0, min_completions=1)) == 1, "one completion", "another number")


@rule("wait/16")
def test_list_of_its_own(port: CompletionPort) -> None:
    """Each wait returns a list of the caller's own: changing it changes nothing, posting does not make it longer."""
    port.post(1)
    port.post(2)
    first = port.wait(1)
    port.post(3)
    expect([done.key for done in first] == [1], "the first batch to stay as it was", first)
    first.clear()
    second = port.wait(5, 1)
    expect(second is not first, "another list", "the same list")
    expect([done.key for done in second] == [2, 3], "keys 2 and 3", second)


@rule("wait/17")
def test_deadline_under_noise(port: CompletionPort) -> None:
    """Calls of other threads that give no completion neither shorten a wait nor lengthen it."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.0005):
            port.statistics()
            port.flush()
            with raises(ValueError):
                port.wait(0, 0)

    noise = background(disturb)
    with Watch() as watch:
        expect_nothing(port, 0.06)
    stop.set()
    noise.result()
    watch.expect_not_before(0.06, "wait(timeout=0.06)")


@rule("wait/18", needs=Capability.READINESS)
def test_deadline_under_registrations(port: CompletionPort, sources: Sources) -> None:
    """Files registered, changed and unregistered by another thread neither shorten a wait nor lengthen it."""
    quiet, _peer = sources.tcp()
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.0005):
            port.register(quiet, 1, Interest.READABLE)
            port.modify(quiet, key=2, interest=Interest.NONE)
            port.unregister(quiet)

    noise = background(disturb)
    with Watch() as watch:
        expect_nothing(port, 0.06)
    stop.set()
    noise.result()
    watch.expect_not_before(0.06, "wait(timeout=0.06)")


@rule("wait/19")
def test_nop(port: CompletionPort) -> None:
    """A nop completes once, by wait and not by the call, with result 0, key 0 and its token."""
    token = object()
    operation = port.nop(token)
    expect(type(operation) is int, "an int as operation id", operation)
    expect_completion(wait_one(port), key=0, result=0, token=token, kind=Kind.NOP, error=None, more=False, value=None)
    port.nop()
    expect_completion(wait_one(port), token=None, kind=Kind.NOP)
    expect_nothing(port, 0)


@rule("wait/20")
def test_submit_is_the_call(port: CompletionPort) -> None:
    """submit of an operation as data is the same call as the method, its token by name."""
    token = object()
    operation = port.submit(Nop(), token=token)
    expect(type(operation) is int, "an int as operation id", operation)
    expect_completion(wait_one(port), result=0, token=token, kind=Kind.NOP)
    port.submit(Nop())
    expect_completion(wait_one(port), token=None, kind=Kind.NOP)


@rule("wait/21")
def test_ids_are_new(port: CompletionPort) -> None:
    """An operation id is never given again while the port lives."""
    given = []
    for _ in range(200):
        given += [port.nop() for _ in range(5)]
        wait_for(port, 5)
    expect(len(set(given)) == 1000, "1000 different ids", f"{len(set(given))}")


@rule("wait/22")
def test_in_flight_until_returned(port: CompletionPort) -> None:
    """An operation is in flight until wait has returned its completion, also when it was finished before."""
    for number in range(1, 6):
        port.nop()
        expect(port.in_flight == number, f"in_flight {number}", port.in_flight)
    port.post(1)
    seen = 0
    while seen < 5:
        seen += sum(done.kind is Kind.NOP for done in port.wait(2, 5))
        expect(port.in_flight == 5 - seen, f"in_flight {5 - seen} after {seen} of 5", port.in_flight)


@rule("wait/23")
def test_flush(port: CompletionPort) -> None:
    """flush returns how many operations it handed over, 0 when there are none, and takes no completion."""
    expect(port.flush() == 0, "flush() of nothing to give 0", "another number")
    for _ in range(3):
        port.nop()
    expect(0 <= port.flush() <= 3, "flush() after three nops to give 0 to 3", "another number")
    expect(port.flush() == 0, "a second flush() to give 0", "another number")
    wait_for(port, 3)
    expect_nothing(port, 0)


@rule("wait/24")
def test_statistics(port: CompletionPort) -> None:
    """statistics() counts at least submitted, in_flight, ready, posted, via_thread and resubmitted, as ints."""
    for _ in range(4):
        port.nop()
    found = dict(port.statistics())
    missing = {"submitted", "in_flight", "ready", "posted", "via_thread", "resubmitted"} - found.keys()
    expect(not missing, "all six counters", f"without {sorted(missing)}")
    expect(all(type(count) is int and count >= 0 for count in found.values()), "ints from 0 on", found)
    expect(found["submitted"] == 4 and found["in_flight"] == 4, "submitted 4 and in_flight 4 after four nops", found)
    wait_for(port, 4)
    found = dict(port.statistics())
    expect(found["submitted"] == 4 and not found["in_flight"], "submitted 4 and in_flight 0 once returned", found)
    expect(found["ready"] == 0, "ready 0 with nothing left to return", found)


@rule("wait/25", needs=Capability.TIMEOUT)
def test_timeout_ends_a_wait(port: CompletionPort) -> None:
    """A timeout operation completes with 0 when its time is over, never before, and ends a longer wait."""
    token = object()
    for timeout in (None, 30):
        with Watch() as watch:
            port.timeout(0.03, token)
            done = port.wait(1, timeout)
        expect(len(done) == 1, "the timeout's completion", done)
        expect_completion(done[0], key=0, result=0, token=token, kind=Kind.TIMEOUT, error=None, more=False)
        watch.expect_not_before(0.03, "timeout(0.03)")


@rule("wait/26", needs=Capability.TIMEOUT)
def test_timeouts_in_their_order(port: CompletionPort) -> None:
    """Timeouts complete in the order of their deadlines, not of their submission, and each once."""
    due: dict[object, tuple[float, float]] = {}  # on a busy host a submission takes its time: from when to when
    for thousandths in (30, 10, 50, 20, 40):
        earliest = time.monotonic() + thousandths / 1000
        port.timeout(thousandths / 1000, thousandths)
        due[thousandths] = earliest, time.monotonic() + thousandths / 1000
    order = [done.token for done in wait_for(port, 5)]
    expect(len(order) == 5 and set(order) == set(due), "each of 10, 20, 30, 40, 50 ms once", order)
    for one, next_one in itertools.pairwise(order):
        expect(due[one][0] <= due[next_one][1], "10, 20, 30, 40, 50 ms in this order", order)
    expect_nothing(port, 0.01)


@rule("wait/27", needs=Capability.TIMEOUT)
def test_timeout_of_zero(port: CompletionPort) -> None:
    """A timeout of 0 completes at once, and one that is over is returned by a wait that does not block."""
    port.timeout(0, "zero")
    with Watch() as watch:
        expect_completion(wait_one(port, 30), token="zero", kind=Kind.TIMEOUT, result=0)
    watch.expect_prompt("timeout(0)")
    port.submit(Timeout(0.001), token="over")
    until(lambda: port.wait(timeout=0), PROMPT, "a wait of 0 s to return the timeout that is over")


@rule("wait/28", needs=Capability.TIMEOUT)
def test_timeout_from_another_thread(port: CompletionPort) -> None:
    """A timeout submitted while another thread waits, without end or for longer, ends that wait."""
    port.timeout(3600, "later")
    waiter = background(port.wait, 1, None)
    expect_blocked(waiter)
    port.timeout(0.01, "sooner")
    expect_completion(waiter.result()[0], token="sooner")


@rule("wait/29", needs=Capability.TIMEOUT)
def test_bad_timeout_operations(port: CompletionPort) -> None:
    """timeout() refuses what wait refuses, and a refused call leaves nothing in flight."""
    for seconds in (-1, -1e-9, -math.inf, math.nan):
        with raises(ValueError):
            port.timeout(seconds)
    for wrong in (None, *NOT_SECONDS):
        with raises(TypeError):
            port.timeout(wrong)
    expect(port.in_flight == 0, "in_flight 0", port.in_flight)
    expect_nothing(port, 0)


@rule("wait/30", needs=Capability.TIMEOUT)
def test_far_timeout_operations(port: CompletionPort) -> None:
    """A timeout operation of any length is accepted, does not wrap round, and does not keep close waiting."""
    for seconds in (86400 * 36500, 2**31 / 1000 + 1, 2**32, 2**63, 1e18, sys.float_info.max, math.inf):
        port.timeout(seconds)
    expect_nothing(port, 0.03)
    expect(port.in_flight == 7, "seven timeouts in flight", port.in_flight)
    with Watch() as watch:
        port.close()
    watch.expect_prompt("close()")
