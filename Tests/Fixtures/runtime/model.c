/* A program written by hand against program.h, to test the library code without a compiler. */
#include "program.h"

#ifndef HAND_WEIGHTS
#define HAND_WEIGHTS 0 /* bytes; the first ten floats are the embedding */
#endif

static const float own_table[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

enum { batch, seq, context };
static const struct burin_symbol symbols[] = {{"batch", 4}, {"seq", 100}, {"context", 200}};

/* forward: embedded[b, s] = 2 * table[input_ids[b, s]] * (scale[b] or 1) + bias[0];
 * last[b] = the id at the end */
static const struct burin_port forward_inputs[] = {
    {"input_ids", BURIN_I32, 2, {{batch, 4}, {seq, 100}}, 0, 0, 9},
    {"scale", BURIN_F32, 1, {{batch, 4}}, 1, 0, 0},
    {"bias", BURIN_F32, 1, {{BURIN_FIXED, 3}}, 1, 0, 0},
};
static const struct burin_port forward_outputs[] = {
    {"embedded", BURIN_F32, 2, {{batch, 4}, {seq, 100}}, 0, 0, 0},
    {"last", BURIN_I64, 1, {{batch, 4}}, 0, 0, 0},
};

static void forward_extents(const int64_t *s, int64_t *e) {
  e[0] = s[batch], e[1] = s[seq];
  e[2] = s[batch];
  e[3] = 3;
  e[4] = s[batch], e[5] = s[seq];
  e[6] = s[batch];
}

static void forward_slots(const int64_t *s, int64_t *bytes) {
  bytes[0] = 4 * s[batch] * s[seq];
  bytes[1] = 4 * s[batch];
}

static void forward(const struct burin_call *call) {
  const int64_t rows = call->symbols[batch], columns = call->symbols[seq];
  const int32_t *ids = call->inputs[0];
  const float *scale = call->inputs[1], *bias = call->inputs[2];
  const float *table = HAND_WEIGHTS ? (const float *)(const void *)call->weights : own_table;
  float *twice = (float *)(void *)call->slots[0], *embedded = call->outputs[0];
  float *scales = (float *)(void *)call->slots[1];
  int64_t *last = call->outputs[1];
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t b = 0; b < rows; b++) scales[b] = scale ? scale[b] : 1;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows * columns; i++) twice[i] = 2 * table[ids[i]];
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows * columns; i++)
      embedded[i] = twice[i] * scales[i / columns] + (bias ? bias[0] : 0);
#pragma omp for schedule(static)
    for (int64_t b = 0; b < rows; b++) last[b] = ids[b * columns + columns - 1];
  }
}

/* step: remembers the ids; sums[b] = the sum of all ids of the sequence;
 * calls[b] = how often the sequence has stepped */
static const struct burin_port step_inputs[] = {
    {"input_ids", BURIN_I64, 2, {{batch, 4}, {seq, 100}}, 0, 0, 9},
};
static const struct burin_port step_outputs[] = {
    {"sums", BURIN_I32, 1, {{batch, 4}}, 0, 0, 0},
    {"calls", BURIN_I32, 1, {{batch, 4}}, 0, 0, 0},
};

static void step_extents(const int64_t *s, int64_t *e) {
  e[0] = s[batch], e[1] = s[seq];
  e[2] = s[batch];
  e[3] = s[batch];
}

enum { page_bytes = 4096 * 4, window = 70 };

static int32_t *place_of(const struct burin_call *call, int cache, int64_t b, int64_t p) {
  const int32_t *pages = call->tables[cache] + b * call->table_stride;
  int64_t bytes = cache ? 256 : page_bytes;
  char *page = call->pools[cache] + (int64_t)pages[p / BURIN_PAGE] * bytes;
  return (int32_t *)(void *)page + p % BURIN_PAGE;
}

static void step(const struct burin_call *call) {
  const int64_t rows = call->symbols[batch], columns = call->symbols[seq];
  const int64_t *ids = call->inputs[0];
  int32_t *lengths = call->states[0], *calls = call->states[1];
  for (int64_t b = 0; b < rows; b++) {
    int32_t sum = 0;
    for (int64_t p = 0; p < lengths[b] + columns; p++) {
      int32_t *place = place_of(call, 0, b, p), *seen = place_of(call, 1, b, p);
      if (p >= lengths[b]) *place = *seen = (int32_t)ids[b * columns + p - lengths[b]];
      /* A cache with a window has the positions that the first of these queries sees. */
      if (p > lengths[b] - window && *seen != *place) sum -= 1 << 20;
      sum += *place;
    }
    lengths[b] += (int32_t)columns;
    ((int32_t *)call->outputs[0])[b] = sum;
    ((int32_t *)call->outputs[1])[b] = ++calls[b];
  }
}

static const struct burin_state states[] = {{"lengths", 1}, {"calls", 1}, {"spare", 0}};

static void state_bytes(const int64_t *s, int64_t *bytes) {
  bytes[0] = 4 * s[batch];
  bytes[1] = 4 * s[batch];
  bytes[2] = 1;
}

static const struct burin_entry entries[] = {
    {"forward", 3, 2, forward_inputs, forward_outputs},
    {"step", 1, 2, step_inputs, step_outputs},
};

static const struct burin_code code[] = {
    {forward_extents, 2, forward_slots, -1, forward, 0, NULL},
    {step_extents, 0, 0, seq, step, 0, NULL},
};

static const struct burin_cache caches[] = {{page_bytes, 0}, {256, window}};

const struct burin_program burin_program = {
    .abi = BURIN_ABI,
    .name = "hand",
    .symbol_count = 3,
    .symbols = symbols,
    .entry_count = 2,
    .entries = entries,
    .code = code,
    .weights_bytes = HAND_WEIGHTS,
    .state_count = 3,
    .states = states,
    .state_bytes = state_bytes,
    .cache_count = 2,
    .caches = caches,
    .lengths = 0,
    .batch = batch,
    .context = context,
};
