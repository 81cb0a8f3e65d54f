# Waiting for completions.

cdef void pause(uint32_t tenths) noexcept:
    """Some tenths of a millisecond."""
    with nogil:
        usleep(100 * tenths)


cdef class _WaitingRing(_FillingRing):
    @cython.critical_section
    def submit_and_wait(self, uint32_t minimum=1, timeout=None, maximum=None):
        cdef uint64_t budget = NEVER if timeout is None else as_nanoseconds(timeout, "Ring.submit_and_wait", "timeout")
        cdef uint32_t most = 0xFFFFFFFF if maximum is None else as_u32(maximum, "Ring.submit_and_wait", "maximum")
        self.check("submit_and_wait")
        if minimum > most:
            raise ValueError(f"Ring.submit_and_wait(): minimum {minimum} is more than maximum {most}")
        return self.wait(minimum, budget, most, True)

    @cython.critical_section
    def reap(self, maximum=None):
        cdef uint32_t most = 0xFFFFFFFF if maximum is None else as_u32(maximum, "Ring.reap", "maximum")
        self.check("reap")
        return self.wait(0, 0, most, False)

    cdef list wait(self, uint32_t minimum, uint64_t budget, uint32_t most, bint submits):
        cdef uint64_t deadline = NEVER if budget == NEVER or budget == 0 else after(budget)
        cdef uint64_t now
        cdef uint32_t wanted, count, have = 0
        cdef uint32_t refusals = 0           # odd: the kernel took none, so let completions out of the way first
        cdef bint asked = False, first, events, expired = budget == 0
        cdef int taken
        cdef list found = None
        if submits:
            self.chained = False
        try:
            while True:
                if self.any_ready():
                    found = self.collect(found, most)
                    have = <uint32_t>len(found)
                    if self.closing:         # by code of the user, as a buffer was given back
                        self.check("submit_and_wait")
                count = self.show() if submits else 0
                wanted = min(minimum - have, self.ring.cq_entries) if have < minimum and not expired else 0
                events = wanted > 0 or (have < most and (self.asks and not asked or ring_holds_back(&self.ring)))
                if not events and count == 0:
                    return [] if found is None else found
                if ring_overflows(&self.ring):
                    self.overflowed += 1
                if refusals & 1:
                    count = wanted = 0
                    events = True
                first = wanted and count and self.submits_first()
                taken = self.enter(count, 0 if first else wanted, URING_ENTER_GETEVENTS if events else 0, budget)
                asked = True
                if first:
                    if ring_completed(&self.ring) < wanted:
                        self.skip = self.doubt = min(2 * self.doubt + 1, 255)
                    else:
                        self.doubt = 0
                if taken == -EINTR or wanted and not first and ring_completed(&self.ring) < wanted:
                    PyErr_CheckSignals()     # also after a submission, which makes an interrupted wait a success
                if self.closing:
                    self.check("submit_and_wait")
                if taken > 0:
                    refusals = 0
                elif refusals & 1 or taken == -EBUSY or taken == -EAGAIN:
                    refusals += 1
                    if refusals >= 64:
                        return self.refused(found, taken or -EAGAIN)
                    if refusals > 8:
                        pause(refusals)
                elif taken < 0 and taken != -ETIME and taken != -EINTR:
                    return self.refused(found, taken)
                if deadline != NEVER:
                    now = clock_now()
                    expired = now >= deadline
                    budget = deadline - now if not expired else 0
        except BaseException:
            if found is not None and not self.closing:
                self.spare = found + self.spare
            raise

    cdef inline bint any_ready(self) noexcept:
        return ring_completed(&self.ring) != 0 or len(self.spare) != 0

    cdef list refused(self, list found, int error):
        """What there is; the error only when there is nothing, as it will be there the next time as well."""
        if not found:
            self.failed(error, "submit_and_wait")
        return found
