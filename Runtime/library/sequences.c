/* sequences.c: the memory of sequences, in pages that they can share. */
#include <stdlib.h>
#include <string.h>

#include "library.h"

static int64_t pages_of(const struct burin_sequences *s) {
  return s->count * s->pages_per_sequence + 1;
}

/* Of one cache, table, owners and stack come first, then the pages, aligned like memory from mmap. */
static int64_t tables_bytes(const struct burin_sequences *s) {
  int64_t bytes = 4 * (s->count * s->pages_per_sequence + 2 * pages_of(s));
  return (bytes + 4095) / 4096 * 4096;
}

/* The same with the pages, of this many bytes each. */
static int64_t cache_bytes(const struct burin_sequences *s, int64_t page_bytes) {
  int64_t bytes;
  if (__builtin_mul_overflow(pages_of(s), page_bytes, &bytes) ||
      __builtin_add_overflow(bytes, tables_bytes(s) + 4095, &bytes))
    return -1;
  return bytes / 4096 * 4096;
}

int64_t burin_sequences_bytes(const struct burin_sequences *s) {
  int64_t sum = 0;
  for (int32_t cache = 0; cache < burin_program.cache_count; cache++) {
    int64_t bytes = cache_bytes(s, burin_program.caches[cache].page_bytes);
    if (bytes < 0 || __builtin_add_overflow(sum, bytes, &sum)) return -1;
  }
  return sum;
}

void burin_sequences_place(struct burin_sequences *s, char *memory) {
  for (int32_t cache = 0; cache < burin_program.cache_count; cache++) {
    struct burin_pages *p = &s->caches[cache];
    p->page_bytes = burin_program.caches[cache].page_bytes;
    p->window = burin_program.caches[cache].window;
    p->table = (int32_t *)memory;
    p->owners = p->table + s->count * s->pages_per_sequence;
    p->released = p->owners + pages_of(s);
    p->pool = memory + tables_bytes(s);
    p->next_page = 1;
    s->pools[cache] = p->pool;
    s->tables[cache] = p->table;
    memory += cache_bytes(s, p->page_bytes);
  }
}

static int32_t take_page(struct burin_pages *p) {
  /* No table entry names two pages, so there is always one left. */
  int32_t page = p->released_count ? p->released[--p->released_count] : p->next_page++;
  p->owners[page] = 1;
  return page;
}

static void release_page(struct burin_pages *p, int32_t page) {
  if (page && --p->owners[page] == 0) p->released[p->released_count++] = page;
}

/* Empties a table entry. */
static void drop_page(struct burin_pages *p, int32_t *entry) {
  release_page(p, *entry);
  *entry = 0;
}

static char *page_data(const struct burin_pages *p, int32_t page) {
  return p->pool + (int64_t)page * p->page_bytes;
}

/* Makes the page at `entry` the sequence's own, keeping what it holds if `keep`. */
static void own_page(struct burin_pages *p, int32_t *entry, int keep) {
  int32_t old = *entry;
  if (old && p->owners[old] == 1) return;
  if (old && !keep) release_page(p, old);
  *entry = take_page(p);
  if (!old || !keep) return;
  memcpy(page_data(p, *entry), page_data(p, old), (size_t)p->page_bytes);
  release_page(p, old);
}

/* The first position that queries from `length` on read. */
static int64_t first_needed(const struct burin_pages *p, int64_t length) {
  return p->window && length >= p->window ? length - p->window + 1 : 0;
}

int32_t burin_sequences_extend(struct burin_sequences *s, int64_t batch, int64_t count) {
  /* A program may count as it likes. */
  for (int64_t b = 0; b < batch; b++)
    if (s->lengths[b] < 0 || s->lengths[b] + count > s->context)
      return burin_fail(
          BURIN_FULL, "sequence %lld holds %d positions: %lld more exceed the context of %lld",
          (long long)b, s->lengths[b], (long long)count, (long long)s->context);
  for (int32_t cache = 0; cache < burin_program.cache_count; cache++) {
    struct burin_pages *p = &s->caches[cache];
    for (int64_t b = 0; b < batch; b++) {
      int32_t *row = p->table + b * s->pages_per_sequence;
      int64_t first = s->lengths[b] / BURIN_PAGE;
      int64_t end = (s->lengths[b] + count + BURIN_PAGE - 1) / BURIN_PAGE;
      /* What fell out of the window comes back as the pages of the new positions. */
      for (int64_t page = first_needed(p, s->lengths[b]) / BURIN_PAGE - 1; page >= 0 && row[page];
           page--)
        drop_page(p, &row[page]);
      for (int64_t page = first; page < end; page++)
        own_page(p, &row[page], page == first && s->lengths[b] % BURIN_PAGE != 0);
    }
  }
  return BURIN_OK;
}

/* Refuses to go back to a length whose window is no longer all there. */
static int32_t check_window(const struct burin_sequences *s, int64_t sequence, int64_t length) {
  for (int32_t cache = 0; cache < burin_program.cache_count; cache++) {
    const struct burin_pages *p = &s->caches[cache];
    int64_t needed = first_needed(p, length);
    if (needed < length && !p->table[sequence * s->pages_per_sequence + needed / BURIN_PAGE])
      return burin_fail(
          BURIN_MISUSE,
          "sequence %lld cannot go back to length %lld: position %lld has left the window of %lld",
          (long long)sequence, (long long)length, (long long)needed, (long long)p->window);
  }
  return BURIN_OK;
}

/* Checks that there is such a sequence. */
static int32_t check_sequence(const struct burin_session *session, int64_t sequence) {
  if (!session) return burin_fail(BURIN_MISUSE, "no session was given");
  if (!burin_program.cache_count)
    return burin_fail(BURIN_MISUSE, "%s keeps no sequences", burin_program.name);
  if (sequence < 0 || sequence >= session->sequences.count)
    return burin_fail(
        BURIN_MISUSE, "sequence %lld, expected 0 to %lld", (long long)sequence,
        (long long)session->sequences.count - 1);
  return BURIN_OK;
}

/* The part of plain state `state` that belongs to one sequence. */
static char *state_row(struct burin_session *session, int32_t state, int64_t row, size_t *bytes) {
  *bytes = (size_t)(session->state_bytes[state] / session->sequences.count);
  return (char *)session->states[state] + (size_t)row * *bytes;
}

BURIN_EXPORT int32_t
burin_length(struct burin_session *session, int64_t sequence, int64_t *length) {
  int32_t status = check_sequence(session, sequence);
  if (status) return status;
  if (!length) return burin_fail(BURIN_MISUSE, "burin_length: length is null");
  pthread_mutex_lock(&session->lock);
  *length = session->sequences.lengths[sequence];
  pthread_mutex_unlock(&session->lock);
  return BURIN_OK;
}

BURIN_EXPORT int32_t
burin_truncate(struct burin_session *session, int64_t sequence, int64_t length) {
  int32_t status = check_sequence(session, sequence);
  if (status) return status;
  struct burin_sequences *s = &session->sequences;
  pthread_mutex_lock(&session->lock);
  if (length < 0 || length > s->lengths[sequence] || length > s->context) {
    status = burin_fail(
        BURIN_MISUSE, "length %lld, expected 0 to %d, what sequence %lld holds", (long long)length,
        s->lengths[sequence], (long long)sequence);
  } else if (!(status = check_window(s, sequence, length))) {
    for (int32_t cache = 0; cache < burin_program.cache_count; cache++) {
      struct burin_pages *p = &s->caches[cache];
      int32_t *row = p->table + sequence * s->pages_per_sequence;
      /* Pages beyond the length may be left from a step that appended less than it might have. */
      for (int64_t page = (length + BURIN_PAGE - 1) / BURIN_PAGE; page < s->pages_per_sequence;
           page++)
        drop_page(p, &row[page]);
    }
    s->lengths[sequence] = (int32_t)length;
    for (int32_t state = 0; state < burin_program.state_count && !length && session->used; state++)
      if (burin_program.states[state].per_sequence) {
        size_t bytes;
        char *data = state_row(session, state, sequence, &bytes);
        memset(data, 0, bytes);
      }
  }
  pthread_mutex_unlock(&session->lock);
  return status;
}

/* Moves the rows of one plain state; `saved` has room for all of them. */
static void reorder_state(
    struct burin_session *session, int32_t state, const int64_t *sources, int64_t count,
    char *saved) {
  size_t bytes;
  for (int64_t to = 0; to < count; to++)
    if (sources[to] != to) {
      char *from = state_row(session, state, sources[to], &bytes);
      memcpy(saved + (size_t)to * bytes, from, bytes);
    }
  for (int64_t to = 0; to < count; to++)
    if (sources[to] != to) {
      char *row = state_row(session, state, to, &bytes);
      memcpy(row, saved + (size_t)to * bytes, bytes);
    }
}

/* The same for the table of a cache, counting owners before anything is released. */
static void reorder_pages(
    struct burin_pages *p, int64_t pages, const int64_t *sources, int64_t count, int32_t *saved) {
  for (int64_t to = 0; to < count; to++)
    for (int64_t page = 0; page < pages; page++) {
      int32_t source = p->table[sources[to] * pages + page];
      saved[to * pages + page] = source;
      if (source) p->owners[source]++;
    }
  for (int64_t index = 0; index < count * pages; index++) {
    release_page(p, p->table[index]);
    p->table[index] = saved[index];
  }
}

BURIN_EXPORT int32_t
burin_reorder(struct burin_session *session, const int64_t *sources, int64_t count) {
  int32_t status = check_sequence(session, count - 1);
  if (status) return status;
  if (!sources) return burin_fail(BURIN_MISUSE, "burin_reorder: sources is null");
  for (int64_t to = 0; to < count; to++)
    if ((status = check_sequence(session, sources[to]))) return status;

  size_t room = (size_t)(count * session->sequences.pages_per_sequence) * sizeof(int32_t);
  for (int32_t state = 0; state < burin_program.state_count; state++) {
    size_t bytes = (size_t)(session->state_bytes[state]);
    if (burin_program.states[state].per_sequence && bytes > room) room = bytes;
  }
  void *saved = malloc(room);
  if (!saved) return burin_fail(BURIN_NO_MEMORY, "no memory to reorder sequences");
  pthread_mutex_lock(&session->lock);
  for (int32_t cache = 0; cache < burin_program.cache_count; cache++)
    reorder_pages(
        &session->sequences.caches[cache], session->sequences.pages_per_sequence, sources, count,
        saved);
  for (int32_t state = 0; state < burin_program.state_count; state++)
    if (burin_program.states[state].per_sequence)
      reorder_state(session, state, sources, count, saved);
  pthread_mutex_unlock(&session->lock);
  free(saved);
  return BURIN_OK;
}

BURIN_EXPORT int32_t burin_fork(struct burin_session *session, int64_t from, int64_t to) {
  int32_t status = check_sequence(session, from);
  if (!status) status = check_sequence(session, to);
  if (status) return status;
  int64_t *sources = malloc((size_t)(to + 1) * sizeof *sources);
  if (!sources) return burin_fail(BURIN_NO_MEMORY, "no memory to fork a sequence");
  for (int64_t sequence = 0; sequence < to; sequence++) sources[sequence] = sequence;
  sources[to] = from;
  status = burin_reorder(session, sources, to + 1);
  free(sources);
  return status;
}
