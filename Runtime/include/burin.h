/* burin.h: how a program in any language uses a library that Burin compiled.
 *
 * Every such library exports the functions declared here and nothing else. A typical use:
 *
 *   const struct burin_model *model = burin_describe();
 *   struct burin_session *session;
 *   burin_session_create(NULL, &session);
 *   burin_run(session, "forward", inputs, 2, outputs, 1);
 *   burin_session_free(session);
 *
 * Every function that can fail returns a status; burin_error() then has the reason in one line.
 * The structures are frozen for one BURIN_ABI; burin_model and burin_options may grow at their
 * end, which is why they begin with their size. */
#ifndef BURIN_H
#define BURIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. */
#define BURIN_ABI 1

/* The highest rank of a tensor. */
#define BURIN_MAX_RANK 8

/* What a function returns. */
enum burin_status {
  BURIN_OK = 0,
  BURIN_MISUSE = 1,    /* a null pointer, an unknown entry or symbol, an impossible option */
  BURIN_BAD_INPUT = 2, /* an input is missing, unknown, of another type or shape, out of range */
  BURIN_NO_MEMORY = 3, /* the system refused the memory of a session */
  BURIN_BAD_FILE = 4,  /* the library's own file or its weights are missing or damaged */
  BURIN_FULL = 5       /* a sequence has reached the end of its context */
};

/* The type of one element. A BOOL is one byte, 0 or 1. */
enum burin_type {
  BURIN_F32 = 1,
  BURIN_F16 = 2,
  BURIN_BF16 = 3,
  BURIN_I8 = 4,
  BURIN_U8 = 5,
  BURIN_BOOL = 6,
  BURIN_I32 = 7,
  BURIN_I64 = 8
};

/* A name for an extent that changes from call to call, such as "batch" or "seq". Its value is at
 * least 1 and at most what the session allows, which is at most `maximum`. */
struct burin_symbol {
  const char *name;
  int64_t maximum;
};

/* An extent whose `symbol` is BURIN_FIXED is always `size`; one that is BURIN_COMPUTED follows
 * from several symbols and is at most `size`; otherwise it is symbols[symbol]. */
#define BURIN_FIXED (-1)
#define BURIN_COMPUTED (-2)
struct burin_extent {
  int32_t symbol;
  int64_t size;
};

/* One input or output. Integer inputs are taken as I32 or I64 whatever `type` says, and every value
 * must lie in lower ... upper. An optional input may be left out. */
struct burin_port {
  const char *name;
  int32_t type;
  int32_t rank;
  struct burin_extent extents[BURIN_MAX_RANK];
  int32_t optional;
  int64_t lower, upper;
};

/* One thing that the model can do, such as "forward" or "step". */
struct burin_entry {
  const char *name;
  int32_t input_count, output_count;
  const struct burin_port *inputs, *outputs;
};

/* The model in this library. `description` is one JSON document of `description_size` bytes, not
 * terminated; it is empty if the library file carries none. */
struct burin_model {
  size_t size;
  uint32_t abi;
  int32_t symbol_count;
  int32_t entry_count;
  int32_t has_states; /* whether sessions remember sequences (burin_length and so on) */
  const char *name;
  const struct burin_symbol *symbols;
  const struct burin_entry *entries;
  const char *description;
  size_t description_size;
};

/* The most that a session shall take of one symbol. */
struct burin_limit {
  const char *symbol;
  int64_t maximum;
};

/* What a session is made for. `size` is sizeof(struct burin_options). Symbols without a limit, or
 * with a limit of 0, keep the compiled maximum. Memory is touched only as far as calls use it.
 * `threads` 0 means as many as OpenMP would take. */
struct burin_options {
  size_t size;
  int32_t threads;
  int32_t limit_count;
  const struct burin_limit *limits;
};

/* A dense tensor in row-major order. `bytes` is the size of the memory at `data`. */
struct burin_tensor {
  const char *name;
  int32_t type;
  int32_t rank;
  int64_t extents[BURIN_MAX_RANK];
  void *data;
  size_t bytes;
};

struct burin_session;

/* The BURIN_ABI that this library was compiled with. */
uint32_t burin_abi(void);

/* Describes the model. The result lives as long as the library stays loaded; NULL if the library's
 * file is damaged. */
const struct burin_model *burin_describe(void);

/* The reason of the last failure in the calling thread, one line; "" if there was none. */
const char *burin_error(void);

/* Makes a session. `options` may be NULL. The first session of a process also checks the weights. */
int32_t burin_session_create(const struct burin_options *options, struct burin_session **session);

/* Gives back all memory of a session, with all outputs that point into it. NULL is allowed. */
void burin_session_free(struct burin_session *session);

/* Runs an entry. Inputs are found by name, in any order, and copied before anything is computed.
 *
 * Of `outputs` the caller sets `name`, or NULL for the output at this index, and `data` with
 * `bytes`, or NULL. Everything else is filled in. If `data` was NULL it then points into the
 * session and stays valid until the next call with this session.
 *
 * Calls with one session take turns, whatever threads they come from; but only outputs with their
 * own `data` are safe from the next thread's call. After a failure nothing has changed. */
int32_t burin_run(
    struct burin_session *session, const char *entry, const struct burin_tensor *inputs,
    int32_t input_count, struct burin_tensor *outputs, int32_t output_count);

/* How many positions sequence `sequence` (an index into the batch) holds. */
int32_t burin_length(struct burin_session *session, int64_t sequence, int64_t *length);

/* Forgets the positions from `length` on; 0 starts the sequence again. */
int32_t burin_truncate(struct burin_session *session, int64_t sequence, int64_t length);

/* Makes sequence `to` a copy of sequence `from`. They share memory until they differ. */
int32_t burin_fork(struct burin_session *session, int64_t from, int64_t to);

/* Makes each of the first `count` sequences a copy of the old sequence sources[i] (beam search). */
int32_t burin_reorder(struct burin_session *session, const int64_t *sources, int64_t count);

#ifdef __cplusplus
}
#endif

#endif
