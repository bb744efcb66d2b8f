// Attention by chunks of 256 keys at absolute positions: each chunk has its own maximum, and chunks
// are merged in order, so that the result does not depend on how the work is split.
// Keys and values lie in pages of 64 positions (pages.h).
#ifndef BURIN_ATTENTION_H
#define BURIN_ATTENTION_H

#include "pages.h"
#include "share.h"
#include "tile.h"
#include "vector_math.h"

enum { CHUNK = 256, CHUNK_PAGES = CHUNK / PAGE };

/// One row of attention, a query of one head, and what it has gathered so far.
typedef struct {
  int64_t first, last;  // only the keys from `first` up to `last` (excluded) may count
  int64_t position;     // of the query, for slopes
  float slope;          // added per key behind the query, to the base 2
  const float *bias;    // added to the scores, by key
  float maximum, sum;   // the largest score, and the sum of the weights against it
} AttentionRow;

/// The keys and values of one head at positions `start` to `start + 255`.
typedef struct {
  int64_t start;
  const float *keys[CHUNK_PAGES];
  const float *values[CHUNK_PAGES];
  int64_t value_width;    // columns of the values
  int64_t value_run;      // rows of values behind one another: those of a page, or all
  int64_t value_stride;   // floats from a row of values to the next
  int64_t value_panel;    // and from 32 of its columns to the next
  int has_gaps;           // whether the padding mask excludes keys between others that count
  int32_t counts[CHUNK];  // if it does: 0 where it excludes the key
} Chunk;

/// The keys from `first` up to `last` (excluded).
typedef struct {
  int64_t first, last;
} KeyRange;

/// The smallest range around the ranges of `height` rows; empty if they all are.
INLINE KeyRange attention_span(const AttentionRow *rows, int height) {
  KeyRange span = {INT64_MAX, 0};
  for (int row = 0; row < height; row++) {
    if (rows[row].first >= rows[row].last) continue;
    span.first = smaller(span.first, rows[row].first);
    span.last = larger(span.last, rows[row].last);
  }
  return span;
}

/// The keys that count by a padding mask, from the first to the last.
__attribute__((unused)) static KeyRange attention_padding(const int32_t *counts, int64_t keys) {
  KeyRange range = {0, keys};
  while (range.last > 0 && counts[range.last - 1] == 0) range.last--;
  while (range.first < range.last && counts[range.first] == 0) range.first++;
  return range;
}

/// Whether a padding mask excludes keys within the range of those that count.
__attribute__((unused)) static int attention_gaps(const int32_t *counts, KeyRange range) {
  int gaps = 0;
  for (int64_t key = range.first; key < range.last; key++) gaps |= counts[key] == 0;
  return gaps;
}

/// Biases to the base 2. One that would overflow stays finite: a row of nothing but the lowest floats,
/// as masks have them, gives every key the same weight, and only one of `-infinity` has no key.
INLINE f32x16 attention_bias(f32x16 biases) {
  const f32x16 scaled = biases * 0x1.715476p+0f;
  const i32x16 is_lowest = (scaled == -__builtin_inff()) & (biases > -__builtin_inff());
  return vector_select(is_lowest, vector_splat(-0x1.fffffep+127f), scaled);
}

/// The distance of 16 keys from the row's query: `key`, `key + 1` ... less its position.
INLINE f32x16 attention_distance(const AttentionRow *row, int64_t key) {
  return __builtin_convertvector(vector_lanes() + (int32_t)(key - row->position), f32x16);
}

/// The scores of the 16 keys from `key` on, `-infinity` for those that the row does not see.
INLINE f32x16 attention_visible(f32x16 scores, const AttentionRow *row, int64_t key) {
  if (row->first <= key && key + 16 <= row->last) return scores;
  const int32_t first = (int32_t)smaller(16, larger(0, row->first - key));
  const int32_t last = (int32_t)smaller(16, larger(0, row->last - key));
  const i32x16 counts = (vector_lanes() >= first) & (vector_lanes() < last);
  return vector_select(counts, scores, vector_splat(-__builtin_inff()));
}

/// The scores of 16 keys, `-infinity` where the padding mask has 0.
INLINE f32x16 attention_counting(f32x16 scores, const int32_t *counts) {
  return vector_select(
      vector_load_i32(counts) != 0, scores, vector_splat(-__builtin_inff()));
}

/// The scores of a few rows and the keys of a chunk, 32 at a time: `scores[row][key - start]`. The first
/// keys are those of a multiple of 32.
IN_REGISTERS __attribute__((noinline, unused)) static void attention_scores(
    int height, int64_t width, const float *query, const Chunk *chunk, KeyRange keys,
    float *scores) {
  for (int64_t key = keys.first / 32 * 32; key < keys.last; key += 32) {
    const int64_t at = key - chunk->start;
    const float *page = chunk->keys[at / PAGE] + at % PAGE;
    if (height == TILE_ROWS && keys.last - key > 16)
      for (int column = 0; column < 32; column += 16 * TILE_VECTORS)
        tile_block(
            TILE_ROWS, TILE_VECTORS, width, query, width, page + column, PAGE,
            scores + at + column, CHUNK, TILE_FROM_ZERO);
    else
      tile_product(
          height, keys.last - key > 16 ? 32 : 16, width, query, width, page, PAGE, scores + at,
          CHUNK, TILE_FROM_ZERO);
  }
}

/// The largest of `count` (a multiple of 16) scores; NaN may be passed over.
INLINE float attention_largest(const float *scores, int64_t count) {
  f32x16 largest = vector_splat(-__builtin_inff());
  for (int64_t key = 0; key < count; key += 16)
    largest = vector_maximum(largest, vector_load(scores + key));
  return vector_largest(largest);
}

/// Copies the values of some keys of a chunk to `[columns / 32][256][32]`, and lets the chunk find them
/// there: for many rows, as the values' own rows may be far apart.
__attribute__((unused)) static void attention_gather_values(
    Chunk *chunk, KeyRange keys, float *to) {
  const int64_t first = larger(keys.first, chunk->start);
  const int64_t last = smaller(keys.last, chunk->start + CHUNK);
  for (int64_t at = first - chunk->start; at < last - chunk->start; at++) {
    const float *row = chunk->values[at / PAGE] + at % PAGE * chunk->value_stride;
    for (int64_t column = 0; column < chunk->value_width; column += 16)
      vector_store(
          to + column / 32 * 32 * CHUNK + at * 32 + column % 32,
          vector_load_first(row + column, chunk->value_width - column));
  }
  for (int64_t page = 0; page < CHUNK_PAGES; page++) chunk->values[page] = to + page * PAGE * 32;
  chunk->value_width = (chunk->value_width + 15) / 16 * 16;
  chunk->value_run = CHUNK;
  chunk->value_stride = 32;
  chunk->value_panel = CHUNK * 32;
}

/// The values of some keys of a chunk by their weights in a few rows: `added[row][...]`, its rows
/// `stride` floats apart.
IN_REGISTERS __attribute__((noinline, unused)) static void attention_values(
    int height, const float *weights, const Chunk *chunk, KeyRange keys, float *added,
    int64_t stride) {
  TileStart start = TILE_FROM_ZERO;
  for (int64_t key = keys.first, end; key < keys.last; key = end, start = TILE_CONTINUE) {
    const int64_t at = key - chunk->start;
    end = smaller(keys.last, key + chunk->value_run - at % chunk->value_run);
    const float *panel = chunk->values[at / PAGE] + at % PAGE * chunk->value_stride;
    for (int64_t column = 0; column < chunk->value_width; column += 32) {
      const int columns = (int)smaller(32, chunk->value_width - column);
      const int whole = columns / 16 * 16;
      float *to = added + column;
      if (height == TILE_ROWS && columns == 32)
        for (int part = 0; part < 32; part += 16 * TILE_VECTORS)
          tile_block(
              TILE_ROWS, TILE_VECTORS, end - key, weights + at, CHUNK, panel + part,
              chunk->value_stride, to + part, stride, start);
      else if (whole > 0)
        tile_product(
            height, whole, end - key, weights + at, CHUNK, panel, chunk->value_stride, to, stride,
            start);
      if (columns > whole)
        tile_remainder(
            height, columns - whole, end - key, weights + at, CHUNK, panel + whole,
            chunk->value_stride, to + whole, stride, start);
      panel += chunk->value_panel;
    }
  }
}

/// Turns `count` (a multiple of 16) scores into weights 2^(factor * (score - largest)), and gives their
/// sum; without a largest, `-infinity`, all weights are 0 but those of scores that are NaN.
INLINE float attention_weights(float *scores, int64_t count, float factor, float largest) {
  const float reference = largest == -__builtin_inff() ? 0.0f : largest;
  f32x16 sum = {0};
  for (int64_t key = 0; key < count; key += 16) {
    const f32x16 weight =
        vector_exp2_bounded((vector_load(scores + key) - reference) * factor);
    sum += weight;
    vector_store(scores + key, weight);
  }
  return vector_sum(sum);
}

/// A row that has gathered nothing, with `width` (a multiple of 16) values.
INLINE void attention_begin(AttentionRow *row, float *values, int64_t width) {
  row->maximum = -__builtin_inff();
  row->sum = 0;
  for (int64_t column = 0; column < width; column += 16)
    vector_store(values + column, (f32x16){0});
}

/// Keeps a row's share for a later merge: `width` values, the maximum, the sum.
INLINE void attention_keep(
    float *share, const float *values, const AttentionRow *row, int64_t width) {
  for (int64_t column = 0; column < width; column += 16)
    vector_store(share + column, vector_load(values + column));
  share[width] = row->maximum;
  share[width + 1] = row->sum;
}

/// Merges what a row gathered from later keys, a maximum, a sum of weights and `width` (a multiple of
/// 16) weighted values, into the row and its `values`. Keys of which none counts change nothing: their
/// sum is 0, where the weight of a largest score is 1, and NaN if any score is. (The maximum does not
/// tell: it may pass over a NaN.)
INLINE void attention_merge(
    AttentionRow *row, float *values, float maximum, float sum, const float *added,
    int64_t width) {
  if (sum == 0) return;
  if (row->sum == 0) {  // nothing to merge with
    row->maximum = maximum;
    row->sum = sum;
    for (int64_t column = 0; column < width; column += 16)
      vector_store(values + column, vector_load(added + column));
    return;
  }
  const float largest = maximum > row->maximum ? maximum : row->maximum;
  const f32x16 factors = vector_exp2((f32x16){row->maximum - largest, maximum - largest});
  const float old = factors[0], new = factors[1];
  row->sum = row->sum * old + sum * new;
  row->maximum = largest;
  for (int64_t column = 0; column < width; column += 16) {
    const f32x16 kept = vector_load(values + column) * old;
    vector_store(values + column, vector_load(added + column) * new + kept);
  }
}

/// The row's values by its sum of weights; zeros if no key counted.
INLINE void attention_finish(
    float *out, const float *values, const AttentionRow *row, int64_t width) {
  const float part = 1.0f / (row->sum == 0 ? 1.0f : row->sum);
  for (int64_t column = 0; column < width; column += 16) {
    // Adding 0 turns -0 into 0: which of them it is depends on keys that do not count.
    const f32x16 value = vector_load(values + column) * part + 0.0f;
    vector_store_first(out + column, value, width - column);
  }
}

/// The blocks of queries in an order that any split into runs balances under a causal mask, where
/// the work grows with the block: first, last, second, last but one ...
INLINE int64_t attention_block(int64_t index, int64_t blocks) {
  return index % 2 == 0 ? index / 2 : blocks - 1 - index / 2;
}

#endif
