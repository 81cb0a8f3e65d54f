/* What did not fit into the submission queue, first in first out: ids of operations to be submitted, tagged ids to be
   cancelled, numbers of files to be watched.  Ids, not addresses: what has ended meanwhile is not found any more. */
#ifndef COMPL_WISHES_H
#define COMPL_WISHES_H
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    uint64_t *wishes;
    size_t size, first, count;  /* size is a power of two */
} Wishes;

/* Room for `wanted` in all.  0, or -1 when memory is out. */
static inline int wishes_reserve(Wishes *list, size_t wanted) {
    if (wanted <= list->size) return 0;
    size_t size = list->size ? list->size : 64;
    while (size < wanted) size *= 2;
    uint64_t *wishes = malloc(size * sizeof *wishes);
    if (!wishes) return -1;
    for (size_t i = 0; i < list->count; i++) wishes[i] = list->wishes[(list->first + i) & (list->size - 1)];
    free(list->wishes);
    list->wishes = wishes;
    list->size = size;
    list->first = 0;
    return 0;
}

/* The caller has reserved its place. */
static inline void wishes_add(Wishes *list, uint64_t wish) {
    list->wishes[(list->first + list->count++) & (list->size - 1)] = wish;
}

static inline uint64_t wishes_first(const Wishes *list) {
    return list->wishes[list->first];
}

static inline void wishes_drop(Wishes *list) {
    list->first = (list->first + 1) & (list->size - 1);
    list->count--;
}

static inline void wishes_free(Wishes *list) {
    free(list->wishes);
    list->wishes = NULL;
    list->size = list->first = list->count = 0;
}
#endif
