# Waiting and waking: one thread at a time, the leader, waits in the kernel; others sleep on futexes.
#
# N threads woken by one completion would see N-1 empty queues, and user-space queues can have one reader only.  Whoever
# puts something into the ready queue wakes exactly one thread: a sleeper if there is one, else the leader by the doorbell.
# Whoever leaves wait() passes on what it leaves behind.

cdef enum: MOST = 1 << 30        # completions in one list
cdef enum: UNPOLLED = 3          # waits served from the ready queue alone before the kernel is looked at again


cdef class _WaitingPort(_PortBase):
    cdef SleeperList sleepers
    cdef int bell                # eventfd, watched edge-triggered by the kernel object
    cdef bint leading            # a thread is in lead()
    cdef bint asleep             # ... and has dropped the GIL to block
    cdef bint rung               # ... and was rung for since
    cdef uint64_t asleep_until
    cdef tuple parted            # objects to be let go of, in pairs of (one, the others); None when there are none
    cdef size_t leader_wants     # completions
    cdef bint refills            # a pool that was empty is so no more: resume() has something to do
    cdef bint unsubmitted        # something has been prepared that only the leader hands to the kernel
    cdef bint eager              # ... and that has to happen at once: somebody watches fileno() instead of waiting
    cdef uint32_t inside         # threads in wait(), or using descriptors without the GIL
    cdef uint32_t unpolled       # waits in a row that did not look at the kernel
    cdef uint64_t waits, kernel_waits

    def __cinit__(self):
        self.bell = -1

    # ---- waking ---------------------------------------------------------------------------------------------------------

    cdef int ring(self) except -1:
        """Get the leader out of the kernel.  The GIL is dropped: the woken thread needs it at once."""
        if self.asleep and not self.rung:
            self.rung = True
            self.inside += 1     # close() keeps the descriptor open until we are out
            with nogil:
                bell_ring(self.bell)
            self.inside -= 1
        return 0

    @cython.critical_section
    cdef void refilled(self, _BufferPool pool) noexcept:
        # In the middle of anything, a collection of garbage included: the GIL stays, and only the bell tells.  It is
        # written to when nobody waits, too: the next wait, or whoever watches fileno(), finds it.
        if self.refills or self.epoch != fork_count:
            return
        self.refills = True
        bell_ring(self.bell)

    cdef int wake_sleeper(self, Sleeper *sleeper) except -1:
        cdef uint32_t *address = &sleeper.woken
        sleeper_remove(&self.sleepers, sleeper)
        sleeper_mark(sleeper)
        with nogil:
            sleeper_wake(address)
        return 0

    cdef inline int poke(self) except -1:
        """One thread that the ready queue would satisfy shall look at it.  Call last: other threads run meanwhile.

        Whether one was woken.
        """
        cdef size_t count = self.tables.ready.count
        cdef Sleeper *sleeper
        if self.inside and count:
            sleeper = sleeper_for(&self.sleepers, count)
            if sleeper != NULL:
                self.wake_sleeper(sleeper)
                return 1
            if self.asleep and not self.rung and self.leader_wants <= count:
                self.ring()
                return 1
        if self.unsubmitted:
            if self.asleep:
                self.ring()
            elif self.eager:
                self.submit_now()
        return 0

    # ---- posting --------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def post(self, key, result=0, token=None):
        cdef Entry *entry
        if not is_small(<PyObject *>key):
            key = as_key_object(key, "post")
        if not is_small(<PyObject *>result):
            result = as_result_object(result)
        if self.epoch != fork_count or self.bound:
            self.check("post")
        if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
            raise MemoryError()
        entry = ready_push(&self.tables.ready)
        entry.what = ENTRY_POSTED
        entry.of.key = <PyObject *>key
        Py_INCREF(entry.of.key)
        entry.number = <PyObject *>result
        Py_INCREF(entry.number)
        entry.token = <PyObject *>token
        Py_INCREF(entry.token)
        self.posted += 1
        self.became_ready()
        self.poke()

    # ---- waiting --------------------------------------------------------------------------------------------------------

    @cython.critical_section
    def wait(self, max_completions=64, timeout=None, *, min_completions=1):
        cdef Py_ssize_t room = as_count(max_completions, "max_completions")
        cdef Py_ssize_t want = 1 if min_completions is 1 else as_count(min_completions, "min_completions")
        cdef uint64_t budget = NEVER if timeout is None else as_nanoseconds(timeout, "wait", "timeout")
        if want > room:
            raise ValueError(f"wait(): min_completions ({want}) must not exceed max_completions ({room})")
        if self.epoch != fork_count or self.bound:
            self.check("wait")
        self.waits += 1
        self.inside += 1
        try:
            self.fill(<size_t>want, <size_t>room, budget)
        except BaseException:
            self.inside -= 1
            self.pass_on()
            raise
        self.inside -= 1         # from here on code of the user may run, close() of this port included
        if self.parted is not None:
            self.parted = None
        try:
            return self.deliver(room)
        finally:
            self.pass_on()

    cdef void part_with(self, object held) noexcept:
        """Let go of an object when this thread is out of the kernel's queue."""
        self.parted = (held, self.parted)

    cdef inline int pass_on(self) except -1:
        """The next thread takes what is left, or the lead."""
        if not self.poke() and self.sleepers.head != NULL and not self.leading:
            self.wake_sleeper(self.sleepers.head)
        return 0

    cdef int run_handlers(self) except -1:
        """Python's signal handlers, which may close the port: this thread does not count as inside meanwhile."""
        self.inside -= 1
        try:
            PyErr_CheckSignals()
        finally:
            self.inside += 1
        return 0

    cdef int fill(self, size_t want, size_t room, uint64_t budget) except -1:
        """Wait until `want` completions are ready or the time is up."""
        cdef uint64_t deadline
        if self.tables.ready.count >= want or budget == 0:
            # Enough may be there, but neither posts nor timers nor I/O may starve the others.
            if not self.leading and (self.tables.ready.count < want or self.unpolled >= UNPOLLED):
                self.lead(0, room)
            else:
                self.unpolled += 1
                self.collect()
                if self.tables.timers.count:
                    self.expire()
            return 0
        deadline = after(budget)
        while True:
            self.run_handlers()  # a signal may have come since the interpreter looked last, or have woken this thread
            if self.epoch != fork_count:
                self.check("wait")
            if self.tables.ready.count >= want or (deadline != NEVER and clock_now() >= deadline):
                return 0
            if self.poke():
                continue         # too few for this thread, enough for another one
            if self.leading:
                self.sleep(deadline, want)
            else:
                self.leader_wants = want
                self.lead(deadline, room)

    cdef int sleep(self, uint64_t deadline, size_t want) except -1:
        """Sleep until woken, the deadline, or a signal."""
        cdef Sleeper me
        me.want = want
        sleeper_append(&self.sleepers, &me)
        with nogil:
            sleeper_sleep(&me, deadline)
        sleeper_remove(&self.sleepers, &me)
        return 0

    cdef int lead(self, uint64_t deadline, size_t room) except -1:
        """Take what the kernel has, blocking until `deadline` (0: not at all), and what timers are due."""
        cdef uint64_t until = deadline
        if until and self.tables.timers.count:
            until = min(until, timers_next(&self.tables.timers))
        self.unpolled = 0
        self.leading = True
        try:
            # what is queued already takes its room; one event is looked at in any case
            self.harvest(until, <int>(room - self.tables.ready.count) if room > self.tables.ready.count else 1)
        finally:
            self.leading = False
        if self.refills:         # the bell that told has been heard by now
            self.refills = False
            self.resume()
        if self.tables.timers.count:
            self.expire()
        return 0

    cdef int expire(self) except -1:
        cdef uint64_t now = clock_now()
        cdef Op *op = timers_expired(&self.tables.timers, now)
        while op != NULL:
            self.expired(op)
            op = timers_expired(&self.tables.timers, now)
        self.timers_changed()
        return 0

    cdef void expired(self, Op *op) noexcept:
        self.finish(op, 0)

    cdef int start_timer(self, Op *op) except -1:
        """Into the heap; the leader hears of a timer that is due before it would wake."""
        if timers_add(&self.tables.timers, op) < 0:
            raise MemoryError()
        op.state = OP_QUEUED
        self.timers_changed()
        return 0

    cdef void timers_changed(self) noexcept:
        pass

    cdef int submit_now(self) except -1:
        """Hand to the kernel what has been prepared.  The GIL is dropped."""
        return 0

    cdef void collect(self) noexcept:
        """What others have finished, without asking the kernel."""

    cdef int resume(self) except -1:
        """Go on with what has waited for a buffer of a pool."""
        return 0

    cdef int harvest(self, uint64_t until, int room) except -1:
        """Wait in the kernel until `until` (0: do not block; NEVER) and put what came, at most about `room`, into the
        ready queue.  A signal ends it early."""
        return 0


cdef Py_ssize_t as_count(object count, str argument) except -1:
    cdef long long number
    if not PyLong_CheckExact(count):
        if isinstance(count, (bool, float)) or not hasattr(count, "__index__"):
            raise TypeError(f"wait(): {argument} must be an int, not {type(count).__name__}")
        count = _operator.index(count)
    try:
        number = count
    except OverflowError:
        number = -1 if count < 0 else MOST
    if number < 1:
        raise ValueError(f"wait(): {argument} must be at least 1, not {count}")
    return min(number, MOST)
