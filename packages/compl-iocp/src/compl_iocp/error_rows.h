/* compl_core.error_table as the native code reads it: sorted rows, filled at import, so that what a code means is found without
   running Python. */
#ifndef COMPL_ERROR_ROWS_H
#define COMPL_ERROR_ROWS_H
#include <stdint.h>
#include <stdlib.h>
#include "completion.h"

enum { DOMAIN_NTSTATUS, DOMAIN_WIN32 };

/* What a code means for a kind of operation: an errno of Python's, or one of these. */
#define MEANS_SUCCESS 0
#define MEANS_EOF (-1)
#define MEANS_TRUNCATED (-2)

typedef struct {
    uint32_t code;
    uint8_t domain;
    int16_t means[KIND_COUNT];
} ErrorRow;

static ErrorRow *error_rows;
static size_t error_count;

static int error_order(const void *one, const void *other) {
    const ErrorRow *a = one, *b = other;
    if (a->domain != b->domain) return a->domain < b->domain ? -1 : 1;
    return a->code < b->code ? -1 : a->code > b->code;
}

/* A row to be filled in, or NULL when memory is out.  error_sort() after the last. */
static inline ErrorRow *error_add(int domain, uint32_t code) {
    ErrorRow *rows = realloc(error_rows, (error_count + 1) * sizeof *rows);
    if (!rows) return NULL;
    error_rows = rows;
    rows[error_count].domain = (uint8_t)domain;
    rows[error_count].code = code;
    return &rows[error_count++];
}

static inline void error_sort(void) { qsort(error_rows, error_count, sizeof *error_rows, error_order); }

/* As error_table.translate() has it, also for a code that no row has. */
static inline int error_means(int domain, uint32_t code, int kind) {
    ErrorRow wanted = {.code = code, .domain = (uint8_t)domain};
    const ErrorRow *row = bsearch(&wanted, error_rows, error_count, sizeof *error_rows, error_order);
    if (row) return row->means[kind];
    if (domain == DOMAIN_NTSTATUS) {
        uint32_t facility = code >> 16;
        if (facility == 0x8007 || facility == 0xC001 || facility == 0xC007)
            return error_means(DOMAIN_WIN32, code & 0xFFFF, kind);
        return code >> 31 ? EINVAL : MEANS_SUCCESS;
    }
    return code >= 10000 && code < 12000 ? (int)code : EINVAL;
}
#endif
