"""post: packets of the caller's own, through the queue and unchanged."""

from __future__ import annotations

import gc
import weakref
from collections import defaultdict
from collections.abc import Callable

from compl_conformance.expect import background, expect, expect_completion, expect_nothing, raises, wait_for, wait_one
from compl_conformance.rule import rule
from compl_conformance.scenarios.edges import KEYS, NOT_INTEGERS, RESULTS, Index, Token, expect_freed
from compl_conformance.scenarios.timing import Watch
from compl_conformance.sources import Sources
from compl_core import Capability, Completion, CompletionFlags, CompletionPort, Interest, Kind


@rule("post/1")
def test_comes_back_as_it_was(port: CompletionPort) -> None:
    """A post comes back as one Completion with its key, result and token, Kind.POSTED, no flags and no value."""
    token = object()
    port.post(0x11, 42, token)
    done = wait_one(port)
    expect(type(done) is Completion, "a compl_core.Completion", type(done).__qualname__)
    expect_completion(done, key=0x11, result=42, token=token, kind=Kind.POSTED, error=None, value=None)
    expect(done.kind is Kind.POSTED, "kind to be the member Kind.POSTED, not just its number", done.kind)
    expect(type(done.flags) is CompletionFlags and not done.flags, "flags to be CompletionFlags.NONE", done.flags)
    expect_nothing(port, 0)


@rule("post/2")
def test_defaults(port: CompletionPort) -> None:
    """A post of a key alone has result 0 and token None; all three can be named."""
    port.post(7)
    expect_completion(wait_one(port), key=7, result=0, token=None)
    port.post(token=port, result=9, key=8)
    expect_completion(wait_one(port), key=8, result=9, token=port)


@rule("post/3")
def test_every_key(port: CompletionPort) -> None:
    """Every key from 0 to 2**64-1 is legal and comes back to the bit; none is kept for the port's own use."""
    for key in KEYS:
        port.post(key)
    for key, done in zip(KEYS, wait_for(port, len(KEYS)), strict=True):
        expect_completion(done, key=key, kind=Kind.POSTED)


@rule("post/4")
def test_every_result(port: CompletionPort) -> None:
    """Every result from 0 to 2**32-1 is legal, comes back as it was, and is no error."""
    for result in RESULTS:
        port.post(1, result)
    for result, done in zip(RESULTS, wait_for(port, len(RESULTS)), strict=True):
        expect_completion(done, result=result, error=None)
        expect(done.ok and done.unwrap() == result, "ok, and unwrap() to give the result", done)


@rule("post/5")
def test_tokens_by_identity(port: CompletionPort) -> None:
    """A token of any type comes back by identity: unhashable, never equal, an exception, a class, the port itself."""
    tokens: list[object] = [[], {}, float("nan"), KeyboardInterrupt(), Token, port, iter(()), 2**80, "", None]
    for token in tokens:
        port.post(1, 0, token)
    for token, done in zip(tokens, wait_for(port, len(tokens)), strict=True):
        expect_completion(done, token=token, error=None)


@rule("post/6")
def test_token_is_let_go(port: CompletionPort) -> None:
    """The port holds a token until wait returns it, and not longer."""
    token = Token()
    alive = weakref.ref(token)
    port.post(1, 0, token)
    del token
    gc.collect()
    expect(alive() is not None, "the port to hold the token of a post that waits", "it was freed")
    done = wait_one(port)
    expect_completion(done, token=alive())
    del done
    port.wait(timeout=0)  # a port may keep the last batch until the next call
    expect_freed(alive, "the token to be free once its completion is")


@rule("post/7")
def test_order_of_one_thread(port: CompletionPort) -> None:
    """The posts of one thread come in the order of posting, however few a wait takes."""
    for number in range(500):
        port.post(number % 3, number)
    taken: list[int] = []
    while len(taken) < 500:
        taken += [done.result for done in port.wait(1 + len(taken) % 7, timeout=5)]
    expect(taken == list(range(500)), "0, 1, 2, ... 499", taken)


@rule("post/8")
def test_never_merged(port: CompletionPort) -> None:
    """Equal posts are never merged: a hundred of them are a hundred completions."""
    token = object()
    for _ in range(100):
        port.post(5, 5, token)
    for done in wait_for(port, 100):
        expect_completion(done, key=5, result=5, token=token, kind=Kind.POSTED)
    expect_nothing(port, 0)


@rule("post/9")
def test_wakes_a_blocked_wait(port: CompletionPort) -> None:
    """A post from another thread wakes a wait that has no timeout."""
    for number in range(20):
        waiter = background(port.wait, 1, None)
        with Watch() as watch:
            port.post(number)
            (done,) = waiter.result()
        expect_completion(done, key=number)
        watch.expect_prompt("the wait to return after the post")


@rule("post/10", timeout=30)
def test_ten_thousand_of_eight_threads(port: CompletionPort) -> None:
    """Ten thousand posts of eight threads all arrive, each once, those of each thread in its order."""
    posters, each = 8, 1250

    def post_all(poster: int) -> None:
        for number in range(each):
            port.post(poster, number)

    threads = [background(post_all, poster) for poster in range(posters)]
    taken: defaultdict[int, list[int]] = defaultdict(list)
    for done in wait_for(port, posters * each, timeout=20):
        taken[done.key].append(done.result)
    for thread in threads:
        thread.result()
    for poster in range(posters):
        expect(taken[poster] == list(range(each)), f"0 ... {each - 1} of thread {poster}, in order", taken[poster])
    expect_nothing(port, 0)


@rule("post/11")
def test_bad_arguments(port: CompletionPort) -> None:
    """A key or result that is no integer is TypeError, one out of range OverflowError, and nothing is posted."""
    for wrong in NOT_INTEGERS:
        with raises(TypeError):
            port.post(wrong)
        with raises(TypeError):
            port.post(1, wrong)
    for key in (-1, 2**64, -(2**63), 2**200):
        with raises(OverflowError):
            port.post(key)
    for result in (-1, 2**32, -(2**31), 2**200):
        with raises(OverflowError):
            port.post(1, result)
    expect_nothing(port, 0)


@rule("post/12")
def test_index_arguments(port: CompletionPort) -> None:
    """Anything with __index__ is an integer, and comes back as an int."""
    port.post(Index(2**64 - 1), Index(2**32 - 1))  # type: ignore[arg-type]
    done = expect_completion(wait_one(port), key=2**64 - 1, result=2**32 - 1)
    expect(type(done.key) is int and type(done.result) is int, "key and result of type int", [type(x) for x in done])


@rule("post/13")
def test_is_no_operation(port: CompletionPort) -> None:
    """A post is not in flight and not submitted; statistics() counts it as posted."""
    before = port.statistics()
    for key in range(5):
        port.post(key)
    after = port.statistics()
    expect(port.in_flight == 0, "in_flight 0 with five posts waiting", port.in_flight)
    expect(after["posted"] - before["posted"] == 5, "statistics()['posted'] to grow by 5", (before, after))
    expect(after["submitted"] == before["submitted"], "statistics()['submitted'] unchanged", (before, after))
    wait_for(port, 5)


@rule("post/14", needs=Capability.READINESS)
def test_posts_do_not_starve_files(port: CompletionPort, sources: Sources) -> None:
    """A ready file is reported although posts never run out."""
    mine, peer = sources.tcp()
    port.register(mine, 0xF11E, Interest.READABLE)
    for _ in range(64):
        port.post(1)
    peer.send(b"x")
    for _ in range(200):
        for _ in range(4):
            port.post(1)  # as many as the wait takes: the queue never gets shorter
        if any(done.kind is Kind.READY for done in port.wait(4, timeout=1)):
            return
    expect(False, "the ready file among 200 waits", "800 posts and no READY")


@rule("post/15", needs=Capability.READINESS)
def test_files_do_not_starve_posts(port: CompletionPort, sources: Sources) -> None:
    """A post is returned although more files are ready, each time, than a wait takes."""
    for key in range(12):
        mine, peer = sources.stream()
        port.register(mine, key, Interest.READABLE)
        peer.send(b"x")
    port.wait(3, timeout=5)
    port.post(99, 0, "post")
    for _ in range(200):
        if any(done.kind is Kind.POSTED for done in port.wait(3, timeout=1)):
            return
    expect(False, "the post among 200 waits", "600 READY and no post")


@rule("post/16", needs=Capability.READINESS)
def test_key_of_a_registered_file(port: CompletionPort, sources: Sources) -> None:
    """A post with the key of a registered file is a post like any other, and leaves the registration alone."""
    mine, peer = sources.tcp()
    port.register(mine, 5, Interest.READABLE)
    port.post(5, int(Interest.READABLE), "post")
    expect_completion(wait_one(port), key=5, kind=Kind.POSTED, token="post")
    peer.send(b"x")
    expect_completion(wait_one(port), key=5, kind=Kind.READY, token=None)


@rule("post/17")
def test_untaken_tokens_at_close(open_port: Callable[[], CompletionPort]) -> None:
    """close lets go of the tokens of posts that nobody took."""
    port = open_port()
    token = Token()
    alive = weakref.ref(token)
    port.post(1, 0, token)
    del token
    port.close()
    expect_freed(alive, "the token to be free after close()")
