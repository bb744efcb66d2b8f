// Attention of queries, keys and values in bf16: products of pairs, everything else as in attention.h.
#ifndef BURIN_ATTENTION_BF16_H
#define BURIN_ATTENTION_BF16_H

#include "attention.h"
#include "tile_bf16.h"

/// The keys and values of one head at positions `start` to `start + 255`, in pages of bf16.
typedef struct {
  int64_t start;
  const uint16_t *keys[CHUNK_PAGES];
  const uint16_t *values[CHUNK_PAGES];  // which lie behind one another
  int has_gaps;           // whether the padding mask excludes keys between others that count
  int32_t counts[CHUNK];  // if it does: 0 where it excludes the key
} ChunkBF16;

/// `attention_scores` of pairs.
IN_REGISTERS __attribute__((noinline, unused)) static void attention_scores_bf16(
    int height, int64_t width, const uint16_t *query, const ChunkBF16 *chunk, KeyRange keys,
    float *scores) {
  for (int64_t key = keys.first / 32 * 32; key < keys.last; key += 32) {
    const int64_t at = key - chunk->start;
    const uint16_t *page = chunk->keys[at / PAGE] + at % PAGE * 2;
    if (height == TILE_ROWS && keys.last - key > 16)
      for (int column = 0; column < 32; column += 16 * TILE_VECTORS)
        tile_block_bf16(
            TILE_ROWS, TILE_VECTORS, width, query, width, page + column * 2, PAGE,
            scores + at + column, CHUNK, TILE_FROM_ZERO);
    else
      tile_product_bf16(
          height, keys.last - key > 16 ? 32 : 16, width, query, width, page, PAGE, scores + at,
          CHUNK, TILE_FROM_ZERO);
  }
}

/// `attention_values` of pairs, `width` (a multiple of 16) columns of them. Pairs begin and end with the
/// keys that were given weights, 16 at a time.
IN_REGISTERS __attribute__((noinline, unused)) static void attention_values_bf16(
    int height, int64_t width, const uint16_t *weights, const ChunkBF16 *chunk, KeyRange keys,
    float *added) {
  const int64_t at = (keys.first - chunk->start) / 16 * 16;
  const int64_t count = (keys.last - chunk->start + 15) / 16 * 16 - at;
  const uint16_t *panel = chunk->values[at / PAGE] + at % PAGE * width;
  for (int64_t column = 0; column < width; column += 32) {
    if (height == TILE_ROWS && width - column >= 32)
      for (int part = 0; part < 32; part += 16 * TILE_VECTORS)
        tile_block_bf16(
            TILE_ROWS, TILE_VECTORS, count, weights + at, CHUNK, panel + (column + part) * 2, width,
            added + column + part, width, TILE_FROM_ZERO);
    else
      tile_product_bf16(
          height, width - column >= 32 ? 32 : 16, count, weights + at, CHUNK, panel + column * 2,
          width, added + column, width, TILE_FROM_ZERO);
  }
}

/// `attention_weights`, rounded to bf16; the sum is that of the weights before they are rounded.
INLINE float attention_weights_bf16(
    uint16_t *weights, const float *scores, int64_t count, float factor, float largest) {
  const float reference = largest == -__builtin_inff() ? 0.0f : largest;
  f32x16 sum = {0};
  for (int64_t key = 0; key < count; key += 16) {
    const f32x16 weight = vector_exp2_coarse((vector_load(scores + key) - reference) * factor);
    sum += weight;
    bf16_store(weights + key, weight);
  }
  return vector_sum(sum);
}

#endif
