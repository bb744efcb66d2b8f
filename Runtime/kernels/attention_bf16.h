// Attention of queries, keys and values in bf16: products of pairs, everything else as in attention.h.
#ifndef BURIN_ATTENTION_BF16_H
#define BURIN_ATTENTION_BF16_H

#include "attention.h"
#include "tile_bf16.h"

/// The keys and values of one head at positions `start` to `start + 255`, in pages of bf16.
typedef struct {
  int64_t start;
  const uint16_t *keys[CHUNK_PAGES];
  const uint16_t *values[CHUNK_PAGES];
  int has_gaps;           // whether the padding mask excludes keys between others that count
  int32_t counts[CHUNK];  // if it does: 0 where it excludes the key
} ChunkBF16;

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
