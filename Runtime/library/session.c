/* session.c: sessions and their memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "library.h"

/* One past the largest arena that is worth asking the system for: 64 TiB. */
static const int64_t memory_limit = (int64_t)1 << 46;

static int64_t aligned(int64_t bytes) {
  /* Small things share pages; large ones begin on a page of their own. */
  int64_t unit = bytes >= 4096 ? 4096 : 64;
  return (bytes + unit - 1) / unit * unit;
}

BURIN_EXPORT const struct burin_model *burin_describe(void) {
  static struct burin_model model;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  if (burin_open_file()) return NULL;
  pthread_mutex_lock(&lock);
  if (!model.size) {
    model.abi = BURIN_ABI;
    model.symbol_count = burin_program.symbol_count;
    model.entry_count = burin_program.entry_count;
    model.has_states = burin_program.cache_count != 0;
    model.name = burin_program.name;
    model.symbols = burin_program.symbols;
    model.entries = burin_program.entries;
    model.description = burin_description(&model.description_size);
    model.size = sizeof model;
  }
  pthread_mutex_unlock(&lock);
  return &model;
}

/* Adds up one area of the arena; each part is page-aligned if it is large, so the areas of two
 * parts never share a line. */
struct layout {
  int64_t bytes;
  int failed;
};

static int64_t place(struct layout *layout, int64_t bytes) {
  if (bytes >= 4096) layout->bytes = (layout->bytes + 4095) / 4096 * 4096;
  int64_t offset = layout->bytes;
  if (bytes < 0 || bytes >= memory_limit || offset >= memory_limit) {
    layout->failed = 1;
    return 0;
  }
  layout->bytes += aligned(bytes);
  return offset;
}

int64_t burin_element_bytes(int32_t type) {
  switch (type) {
    case BURIN_F32:
    case BURIN_I32: return 4;
    case BURIN_F16:
    case BURIN_BF16: return 2;
    case BURIN_I8:
    case BURIN_U8:
    case BURIN_BOOL: return 1;
    case BURIN_I64: return 8;
    default: return 0;
  }
}

int64_t burin_port_bytes(const struct burin_port *port, const int64_t *extents) {
  int64_t bytes = burin_element_bytes(port->type);
  for (int32_t axis = 0; axis < port->rank; axis++)
    if (__builtin_mul_overflow(bytes, extents[axis], &bytes)) return -1;
  return bytes;
}

/* Places inputs, outputs and slots of one entry for the session's maxima. */
static int64_t place_entry(
    const struct burin_session *session, int32_t entry, int64_t *offsets, int *failed) {
  const struct burin_entry *face = &burin_program.entries[entry];
  const struct burin_code *code = &burin_program.code[entry];
  struct layout layout = {0, 0};
  const int64_t *extents = session->extents;
  code->extents(session->symbols, session->extents);
  for (int32_t input = 0; input < face->input_count; input++) {
    *offsets++ = place(&layout, burin_port_bytes(&face->inputs[input], extents));
    extents += face->inputs[input].rank;
  }
  for (int32_t output = 0; output < face->output_count; output++) {
    *offsets++ = place(&layout, burin_port_bytes(&face->outputs[output], extents));
    extents += face->outputs[output].rank;
  }
  if (code->slot_count) code->slots(session->symbols, offsets);
  for (int32_t slot = 0; slot < code->slot_count; slot++)
    offsets[slot] = place(&layout, offsets[slot]);
  *failed |= layout.failed;
  return layout.bytes;
}

static int32_t take_options(struct burin_session *session, const struct burin_options *options) {
  const struct burin_program *program = &burin_program;
  for (int32_t symbol = 0; symbol < program->symbol_count; symbol++)
    session->symbols[symbol] = program->symbols[symbol].maximum;
  if (!options) return BURIN_OK;
  if (options->size < sizeof *options)
    return burin_fail(
        BURIN_MISUSE, "burin_options.size is %zu, expected %zu", options->size, sizeof *options);
  if (options->threads < 0 || options->threads > 4096)
    return burin_fail(BURIN_MISUSE, "threads is %d, expected 0 to 4096", options->threads);
  if (options->limit_count < 0 || (options->limit_count && !options->limits))
    return burin_fail(BURIN_MISUSE, "burin_options.limits is null or its count is negative");
  session->threads = options->threads;
  for (int32_t index = 0; index < options->limit_count; index++) {
    const struct burin_limit *limit = &options->limits[index];
    int32_t symbol = 0;
    while (symbol < program->symbol_count && limit->symbol &&
           strcmp(program->symbols[symbol].name, limit->symbol))
      symbol++;
    if (symbol == program->symbol_count || !limit->symbol)
      return burin_fail(
          BURIN_MISUSE, "%s has no symbol \"%.200s\"", program->name,
          limit->symbol ? limit->symbol : "(null)");
    if (limit->maximum < 0 || limit->maximum > program->symbols[symbol].maximum)
      return burin_fail(
          BURIN_MISUSE, "the limit of %s is %lld, expected 1 to %lld, the compiled maximum",
          limit->symbol, (long long)limit->maximum, (long long)program->symbols[symbol].maximum);
    if (limit->maximum) session->symbols[symbol] = limit->maximum;
  }
  return BURIN_OK;
}

/* How many numbers the tables of a session need. */
struct counts {
  int64_t extents, offsets, pointers;
};

static struct counts count_tables(void) {
  struct counts counts = {1, 1, 1};
  for (int32_t entry = 0; entry < burin_program.entry_count; entry++) {
    const struct burin_entry *face = &burin_program.entries[entry];
    int64_t extents = 1, places =
        face->input_count + face->output_count + burin_program.code[entry].slot_count;
    for (int32_t input = 0; input < face->input_count; input++)
      extents += face->inputs[input].rank;
    for (int32_t output = 0; output < face->output_count; output++)
      extents += face->outputs[output].rank;
    if (extents > counts.extents) counts.extents = extents;
    if (places > counts.pointers) counts.pointers = places;
    counts.offsets += places;
  }
  return counts;
}

/* Lays out everything and asks the system for it in one piece, which stays untouched. */
static int32_t take_memory(struct burin_session *session) {
  const struct burin_program *program = &burin_program;
  int64_t arena = 0, *offsets = session->offsets;
  struct layout layout = {0, 0};
  for (int32_t entry = 0; entry < program->entry_count; entry++) {
    int64_t bytes = place_entry(session, entry, offsets, &layout.failed);
    if (bytes > arena) arena = bytes;
    offsets += program->entries[entry].input_count + program->entries[entry].output_count +
               program->code[entry].slot_count;
  }
  place(&layout, arena);

  int64_t state_places[program->state_count + 1];
  if (program->state_count) program->state_bytes(session->symbols, session->state_bytes);
  for (int32_t state = 0; state < program->state_count; state++)
    state_places[state] = place(&layout, session->state_bytes[state]);

  struct burin_sequences *sequences = &session->sequences;
  int64_t pages_place = 0;
  if (program->cache_count) {
    sequences->count = session->symbols[program->batch];
    sequences->context = session->symbols[program->context];
    sequences->pages_per_sequence = (sequences->context + BURIN_PAGE - 1) / BURIN_PAGE;
    layout.bytes = (layout.bytes + 4095) / 4096 * 4096;
    pages_place = place(&layout, burin_sequences_bytes(sequences));
  }

  session->memory_bytes = (size_t)layout.bytes + 4096;
  session->memory = layout.failed ? MAP_FAILED
                                  : mmap(NULL, session->memory_bytes, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (session->memory == MAP_FAILED) {
    session->memory = NULL;
    return burin_fail(
        BURIN_NO_MEMORY, "a session of this size needs %lld MiB, which the system refused; give "
        "its symbols lower limits", (long long)(layout.bytes >> 20));
  }
  for (int32_t state = 0; state < program->state_count; state++)
    session->states[state] = session->memory + state_places[state];
  if (program->cache_count) {
    burin_sequences_place(sequences, session->memory + pages_place);
    sequences->lengths = session->states[program->lengths];
  }
  return BURIN_OK;
}

static void *zeroed(int64_t count, size_t size) { return calloc((size_t)count + 1, size); }

static int32_t make_session(struct burin_session *session, const struct burin_options *options) {
  struct counts counts = count_tables();
  session->symbols = zeroed(burin_program.symbol_count, sizeof(int64_t));
  session->call_symbols = zeroed(burin_program.symbol_count, sizeof(int64_t));
  session->extents = zeroed(counts.extents, sizeof(int64_t));
  session->offsets = zeroed(counts.offsets, sizeof(int64_t));
  session->pointers = zeroed(counts.pointers, sizeof(void *));
  session->states = zeroed(burin_program.state_count, sizeof(void *));
  session->state_bytes = zeroed(burin_program.state_count, sizeof(int64_t));
  struct burin_sequences *sequences = &session->sequences;
  sequences->caches = zeroed(burin_program.cache_count, sizeof *sequences->caches);
  sequences->pools = zeroed(burin_program.cache_count, sizeof *sequences->pools);
  sequences->tables = zeroed(burin_program.cache_count, sizeof *sequences->tables);
  if (!session->symbols || !session->call_symbols || !session->extents || !session->offsets ||
      !session->pointers || !session->states || !session->state_bytes || !sequences->caches ||
      !sequences->pools || !sequences->tables)
    return burin_fail(BURIN_NO_MEMORY, "no memory for a session");
  int32_t status = take_options(session, options);
  if (!status) status = take_memory(session);
  return status;
}

BURIN_EXPORT int32_t
burin_session_create(const struct burin_options *options, struct burin_session **result) {
  if (!result) return burin_fail(BURIN_MISUSE, "burin_session_create: session is null");
  *result = NULL;
  if (burin_program.abi != BURIN_ABI)
    return burin_fail(
        BURIN_BAD_FILE, "%s was emitted for interface %u, expected %u", burin_program.name,
        burin_program.abi, BURIN_ABI);
  struct burin_session *session = calloc(1, sizeof *session);
  if (!session) return burin_fail(BURIN_NO_MEMORY, "no memory for a session");
  pthread_mutex_init(&session->lock, NULL);
  int32_t status = make_session(session, options);
  if (!status) status = burin_open_weights();
  if (status)
    burin_session_free(session);
  else
    *result = session;
  return status;
}

BURIN_EXPORT void burin_session_free(struct burin_session *session) {
  if (!session) return;
  if (session->memory) munmap(session->memory, session->memory_bytes);
  free(session->symbols);
  free(session->call_symbols);
  free(session->extents);
  free(session->offsets);
  free(session->pointers);
  free(session->states);
  free(session->state_bytes);
  free(session->sequences.caches);
  free(session->sequences.pools);
  free(session->sequences.tables);
  pthread_mutex_destroy(&session->lock);
  free(session);
}
