/* What this build's compiler makes of the structs that go to the kernel, for compl_iocp.layouts to be held against. */
#ifndef COMPL_MEASURED_H
#define COMPL_MEASURED_H
#include <stddef.h>
#include "afd_calls.h"

typedef struct {
    const char *type, *member; /* no member: size and alignment of the type */
    size_t first, second;      /* of a member: offset and size */
} Measure;

#define TYPE(type) {#type, "", sizeof(type), offsetof(struct { char before; type it; }, it)}
#define MEMBER(type, member) {#type, #member, offsetof(type, member), sizeof(((type *)0)->member)}

static const Measure measures[] = {
    TYPE(OVERLAPPED),
    MEMBER(OVERLAPPED, Internal), MEMBER(OVERLAPPED, InternalHigh), MEMBER(OVERLAPPED, Offset), MEMBER(OVERLAPPED, Pointer),
    MEMBER(OVERLAPPED, OffsetHigh), MEMBER(OVERLAPPED, hEvent),
    TYPE(OVERLAPPED_ENTRY),
    MEMBER(OVERLAPPED_ENTRY, lpCompletionKey), MEMBER(OVERLAPPED_ENTRY, lpOverlapped), MEMBER(OVERLAPPED_ENTRY, Internal),
    MEMBER(OVERLAPPED_ENTRY, dwNumberOfBytesTransferred),
    TYPE(WSABUF), MEMBER(WSABUF, len), MEMBER(WSABUF, buf),
    TYPE(WSAMSG),
    MEMBER(WSAMSG, name), MEMBER(WSAMSG, namelen), MEMBER(WSAMSG, lpBuffers), MEMBER(WSAMSG, dwBufferCount),
    MEMBER(WSAMSG, Control.len), MEMBER(WSAMSG, Control.buf), MEMBER(WSAMSG, dwFlags),
    TYPE(IO_STATUS_BLOCK), MEMBER(IO_STATUS_BLOCK, Status), MEMBER(IO_STATUS_BLOCK, Pointer), MEMBER(IO_STATUS_BLOCK, Information),
    TYPE(UNICODE_STRING), MEMBER(UNICODE_STRING, Length), MEMBER(UNICODE_STRING, MaximumLength), MEMBER(UNICODE_STRING, Buffer),
    TYPE(OBJECT_ATTRIBUTES),
    MEMBER(OBJECT_ATTRIBUTES, Length), MEMBER(OBJECT_ATTRIBUTES, RootDirectory), MEMBER(OBJECT_ATTRIBUTES, ObjectName),
    MEMBER(OBJECT_ATTRIBUTES, Attributes), MEMBER(OBJECT_ATTRIBUTES, SecurityDescriptor),
    MEMBER(OBJECT_ATTRIBUTES, SecurityQualityOfService),
    TYPE(AFD_POLL_HANDLE_INFO),
    MEMBER(AFD_POLL_HANDLE_INFO, Handle), MEMBER(AFD_POLL_HANDLE_INFO, Events), MEMBER(AFD_POLL_HANDLE_INFO, Status),
    TYPE(AFD_POLL_INFO),
    MEMBER(AFD_POLL_INFO, Timeout), MEMBER(AFD_POLL_INFO, NumberOfHandles), MEMBER(AFD_POLL_INFO, Exclusive),
    MEMBER(AFD_POLL_INFO, Handles[0].Handle), MEMBER(AFD_POLL_INFO, Handles[0].Events), MEMBER(AFD_POLL_INFO, Handles[0].Status),
    TYPE(SOCKADDR_IN),
    MEMBER(SOCKADDR_IN, sin_family), MEMBER(SOCKADDR_IN, sin_port), MEMBER(SOCKADDR_IN, sin_addr), MEMBER(SOCKADDR_IN, sin_zero),
    TYPE(SOCKADDR_IN6),
    MEMBER(SOCKADDR_IN6, sin6_family), MEMBER(SOCKADDR_IN6, sin6_port), MEMBER(SOCKADDR_IN6, sin6_flowinfo),
    MEMBER(SOCKADDR_IN6, sin6_addr), MEMBER(SOCKADDR_IN6, sin6_scope_id),
    TYPE(SOCKADDR_STORAGE), MEMBER(SOCKADDR_STORAGE, ss_family),
};
#undef TYPE
#undef MEMBER
enum { MEASURE_COUNT = sizeof measures / sizeof *measures };
#endif
