/* library.h: what the files of the library code share. */
#ifndef BURIN_LIBRARY_H
#define BURIN_LIBRARY_H

#include <pthread.h>
#include <stdint.h>

#include "burin.h"
#include "program.h"

#define BURIN_EXPORT __attribute__((visibility("default")))

/* Notes one line as the calling thread's error and returns `status`. */
__attribute__((format(printf, 2, 3))) int32_t burin_fail(int32_t status, const char *format, ...);

/* Maps the library's own file and its weights, once. */
int32_t burin_open_file(void);
/* The same, and checks every piece of the weights, once. */
int32_t burin_open_weights(void);
/* The packed weights after burin_open_weights; NULL if the program has none. */
const char *burin_weights(void);
/* The description after burin_open_file. */
const char *burin_description(size_t *size);

/* The pages of one cache. Page 0 belongs to nobody; a table entry of 0 means that there is no page
 * yet, or no more. */
struct burin_pages {
  int64_t page_bytes;
  int64_t window;         /* as in struct burin_cache */
  char *pool;
  int32_t *table;         /* a row of page numbers for each sequence */
  int32_t *owners;        /* how many table entries name a page */
  int32_t *released;      /* a stack of pages to use again */
  int64_t released_count;
  int32_t next_page;      /* the first page that was never used */
};

/* The memory of all sequences of one session. */
struct burin_sequences {
  int64_t count;            /* sequences */
  int64_t context;          /* positions that each may hold */
  int64_t pages_per_sequence;
  struct burin_pages *caches; /* as many as the program has */
  char **pools;             /* theirs, as calls take them */
  const int32_t **tables;
  int32_t *lengths;         /* the program's own state */
};

struct burin_session {
  pthread_mutex_t lock;
  int32_t threads;
  char *memory; /* one mapping: arena, plain states, sequence memory */
  size_t memory_bytes;
  int used; /* whether an entry has ever run, so that states may be other than zero */
  int64_t *symbols; /* the session's maximum of every symbol */
  int64_t *call_symbols;
  int64_t *extents; /* of one call */
  int64_t *offsets; /* of inputs, outputs and slots in the arena, entry after entry */
  void **pointers;  /* of one call: inputs, outputs, slots */
  void **states;
  int64_t *state_bytes;
  struct burin_sequences sequences;
};

/* The bytes of one element; 0 for a type that there is not. */
int64_t burin_element_bytes(int32_t type);
/* The bytes of a port's tensor with these extents; -1 if that is more than a number holds. */
int64_t burin_port_bytes(const struct burin_port *port, const int64_t *extents);

/* How many bytes the tables and pages of `sequences` take, whose first three members are set; -1 if
 * that is more than a number holds. */
int64_t burin_sequences_bytes(const struct burin_sequences *sequences);
/* Lays the tables and pages out in zeroed memory. */
void burin_sequences_place(struct burin_sequences *sequences, char *memory);
/* Gives the first `batch` sequences pages of their own for `count` more positions. */
int32_t burin_sequences_extend(struct burin_sequences *sequences, int64_t batch, int64_t count);

#endif
