# Which file a number is, and its registration.

cdef class _FilesPort(_WaitingPort):
    cdef uint64_t registrations

    cdef File *file_of(self, object file, str method) except? NULL:
        """The record of a file; NULL when it is not open."""
        cdef int fd = as_descriptor(file, method)
        cdef File *known = file_at(&self.tables.files, fd)
        if known != NULL and known.open and keeps_number(<PyObject *>file) and weak_is(known.weak, <PyObject *>file):
            return known         # the object that had this number last time still has it
        if fd < 0:
            return NULL
        return self.look(fd, known, file)

    cdef File *look(self, int fd, File *file, object source) except? NULL:
        """Ask the kernel which file the number is now.  A record of another file is wiped first."""
        cdef int same = 0
        cdef bint was_open = file != NULL and file.open
        cdef PyObject *weak
        cdef PyObject *fresh
        if file == NULL:
            if not number_is_open(fd):
                return NULL
            file = file_make(&self.tables.files, fd)
            if file == NULL:
                raise MemoryError()
        if self.identify(file, &same) < 0:
            if was_open:
                self.forget(file)
            return NULL
        if not same:
            if was_open:
                self.forget(file)
            else:
                file.incarnation = (file.incarnation + 1) & 0x7FFFFFFF
            file.open = True
        elif file.kind == FILE_OTHER or file.kind == FILE_PIPE:
            self.recheck(file)   # eventfds share one inode, a FIFO may have been opened anew: fstat cannot tell
        if keeps_number(<PyObject *>source):
            fresh = PyWeakref_NewRef(<PyObject *>source, NULL)   # may run the collector, and with it code of the user
            if fresh == NULL:
                PyErr_Clear()
            weak = file.weak
            file.weak = fresh
            Py_XDECREF(weak)
        return file

    cdef void forget(self, File *file) noexcept:
        """The number was closed behind the port's back: its operations fail, its registration is gone."""
        cdef PyObject *held = file.object
        cdef PyObject *key = file.key
        cdef PyObject *weak = file.weak
        file.open = False
        file.incarnation = (file.incarnation + 1) & 0x7FFFFFFF
        file.watched = 0
        file.mask = 0
        self.let_go(file)
        self.fail_all(file, -EBADF)
        self.drop_readiness(file)
        file.busy = False
        file.registration = 0
        file.interest = file.oneshot = file.disarmed = file.muted = 0
        file.object = file.key = file.weak = NULL
        if held != NULL and self.leading and not self.asleep:
            self.part_with(<object>held)     # its end may close the port, which waits for this thread
        Py_XDECREF(held)
        Py_XDECREF(key)
        Py_XDECREF(weak)

    cdef void forget_object(self, object source) noexcept:
        """A registered object that is closed does not know its number any more: find it by the object."""
        cdef int fd
        cdef File *file
        for fd in range(self.tables.files.size):
            file = self.tables.files.files[fd]
            if file != NULL and file.object == <PyObject *>source:
                self.forget(file)
                return

    cdef File *registered(self, object file, str method) except NULL:
        cdef File *known = self.file_of(file, method)
        if self.epoch != fork_count or self.bound:
            self.check(method)
        if known == NULL:
            self.forget_object(file)
            raise _errors.bad_descriptor(self.name, as_descriptor(file, method), method)
        if not known.registration:
            raise _errors.not_registered(self.name, known.fd, method)
        return known

    @cython.critical_section
    def register(self, file, key, interest=0, *, bint oneshot=False):
        cdef uint64_t number = as_key(key, "register")
        cdef int wanted = as_interest(interest, "register")
        cdef File *known
        cdef PyObject *held
        cdef int status
        cdef object key_object = number
        if self.epoch != fork_count or self.bound:
            self.check("register")
        if file is self:
            raise ValueError(f"{self.name} port: register(): a port cannot watch itself")
        known = self.file_of(file, "register")
        if self.epoch != fork_count:
            self.check("register")
        if known == NULL:
            raise _errors.bad_descriptor(self.name, as_descriptor(file, "register"), "register")
        if known.closing != NULL:
            raise _errors.bad_descriptor(self.name, known.fd, "register")
        if known.registration:
            raise _errors.already_registered(self.name, known.fd, <object>known.key if known.key != NULL else 0)
        if wanted and known.kind == FILE_BLOCKING:
            raise _errors.always_ready(self.name, known.fd, "register")
        self.registrations += 1
        known.registration = self.registrations
        known.interest = wanted
        known.oneshot = oneshot
        known.disarmed = known.muted = False
        status = self.sync(known)
        if status < 0:
            known.registration = 0
            known.interest = 0
            self.refused(known, status, "register")
        known.object = <PyObject *>file
        Py_INCREF(known.object)
        if number:
            known.key = <PyObject *>key_object
            Py_INCREF(known.key)
        if self.inside or self.eager:
            self.poke()          # the number may have been another file's, whose operations have failed now

    @cython.critical_section
    def modify(self, file, *, key=None, interest=None, oneshot=None):
        cdef uint64_t number = 0 if key is None else as_key(key, "modify")
        cdef int wanted = -1 if interest is None else as_interest(interest, "modify")
        cdef File *known = self.registered(file, "modify")
        cdef uint8_t interest_before = known.interest
        cdef uint8_t oneshot_before = known.oneshot
        cdef uint8_t disarmed_before = known.disarmed
        cdef PyObject *old
        cdef int status
        cdef object key_object = number
        if wanted > 0 and known.kind == FILE_BLOCKING:
            raise _errors.always_ready(self.name, known.fd, "modify")
        if wanted >= 0:
            known.interest = wanted
        if oneshot is not None:
            known.oneshot = bool(oneshot)
        known.disarmed = False
        self.drop_readiness(known)  # what is queued was asked for in other words
        status = self.sync(known)
        if status < 0:
            known.interest, known.oneshot, known.disarmed = interest_before, oneshot_before, disarmed_before
            self.refused(known, status, "modify")
        if key is not None:
            old = known.key
            known.key = NULL
            if number:
                known.key = <PyObject *>key_object
                Py_INCREF(known.key)
            Py_XDECREF(old)
        if self.inside or self.eager:
            self.poke()

    @cython.critical_section
    def unregister(self, file):
        cdef File *known = self.registered(file, "unregister")
        self.end_registration(known)
        if self.inside or self.eager:
            self.poke()

    cdef void end_registration(self, File *file) noexcept:
        cdef PyObject *held = file.object
        cdef PyObject *key = file.key
        file.registration = 0
        file.interest = file.oneshot = file.disarmed = 0
        self.drop_readiness(file)
        self.unwatch(file)
        file.object = file.key = NULL
        Py_XDECREF(held)
        Py_XDECREF(key)

    cdef void drop_readiness(self, File *file) noexcept:
        """Take a queued READY report back."""
        cdef size_t i, kept = 0
        cdef Entry *entry
        if not file.queued:
            return
        for i in range(self.tables.ready.count):
            entry = ready_at(&self.tables.ready, i)
            if entry.what == ENTRY_READINESS and entry.of.file == file:
                continue
            if kept != i:
                ready_at(&self.tables.ready, kept)[0] = entry[0]
            kept += 1
        self.tables.ready.count = kept
        file.queued = file.muted = False
        if kept == 0:
            self.became_empty()

    cdef int report(self, File *file, int64_t readiness) except -1:
        """Queue a READY report."""
        cdef Entry *entry
        if ready_reserve(&self.tables.ready, self.unfinished + 1) < 0:
            return 0             # out of memory: level-triggered, so it comes again
        entry = ready_push(&self.tables.ready)
        entry.what = ENTRY_READINESS
        entry.of.file = file
        entry.result = readiness
        file.queued = True
        self.became_ready()
        return 0

    cdef int refused(self, File *file, int status, str method) except -1:
        """The kernel would not watch the file."""
        if status == -EPERM:
            raise _errors.always_ready(self.name, file.fd, method)
        if status == -EBADF:
            raise _errors.bad_descriptor(self.name, file.fd, method)
        raise OSError(-status, f"{_os.strerror(-status)}: {self.name} port: {method}(): fd {file.fd} cannot be watched")

    # ---- for the backend ------------------------------------------------------------------------------------------------

    cdef int sync(self, File *file) noexcept:
        """Make the kernel watch what the registration and the queued operations need.  0 or -errno."""
        return 0

    cdef void unwatch(self, File *file) noexcept:
        """The registration ended."""

    cdef int identify(self, File *file, int *same) noexcept:
        """What kind of file the number is now, and whether it is the `same` that was seen last.  0 or -errno."""
        return file_look(file, same)

    cdef void recheck(self, File *file) noexcept:
        """The kernel may have lost a file that fstat cannot tell from the one before."""

    cdef void let_go(self, File *file) noexcept:
        """The number is another file's now, or nobody's: what was asked of the kernel for it means nothing."""

    cdef void fail_all(self, File *file, int64_t result) noexcept:
        """Finish every operation that is queued on the file."""
