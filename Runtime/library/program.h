/* program.h: the contract between the emitted model.c and the library code beside this file.
 *
 * model.c defines `burin_program`; everything else here is what it may rely on. */
#ifndef BURIN_PROGRAM_H
#define BURIN_PROGRAM_H

#include "burin.h"

/* Positions in one page of the sequence memory. */
#define BURIN_PAGE 64

/* What one run of an entry works on. All pointers but those of `weights` and the pages are aligned
 * to 64 bytes; `weights` is aligned to the system's pages; absent things are NULL. */
struct burin_call {
  /* The value of every symbol in this call. A symbol that no input names has the session's
   * maximum (so `context` is always the session's), unless a default says which other's. */
  const int64_t *symbols;
  char *const *slots; /* scratch memory, uninitialised */
  const char *weights;
  const void *const *inputs; /* in the entry's order and in the port's type, values in range */
  void *const *outputs;

  void *const *states; /* the program's plain states; updated in place */

  /* Sequence memory. Of cache c, position p of sequence b lives in page
   *   pools[c] + (int64_t)tables[c][b * table_stride + p / BURIN_PAGE] * caches[c].page_bytes
   * at index p % BURIN_PAGE. Before the run, every sequence b of the batch has its own pages for
   * positions lengths[b] ... lengths[b] + (symbol `appended`) - 1; earlier pages may be shared and
   * are read only, and those that no window reaches are gone. Positions at or after the length hold
   * anything, even NaN. */
  char *const *pools;
  const int32_t *const *tables;
  int64_t table_stride;
};

/* A symbol that has the value of another one where an optional input is absent. */
struct burin_default {
  int32_t input;
  int32_t symbol;
  int32_t other;
};

/* The code of one entry; it stands at the same index as its public description. */
struct burin_code {
  /* Writes the extents of all inputs, then of all outputs, `rank` numbers each. */
  void (*extents)(const int64_t *symbols, int64_t *extents);
  int32_t slot_count;
  /* Writes the bytes of every slot. Must not shrink when a symbol grows. NULL if there is none. */
  void (*slots)(const int64_t *symbols, int64_t *bytes);
  /* The symbol that says how many positions this entry may append to every sequence of the batch,
   * or -1. The entry itself advances the lengths state, by at most that much. */
  int32_t appended;
  void (*run)(const struct burin_call *call);
  int32_t default_count;
  const struct burin_default *defaults; /* NULL if there is none */
};

/* A state with its own buffer, zero at first. */
struct burin_state {
  const char *name;
  /* Whether the first extent is the batch, so that a sequence's part of it moves and is cleared
   * with the sequence. */
  int32_t per_sequence;
};

/* What layers that look back equally far remember of the sequences, in pages. */
struct burin_cache {
  int64_t page_bytes; /* of all its states together; a multiple of 64 */
  int64_t window;     /* how many positions up to a query's own are ever read; 0: all of them */
};

struct burin_program {
  uint32_t abi; /* BURIN_ABI */
  const char *name;
  int32_t symbol_count;
  const struct burin_symbol *symbols;
  int32_t entry_count;
  const struct burin_entry *entries;
  const struct burin_code *code;
  int64_t weights_bytes; /* 0: none */

  int32_t state_count;
  const struct burin_state *states;
  /* Writes the bytes of every plain state. NULL if there is none. */
  void (*state_bytes)(const int64_t *symbols, int64_t *bytes);

  /* Sequence memory, if there are caches: the state (an i32 per sequence) that holds the lengths,
   * and the symbols that bound how many sequences there are and how long they get. */
  int32_t cache_count;
  const struct burin_cache *caches;
  int32_t lengths;
  int32_t batch;
  int32_t context;
};

#ifdef BURIN_LEVELS
/* One of several, for as many levels of instructions: a constructor fills it in. */
__attribute__((visibility("hidden"))) extern struct burin_program burin_program;
#else
__attribute__((visibility("hidden"))) extern const struct burin_program burin_program;
#endif

#endif
