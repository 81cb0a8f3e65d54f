/* Waking threads on Windows: a packet without an operation for the one in the port, WakeByAddress for the others.

   Nothing interrupts a wait here, Ctrl-C no more than anything else: the main thread, the only one that runs Python's signal
   handlers, looks for them every few hundredths of a second. */
#ifndef COMPL_BELL_WINDOWS_H
#define COMPL_BELL_WINDOWS_H

#define HANDLER_SLICE 40000000u  /* ns */

static DWORD main_thread;        /* set at import, or the thread that imports */

static inline int on_main_thread(void) { return GetCurrentThreadId() == main_thread; }

/* `deadline`, or on the main thread the time to look for signals, if that is sooner. */
static inline uint64_t until_handlers(uint64_t deadline) {
    if (!on_main_thread()) return deadline;
    uint64_t slice = clock_now() + HANDLER_SLICE;
    return deadline < slice ? deadline : slice;
}

/* The number of a completion port, whose packets without an OVERLAPPED say nothing but "look". */
static inline void bell_ring(int fd) {
    PostQueuedCompletionStatus(handle_of(fd), 0, 0, NULL);
}

static inline int sleeper_sleep(Sleeper *sleeper, uint64_t deadline) {
    uint32_t asleep = 0;
    WaitOnAddress(&sleeper->woken, &asleep, sizeof asleep, milliseconds_until(until_handlers(deadline)));
    return 0;
}

/* May run after the sleeper has gone (it timed out): waking an address that nobody waits on does nothing. */
static inline void sleeper_wake(uint32_t *address) {
    WakeByAddressSingle(address);
}

/* There is no fork. */
static inline int fork_watch(void) {
    return 0;
}
#endif
