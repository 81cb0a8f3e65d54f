# Completions: from the queue to entries, and letting go of what their operations held.

cdef class _ReapingRing(_RingState):
    cdef list take_all(self, uint32_t most):
        """Completions from the queue, at most so many, as entries; then let go of what their operations held."""
        cdef uint32_t ready = ring_completed(&self.ring)
        cdef uint32_t made = 0
        cdef uint32_t width
        cdef bint large = (self.ring.flags & URING_SETUP_CQE32) != 0
        cdef UringCqe *cqe
        cdef Slot *slot
        cdef Slot *ended = NULL
        cdef PyObject *user_data
        cdef int res
        cdef list found
        if ready > most:
            ready = most
        if ready == 0:
            return []
        found = PyList_New(ready)
        Py_SET_SIZE(<PyObject *>found, 0)
        try:
            while ready:
                cqe = ring_peek(&self.ring)
                width = ring_width(&self.ring, cqe)
                ready = ready - width if ready > width else 0
                if ring_fills(&self.ring, cqe):
                    ring_advance(&self.ring, 1)
                    continue
                slot = slot_find(&self.slots, cqe.user_data)
                res = cqe.res
                if slot == NULL:
                    # From another ring, by MSG_RING: its number is the sender's own.
                    user_data = new_unsigned(cqe.user_data)
                    if user_data == NULL:
                        raise MemoryError()
                    self.foreign += 1
                elif cqe.flags & URING_CQE_MORE:
                    user_data = slot.user_data
                    Py_INCREF(user_data)
                else:
                    if slot.leader != NULL:
                        slot = self.gather(slot, &res)
                        if slot == NULL:
                            ring_advance(&self.ring, width)
                            continue
                    if slot.skip and res >= 0:
                        user_data = NULL
                        self.skipped += 1
                    else:
                        user_data = slot.user_data
                        Py_INCREF(user_data)
                if user_data != NULL:
                    PyList_SET_ITEM(found, made, completion_entry(user_data, cqe, res, large or width == 2))
                    made += 1
                    Py_SET_SIZE(<PyObject *>found, made)
                if slot != NULL and not cqe.flags & URING_CQE_MORE:
                    Py_CLEAR(slot.user_data)
                    if slot.holds:
                        slot.next = ended
                        ended = slot
                    else:
                        slot_give(&self.slots, slot)
                ring_advance(&self.ring, width)
                self.completed += 1
        finally:
            self.let_go(ended)
        return found

    cdef Slot *gather(self, Slot *part, int *res) noexcept:
        """Count one completion of a cancel() of several; the leading slot, and the result of all, with the last."""
        cdef Slot *leader = part.leader
        if res[0] > 0:
            leader.sum += res[0]
        leader.pending -= 1
        if part != leader:
            part.leader = NULL
            slot_give(&self.slots, part)
        if leader.pending:
            return NULL
        leader.leader = NULL
        res[0] = leader.sum
        return leader

    cdef void let_go(self, Slot *ended) noexcept:
        cdef Slot *slot
        cdef Hold hold
        while ended != NULL:
            slot = ended
            ended = slot.next
            hold = slot.hold
            memset(&slot.hold, 0, sizeof(slot.hold))
            slot_give(&self.slots, slot)
            hold_release(&hold)

    cdef list collect(self, list found, uint32_t most):
        """Append what there is, at most up to so many in all; None begins a list."""
        if len(self.spare):
            found = self.spare if found is None else found + self.spare
            self.spare = found[most:]
            del found[most:]
        if found is None:
            return self.take_all(most)
        if <uint32_t>len(found) < most:
            found += self.take_all(most - <uint32_t>len(found))
        return found
