/* A timer that rings a port's bell, for whoever watches the port's handle instead of waiting. */
#ifndef COMPL_ALARM_H
#define COMPL_ALARM_H
#include "bell.h"

typedef struct {
    HANDLE timer, wait;
} Alarm;

static VOID CALLBACK alarm_due(PVOID port, BOOLEAN timed_out) {
    (void)timed_out;
    PostQueuedCompletionStatus(port, 0, 0, NULL);
}

static inline int alarm_open(Alarm *alarm, int port) {
    alarm->timer = CreateWaitableTimerW(NULL, FALSE, NULL);
    if (!alarm->timer) return 0;
    if (RegisterWaitForSingleObject(&alarm->wait, alarm->timer, alarm_due, handle_of(port), INFINITE, WT_EXECUTEINWAITTHREAD))
        return 1;
    CloseHandle(alarm->timer);
    alarm->timer = NULL;
    return 0;
}

/* Due at `deadline` (clock_now, ns); UINT64_MAX is never. */
static inline void alarm_set(Alarm *alarm, uint64_t deadline) {
    LARGE_INTEGER due;
    uint64_t now = clock_now();
    if (deadline == UINT64_MAX) {
        CancelWaitableTimer(alarm->timer);
        return;
    }
    due.QuadPart = deadline > now ? -(int64_t)((deadline - now) / 100 + 1) : -1;
    SetWaitableTimer(alarm->timer, &due, 0, NULL, NULL, FALSE);
}

static inline void alarm_close(Alarm *alarm) {
    if (!alarm->timer) return;
    UnregisterWaitEx(alarm->wait, INVALID_HANDLE_VALUE);
    CloseHandle(alarm->timer);
    alarm->timer = NULL;
}
#endif
