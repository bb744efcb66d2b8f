// gpt2-lm, compiled by Burin for x86-64-v3.
// Passes: fold-constants, fuse-activations, fuse-attention, fold-transposes, fuse-linear,
// fuse-normalization, fuse-projections, keep-narrow-weights, pack-weights, tile-matmuls.
// forward: input_ids i32[batch, seq], attention_mask i32[batch, seq], position_ids i32[batch, seq]
// -> logits f32[batch, seq, 283].
// step: input_ids i32[batch, seq], counts i32[batch] -> logits f32[batch, 283].
// verify: input_ids i32[batch, drafts], counts i32[batch] -> logits f32[batch, drafts, 283].
// batch is 1 to 32.
// context is 1 to 103.
// drafts is 1 to 16.
// seq is 1 to 103.
// Build:
//   clang -std=gnu17 -O2 -ffp-contract=on -fno-math-errno -fPIC -fvisibility=hidden -Wall -Wextra -fopenmp -march=x86-64-v3 -shared -Wl,--version-script=burin.map -Wl,--build-id=sha1 -Wl,--as-needed -Wl,-z,now *.c -lm -o model.so

#include "attention.h"
#include "pages.h"
#include "share.h"
#include "tile.h"
#include "vector_math.h"
#include "vectors.h"
#include "program.h"

// The packed weights, as they lie in the library's file.
typedef struct {
  float embeddings_table[5760];                       // f32[9, 20, 32]
  float embeddings_table_2[2064];                     // f32[103, 20]
  float embeddings_normed_scale[32];                  // f32[20]
  float embeddings_normed_bias[32];                   // f32[20]
  float layer_0_attention_projected_weight[1280];     // f32[2, 20, 32]
  float layer_0_attention_projected_bias[64];         // f32[60]
  float layer_0_attention_summed_weight[640];         // f32[1, 20, 32]
  float layer_0_attention_summed_bias[32];            // f32[20]
  float layer_0_feed_forward_normed_scale[32];        // f32[20]
  float layer_0_feed_forward_normed_bias[32];         // f32[20]
  float layer_0_feed_forward_activated_weight[1920];  // f32[3, 20, 32]
  float layer_0_feed_forward_activated_bias[80];      // f32[80]
  float layer_0_feed_forward_summed_weight[2560];     // f32[1, 80, 32]
  float layer_0_feed_forward_summed_bias[32];         // f32[20]
  float layer_1_attention_normed_scale[32];           // f32[20]
  float layer_1_attention_normed_bias[32];            // f32[20]
  float layer_1_attention_projected_weight[1280];     // f32[2, 20, 32]
  float layer_1_attention_projected_bias[64];         // f32[60]
  float layer_1_attention_summed_weight[640];         // f32[1, 20, 32]
  float layer_1_attention_summed_bias[32];            // f32[20]
  float layer_1_feed_forward_normed_scale[32];        // f32[20]
  float layer_1_feed_forward_normed_bias[32];         // f32[20]
  float layer_1_feed_forward_activated_weight[1920];  // f32[3, 20, 32]
  float layer_1_feed_forward_activated_bias[80];      // f32[80]
  float layer_1_feed_forward_summed_weight[2560];     // f32[1, 80, 32]
  float layer_1_feed_forward_summed_bias[32];         // f32[20]
  float head_normed_scale[32];                        // f32[20]
  float head_normed_bias[32];                         // f32[20]
} weights_block;

static const int32_t constant_1[1] = {1};  // i32[]
static const int32_t constant_minus_1[1] = {-1};  // i32[]

// fill(i32[batch, seq]) : i32[batch, seq]
static void fill_i32(
    int64_t count,
    const int32_t *restrict x,  // one element
    int32_t *restrict out) {    // [count]
  #pragma omp for schedule(static)
  for (int64_t i = 0; i < count; i++) {
    out[i] = x[0];
  }
}

// iota(axis: 1) : i32[batch, seq]
static void iota_i32(
    int64_t rows,
    int64_t columns,
    int32_t *restrict out) {  // [rows, columns]
  #pragma omp for collapse(2) schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t column = 0; column < columns; column++) {
      out[row * columns + column] = (int32_t)column;
    }
  }
}

// embedding(f32[9, 20, 32], indices: i32[batch, seq], rows: 283) : f32[batch, seq, 20]
static void embedding_packed_32_20(
    int64_t tokens,
    int64_t rows,
    const float *restrict table,      // [panels, 20, 32]
    const int32_t *restrict indices,  // [tokens]
    float *restrict out) {            // [tokens, 20]
  #pragma omp for schedule(static)
  for (int64_t token = 0; token < tokens; token++) {
    const int64_t index = larger(0, smaller(indices[token], rows - 1));
    const float *row = table + index / 32 * 640 + index % 32;
    float *out_row = out + token * 20;
    for (int64_t column = 0; column < 20; column++) {
      out_row[column] = row[column * 32];
    }
  }
}

// embedding(f32[103, 20], indices: i32[batch, seq], rows: 103) : f32[batch, seq, 20]
static void embedding_20(
    int64_t tokens,
    int64_t rows,
    const float *restrict table,      // [rows, 20]
    const int32_t *restrict indices,  // [tokens]
    float *restrict out) {            // [tokens, 20]
  #pragma omp for schedule(static)
  for (int64_t token = 0; token < tokens; token++) {
    const float *row = table + larger(0, smaller(indices[token], rows - 1)) * 20;
    float *out_row = out + token * 20;
    for (int64_t column = 0; column < 20; column++) {
      out_row[column] = row[column];
    }
  }
}

// add_norm(f32[batch, seq, 20], residual: f32[batch, seq, 20], layer, scale: f32[20], bias:
// f32[20], epsilon: 1e-05) : (f32[batch, seq, 20], f32[batch, seq, 20])
static void add_norm_layer_20(
    int64_t rows,
    const float *restrict x,         // [rows, 20]
    const float *restrict residual,  // [rows, 20]
    const float *restrict scale,     // [20]
    const float *restrict bias,      // [20]
    float *restrict sum,             // [rows, 20]
    float *restrict out) {           // [rows, 20]
  #pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const float *x_row = x + row * 20;
    const float *residual_row = residual + row * 20;
    float *sum_row = sum + row * 20;
    float *out_row = out + row * 20;
    f32x16 sums = vector_splat(0.0f);
    for (int64_t column = 0; column < 20; column += 16) {
      const int64_t left = 20 - column;
      const f32x16 values =
          vector_load_first(x_row + column, left) + vector_load_first(residual_row + column, left);
      vector_store_first(sum_row + column, values, left);
      sums += values;
    }
    const float mean = vector_sum(sums) / 20.0f;
    f32x16 squares = vector_splat(0.0f);
    for (int64_t column = 0; column < 20; column += 16) {
      const int64_t left = 20 - column;
      f32x16 centred = vector_load_first(sum_row + column, left) - mean;
      centred = vector_select(vector_lanes() < (int32_t)left, centred, vector_splat(0.0f));
      squares += centred * centred;
    }
    const float variance = vector_sum(squares) / 20.0f;
    const float inverse_deviation = 1.0f / __builtin_sqrtf(variance + 1e-05f);
    for (int64_t column = 0; column < 20; column += 16) {
      const int64_t left = 20 - column;
      vector_store_first(out_row + column,
                         (vector_load_first(sum_row + column, left) - mean) * inverse_deviation *
                         vector_load_first(scale + column, left) +
                         vector_load_first(bias + column, left), left);
    }
  }
}

// linear(f32[batch, seq, 20], weight: f32[2, 20, 32], bias: f32[60], columns: 60) tile: rows 4096 :
// f32[batch, seq, 60]
static void linear_20x60_bias(
    int64_t rows,
    const float *restrict x,        // [rows, 20]
    const float *restrict weights,  // [2, 20, 32]
    const float *restrict bias,     // [60]
    float *restrict out) {          // [rows, 60]
  for (int64_t block = 0; block < rows; block += 4096) {
    const int64_t end = smaller(block + 4096, rows);
    // Panels times tiles; each thread takes a run of them, and helps the others at the end.
    const int64_t tiles = (end - block + (TILE_ROWS - 1)) / TILE_ROWS;
    Share share = share_begin(2 * tiles, 512);
    while (share_take(&share)) {
      for (int64_t item = share.first; item < share.end; item++) {
        const int64_t panel = item / tiles * 32;
        const int64_t row = block + item % tiles * TILE_ROWS;
        const int height = (int)smaller(TILE_ROWS, end - row);
        float sums[TILE_ROWS][32] __attribute__((aligned(64)));
        tile_product(height, 32, 20, x + row * 20, 20, weights + panel * 20, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 60); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 60 - column);
            vector_store_first(out + (row + r) * 60 + column, value, 60 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// A few rows against the keys of one chunk: their largest scores, their sums of weights and their
// weighted values.
static void attention_4x5_padding_causal_chunk(
    int height,
    const float *query,  // [height, 5]
    const AttentionRow *rows,
    const Chunk *chunk,
    float *maximum,      // [height]
    float *sum,          // [height]
    float *added) {      // [height, 16]
  const int64_t start = chunk->start;
  KeyRange span = attention_span(rows, height);
  span.first = larger(span.first, start);
  span.last = smaller(span.last, start + 256);
  for (int r = 0; r < height; r++) {
    maximum[r] = -__builtin_inff();
    sum[r] = 0.0f;
  }
  if (span.first >= span.last) {
    return;
  }

  float weights[TILE_ROWS][256] __attribute__((aligned(64)));
  attention_scores(height, 5, query, chunk, span, weights[0]);

  // Each row's largest score in this chunk, then the weights against it.
  const int64_t begin = span.first / 16 * 16;  // whole vectors
  const int64_t end = (span.last + 15) / 16 * 16;
  const float factor = 0.64519286f;  // scale * log2(e)
  for (int r = 0; r < height; r++) {
    if (!chunk->has_gaps && (rows[r].first <= begin && end <= rows[r].last)) {
      maximum[r] = attention_largest(weights[r] + (begin - start), end - begin);
    } else {
      f32x16 largest = vector_splat(-__builtin_inff());
      for (int64_t key = begin; key < span.last; key += 16) {
        f32x16 score = vector_load(weights[r] + (key - start));
        score = attention_visible(score, &rows[r], key);
        if (chunk->has_gaps) {
          score = attention_counting(score, chunk->counts + (key - start));
        }
        vector_store(weights[r] + (key - start), score);
        largest = vector_maximum(largest, score);
      }
      maximum[r] = vector_largest(largest);
    }
  }
  for (int r = 0; r < height; r++) {
    sum[r] = attention_weights(weights[r] + (begin - start), end - begin, factor, maximum[r]);
    maximum[r] *= factor;
  }

  // Weighted values.
  attention_values(height, weights[0], chunk, span, added, 16);
}

// attention(query: f32[batch, seq, 4, 5], key: f32[batch, seq, 4, 5], value: f32[batch, seq, 4, 5],
// scale: 0.4472135954999579, masks: [padding(i32[batch, seq]), causal]) tile: queries 64 :
// f32[batch, seq, 4, 5]
static void attention_4x5_padding_causal(
    int64_t batch,
    int64_t queries,
    int64_t keys,
    int64_t q_sequence_stride,
    int64_t k_sequence_stride,
    int64_t v_sequence_stride,
    int64_t padding_stride,
    const float *restrict q,          // [batch, queries, 4, 5]
    const float *restrict k,          // [batch, keys, 4, 5]
    const float *restrict v,          // [batch, keys, 4, 5]
    const int32_t *restrict padding,  // [batch, keys], 0: no key
    float *restrict out,              // [batch, queries, 4, 5]
    char *workspace) {
  const int64_t pages = (keys + 63) / 64;
  float *k_pages = (float *)workspace;              // [batch, 4, pages, 5, 64]
  float *v_pages = k_pages + batch * pages * 1280;  // [batch, 4, pages, 64, 16]

  // Keys and values into pages.
  #pragma omp for collapse(3) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t page = 0; page < pages; page++) {
      for (int64_t head = 0; head < 4; head++) {
        page_keys(k_pages + ((sequence * 4 + head) * pages + page) * 320,
                  k + sequence * k_sequence_stride + page * 3840 + head * 5, 60, keys - page * 64,
                  5);
        page_values(v_pages + ((sequence * 4 + head) * pages + page) * 1024, 16,
                    v + sequence * v_sequence_stride + page * 3840 + head * 5, 60, keys - page * 64,
                    5);
      }
    }
  }

  const int64_t blocks = (queries + 63) / 64;
  #pragma omp for collapse(3) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t head = 0; head < 4; head++) {
      for (int64_t index = 0; index < blocks; index++) {
        const int64_t block = attention_block(index, blocks) * 64;
        const int count = (int)smaller(64, queries - block);
        AttentionRow rows[64];
        float query_rows[64][5] __attribute__((aligned(64)));
        float gathered[64][16] __attribute__((aligned(64)));
        const KeyRange padded = attention_padding(padding + sequence * padding_stride, keys);
        const int has_gaps = attention_gaps(padding + sequence * padding_stride, padded);
        for (int64_t r = 0; r < count; r++) {
          const int64_t query = block + r;
          AttentionRow *row = rows + r;
          attention_begin(row, gathered[r], 16);
          row->first = larger(0, padded.first);
          row->last = smaller(smaller(keys, padded.last), query + 1);
          copy_row(query_rows[r], q + sequence * q_sequence_stride + query * 60 + head * 5, 5);
        }
        KeyRange span = attention_span(rows, count);
        for (int64_t start = span.first / 256 * 256; start < span.last; start += 256) {
          Chunk chunk;
          chunk.start = start;
          for (int i = 0; i < CHUNK_PAGES; i++) {
            const int64_t page = smaller(start / 64 + i, pages - 1);
            chunk.keys[i] = k_pages + ((sequence * 4 + head) * pages + page) * 320;
            chunk.values[i] = v_pages + ((sequence * 4 + head) * pages + page) * 1024;
          }
          chunk.value_width = 16;
          chunk.value_run = CHUNK;
          chunk.value_stride = 16;
          chunk.value_panel = 32;
          chunk.has_gaps = has_gaps;
          if (has_gaps) {
            for (int i = 0; i < CHUNK; i++) {
              chunk.counts[i] =
                  start + i < keys ? padding[sequence * padding_stride + start + i] : 0;
            }
          }
          for (int64_t r = 0; r < count; r += TILE_ROWS) {
            const int height = (int)smaller(TILE_ROWS, count - r);
            float maximum[TILE_ROWS];
            float sum[TILE_ROWS];
            float added[TILE_ROWS][16] __attribute__((aligned(64)));
            attention_4x5_padding_causal_chunk(height, query_rows[r], rows + r, &chunk, maximum,
                                               sum, added[0]);
            for (int64_t row = 0; row < height; row++) {
              attention_merge(rows + (r + row), gathered[r + row], maximum[row], sum[row],
                              added[row], 16);
            }
          }
        }
        for (int64_t r = 0; r < count; r++) {
          const int64_t query = block + r;
          attention_finish(out + ((sequence * queries + query) * 4 + head) * 5, gathered[r],
                           rows + r, 5);
        }
      }
    }
  }
}

// linear(f32[batch, seq, 20], weight: f32[1, 20, 32], bias: f32[20], residual: f32[batch, seq, 20],
// columns: 20) tile: rows 4096 : f32[batch, seq, 20]
static void linear_20x20_bias_residual(
    int64_t rows,
    const float *restrict x,         // [rows, 20]
    const float *restrict weights,   // [1, 20, 32]
    const float *restrict bias,      // [20]
    const float *restrict residual,  // [rows, 20]
    float *restrict out) {           // [rows, 20]
  for (int64_t block = 0; block < rows; block += 4096) {
    const int64_t end = smaller(block + 4096, rows);
    // Panels times tiles; each thread takes a run of them, and helps the others at the end.
    const int64_t tiles = (end - block + (TILE_ROWS - 1)) / TILE_ROWS;
    Share share = share_begin(tiles, 512);
    while (share_take(&share)) {
      for (int64_t item = share.first; item < share.end; item++) {
        const int64_t panel = item / tiles * 32;
        const int64_t row = block + item % tiles * TILE_ROWS;
        const int height = (int)smaller(TILE_ROWS, end - row);
        float sums[TILE_ROWS][32] __attribute__((aligned(64)));
        tile_product(height, 32, 20, x + row * 20, 20, weights + panel * 20, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 20); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 20 - column);
            value += vector_load_first(residual + (row + r) * 20 + column, 20 - column);
            vector_store_first(out + (row + r) * 20 + column, value, 20 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// norm(f32[batch, seq, 20], layer, scale: f32[20], bias: f32[20], epsilon: 1e-05) : f32[batch, seq,
// 20]
static void norm_layer_20(
    int64_t rows,
    const float *restrict x,      // [rows, 20]
    const float *restrict scale,  // [20]
    const float *restrict bias,   // [20]
    float *restrict out) {        // [rows, 20]
  #pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const float *x_row = x + row * 20;
    float *out_row = out + row * 20;
    f32x16 sums = vector_splat(0.0f);
    for (int64_t column = 0; column < 20; column += 16) {
      const int64_t left = 20 - column;
      sums += vector_load_first(x_row + column, left);
    }
    const float mean = vector_sum(sums) / 20.0f;
    f32x16 squares = vector_splat(0.0f);
    for (int64_t column = 0; column < 20; column += 16) {
      const int64_t left = 20 - column;
      f32x16 centred = vector_load_first(x_row + column, left) - mean;
      centred = vector_select(vector_lanes() < (int32_t)left, centred, vector_splat(0.0f));
      squares += centred * centred;
    }
    const float variance = vector_sum(squares) / 20.0f;
    const float inverse_deviation = 1.0f / __builtin_sqrtf(variance + 1e-05f);
    for (int64_t column = 0; column < 20; column += 16) {
      const int64_t left = 20 - column;
      vector_store_first(out_row + column,
                         (vector_load_first(x_row + column, left) - mean) * inverse_deviation *
                         vector_load_first(scale + column, left) +
                         vector_load_first(bias + column, left), left);
    }
  }
}

// linear(f32[batch, seq, 20], weight: f32[3, 20, 32], bias: f32[80], gelu_tanh, columns: 80) tile:
// rows 4096 : f32[batch, seq, 80]
static void linear_20x80_bias_gelu_tanh(
    int64_t rows,
    const float *restrict x,        // [rows, 20]
    const float *restrict weights,  // [3, 20, 32]
    const float *restrict bias,     // [80]
    float *restrict out) {          // [rows, 80]
  for (int64_t block = 0; block < rows; block += 4096) {
    const int64_t end = smaller(block + 4096, rows);
    // Panels times tiles; each thread takes a run of them, and helps the others at the end.
    const int64_t tiles = (end - block + (TILE_ROWS - 1)) / TILE_ROWS;
    Share share = share_begin(3 * tiles, 512);
    while (share_take(&share)) {
      for (int64_t item = share.first; item < share.end; item++) {
        const int64_t panel = item / tiles * 32;
        const int64_t row = block + item % tiles * TILE_ROWS;
        const int height = (int)smaller(TILE_ROWS, end - row);
        float sums[TILE_ROWS][32] __attribute__((aligned(64)));
        tile_product(height, 32, 20, x + row * 20, 20, weights + panel * 20, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 80); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load(bias + column);
            value = vector_gelu_tanh(value);
            vector_store(out + (row + r) * 80 + column, value);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// linear(f32[batch, seq, 80], weight: f32[1, 80, 32], bias: f32[20], residual: f32[batch, seq, 20],
// columns: 20) tile: rows 4096 : f32[batch, seq, 20]
static void linear_80x20_bias_residual(
    int64_t rows,
    const float *restrict x,         // [rows, 80]
    const float *restrict weights,   // [1, 80, 32]
    const float *restrict bias,      // [20]
    const float *restrict residual,  // [rows, 20]
    float *restrict out) {           // [rows, 20]
  for (int64_t block = 0; block < rows; block += 4096) {
    const int64_t end = smaller(block + 4096, rows);
    // Panels times tiles; each thread takes a run of them, and helps the others at the end.
    const int64_t tiles = (end - block + (TILE_ROWS - 1)) / TILE_ROWS;
    Share share = share_begin(tiles, 512);
    while (share_take(&share)) {
      for (int64_t item = share.first; item < share.end; item++) {
        const int64_t panel = item / tiles * 32;
        const int64_t row = block + item % tiles * TILE_ROWS;
        const int height = (int)smaller(TILE_ROWS, end - row);
        float sums[TILE_ROWS][32] __attribute__((aligned(64)));
        tile_product(height, 32, 80, x + row * 80, 80, weights + panel * 80, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 20); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 20 - column);
            value += vector_load_first(residual + (row + r) * 20 + column, 20 - column);
            vector_store_first(out + (row + r) * 20 + column, value, 20 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// linear(f32[batch, seq, 20], weight: f32[9, 20, 32], columns: 283) tile: rows 4096 : f32[batch,
// seq, 283]
static void linear_20x283(
    int64_t rows,
    const float *restrict x,        // [rows, 20]
    const float *restrict weights,  // [9, 20, 32]
    float *restrict out) {          // [rows, 283]
  for (int64_t block = 0; block < rows; block += 4096) {
    const int64_t end = smaller(block + 4096, rows);
    // Panels times tiles; each thread takes a run of them, and helps the others at the end.
    const int64_t tiles = (end - block + (TILE_ROWS - 1)) / TILE_ROWS;
    Share share = share_begin(9 * tiles, 512);
    while (share_take(&share)) {
      for (int64_t item = share.first; item < share.end; item++) {
        const int64_t panel = item / tiles * 32;
        const int64_t row = block + item % tiles * TILE_ROWS;
        const int height = (int)smaller(TILE_ROWS, end - row);
        float sums[TILE_ROWS][32] __attribute__((aligned(64)));
        tile_product(height, 32, 20, x + row * 20, 20, weights + panel * 20, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 283); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            vector_store_first(out + (row + r) * 283 + column, value, 283 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// extent(seq) : i32[]
static void extent_i32(int64_t extent, int32_t *restrict out) {
  #pragma omp single
  out[0] = (int32_t)extent;
}

// add(i32[batch, 1], i32[batch, seq]) : i32[batch, seq]
static void add_i32(
    int64_t rows,
    int64_t columns,
    const int32_t *restrict x,  // [rows]
    const int32_t *restrict y,  // [rows, columns]
    int32_t *restrict out) {    // [rows, columns]
  #pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const int32_t *x_row = x + row;
    const int32_t *y_row = y + row * columns;
    int32_t *out_row = out + row * columns;
    for (int64_t column = 0; column < columns; column++) {
      out_row[column] = (int32_t)((int64_t)x_row[0] + y_row[column]);
    }
  }
}

// add(i32[batch], i32[batch]) : i32[batch]
static void add_i32_2(
    int64_t count,
    const int32_t *restrict x,  // [count]
    const int32_t *restrict y,  // [count]
    int32_t *restrict out) {    // [count]
  #pragma omp for schedule(static)
  for (int64_t i = 0; i < count; i++) {
    out[i] = (int32_t)((int64_t)x[i] + y[i]);
  }
}

// append(f32[batch, context, 4, 5], values: f32[batch, seq, 4, 5], start: i32[batch], counts:
// i32[batch]) : f32[batch, context, 4, 5]
static void append_keys_4x5(
    int64_t batch,
    int64_t rows,
    int64_t sequence_stride,
    const float *restrict values,    // [batch, rows, 4, 5]
    const int32_t *restrict start,   // [batch]
    const int32_t *restrict counts,  // [batch]
    char *pool,                      // the memory of pages
    const int32_t *table,            // [batch, table_stride], pages by 64 positions
    int64_t table_stride,
    int64_t offset) {                // bytes from a page's start
  #pragma omp for collapse(2) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t group = 0; group < 4; group++) {
      const int64_t first = start[sequence];
      const int64_t count = smaller(counts[sequence], rows);
      for (int64_t i = 0; i < count; i++) {
        const int64_t position = first + i;
        char *page = pool + (int64_t)table[sequence * table_stride + position / 64] * 20480;
        page_put_key((float *)(page + offset + group * 1280), position % 64,
                     values + sequence * sequence_stride + i * 60 + group * 5, 5);
      }
    }
  }
}

// append(f32[batch, context, 4, 5], values: f32[batch, seq, 4, 5], start: i32[batch], counts:
// i32[batch]) : f32[batch, context, 4, 5]
static void append_values_4x5(
    int64_t batch,
    int64_t rows,
    int64_t sequence_stride,
    const float *restrict values,    // [batch, rows, 4, 5]
    const int32_t *restrict start,   // [batch]
    const int32_t *restrict counts,  // [batch]
    char *pool,                      // the memory of pages
    const int32_t *table,            // [batch, table_stride], pages by 64 positions
    int64_t table_stride,
    int64_t offset) {                // bytes from a page's start
  #pragma omp for collapse(2) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t group = 0; group < 4; group++) {
      const int64_t first = start[sequence];
      const int64_t count = smaller(counts[sequence], rows);
      for (int64_t i = 0; i < count; i++) {
        const int64_t position = first + i;
        char *page = pool + (int64_t)table[sequence * table_stride + position / 64] * 20480;
        page_put_value((float *)(page + offset + group * 1280), position % 64,
                       values + sequence * sequence_stride + i * 60 + group * 5, 5);
      }
    }
  }
}

// A few rows against the keys of one chunk: their largest scores, their sums of weights and their
// weighted values.
static void attention_4x5_lengths_causal_chunk(
    int height,
    const float *query,  // [height, 5]
    const AttentionRow *rows,
    const Chunk *chunk,
    float *maximum,      // [height]
    float *sum,          // [height]
    float *added) {      // [height, 16]
  const int64_t start = chunk->start;
  KeyRange span = attention_span(rows, height);
  span.first = larger(span.first, start);
  span.last = smaller(span.last, start + 256);
  for (int r = 0; r < height; r++) {
    maximum[r] = -__builtin_inff();
    sum[r] = 0.0f;
  }
  if (span.first >= span.last) {
    return;
  }

  float weights[TILE_ROWS][256] __attribute__((aligned(64)));
  attention_scores(height, 5, query, chunk, span, weights[0]);

  // Each row's largest score in this chunk, then the weights against it.
  const int64_t begin = span.first / 16 * 16;  // whole vectors
  const int64_t end = (span.last + 15) / 16 * 16;
  const float factor = 0.64519286f;  // scale * log2(e)
  for (int r = 0; r < height; r++) {
    if (rows[r].first <= begin && end <= rows[r].last) {
      maximum[r] = attention_largest(weights[r] + (begin - start), end - begin);
    } else {
      f32x16 largest = vector_splat(-__builtin_inff());
      for (int64_t key = begin; key < span.last; key += 16) {
        f32x16 score = vector_load(weights[r] + (key - start));
        score = attention_visible(score, &rows[r], key);
        vector_store(weights[r] + (key - start), score);
        largest = vector_maximum(largest, score);
      }
      maximum[r] = vector_largest(largest);
    }
  }
  for (int r = 0; r < height; r++) {
    sum[r] = attention_weights(weights[r] + (begin - start), end - begin, factor, maximum[r]);
    maximum[r] *= factor;
  }

  // Weighted values.
  attention_values(height, weights[0], chunk, span, added, 16);
}

// attention(query: f32[batch, seq, 4, 5], key: f32[batch, context, 4, 5], value: f32[batch,
// context, 4, 5], scale: 0.4472135954999579, masks: [lengths(i32[batch]), causal(start:
// i32[batch])]) tile: queries 64 : f32[batch, seq, 4, 5]
static void attention_4x5_lengths_causal(
    int64_t batch,
    int64_t queries,
    int64_t keys,
    int64_t q_sequence_stride,
    const float *restrict q,          // [batch, queries, 4, 5]
    int64_t key_offset,               // bytes from a page's start
    int64_t value_offset,             // bytes from a page's start
    const int32_t *restrict lengths,  // [batch]
    const int32_t *restrict starts,   // [batch], the first query's position
    float *restrict out,              // [batch, queries, 4, 5]
    const char *pool,                 // the memory of pages
    const int32_t *table,             // [batch, table_stride], pages by 64 keys
    int64_t table_stride,             // entries per sequence
    char *workspace) {
  const int64_t pages = (keys + 63) / 64;
  float *shares = (float *)workspace;  // [batch, 4, splits, 16, 16 values + maximum + sum]
  const int64_t blocks = (queries + 63) / 64;
  // A few rows for many threads: each chunk of keys is a task.
  const int64_t splits = queries <= 16 && batch * 4 < thread_count() * 4 ? (pages + 3) / 4 : 1;
  #pragma omp for collapse(4) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t head = 0; head < 4; head++) {
      for (int64_t index = 0; index < blocks; index++) {
        for (int64_t part = 0; part < splits; part++) {
          const int64_t block = attention_block(index, blocks) * 64;
          const int count = (int)smaller(64, queries - block);
          AttentionRow rows[64];
          float query_rows[64][5] __attribute__((aligned(64)));
          float gathered[64][16] __attribute__((aligned(64)));
          for (int64_t r = 0; r < count; r++) {
            const int64_t query = block + r;
            AttentionRow *row = rows + r;
            attention_begin(row, gathered[r], 16);
            row->first = 0;
            row->last = smaller(smaller(keys, lengths[sequence]), starts[sequence] + query + 1);
            copy_row(query_rows[r], q + sequence * q_sequence_stride + query * 60 + head * 5, 5);
          }
          KeyRange span = attention_span(rows, count);
          if (splits > 1) {
            // Only the chunk of this part.
            span.first = larger(span.first, part * 256);
            span.last = smaller(span.last, part * 256 + 256);
          }
          for (int64_t start = span.first / 256 * 256; start < span.last; start += 256) {
            Chunk chunk;
            chunk.start = start;
            for (int i = 0; i < CHUNK_PAGES; i++) {
              const int64_t page = smaller(start / 64 + i, pages - 1);
              const char *data = pool + (int64_t)table[sequence * table_stride + page] * 20480;
              chunk.keys[i] = (const float *)(data + key_offset + head * 1280);
              chunk.values[i] = (const float *)(data + value_offset + head * 1280);
            }
            chunk.value_width = 5;
            chunk.value_run = PAGE;
            chunk.value_stride = 5;
            chunk.value_panel = 32;
            for (int64_t r = 0; r < count; r += TILE_ROWS) {
              const int height = (int)smaller(TILE_ROWS, count - r);
              float maximum[TILE_ROWS];
              float sum[TILE_ROWS];
              float added[TILE_ROWS][16] __attribute__((aligned(64)));
              attention_4x5_lengths_causal_chunk(height, query_rows[r], rows + r, &chunk, maximum,
                                                 sum, added[0]);
              for (int64_t row = 0; row < height; row++) {
                attention_merge(rows + (r + row), gathered[r + row], maximum[row], sum[row],
                                added[row], 16);
              }
            }
          }
          if (splits > 1) {
            for (int64_t r = 0; r < count; r++) {
              attention_keep(shares + (((sequence * 4 + head) * splits + part) * 16 + r) * 32,
                             gathered[r], rows + r, 16);
            }
          } else {
            for (int64_t r = 0; r < count; r++) {
              const int64_t query = block + r;
              attention_finish(out + ((sequence * queries + query) * 4 + head) * 5, gathered[r],
                               rows + r, 5);
            }
          }
        }
      }
    }
  }
  if (splits > 1) {
    #pragma omp for collapse(3) schedule(static)
    for (int64_t sequence = 0; sequence < batch; sequence++) {
      for (int64_t head = 0; head < 4; head++) {
        for (int64_t r = 0; r < queries; r++) {
          AttentionRow row;
          float gathered[16] __attribute__((aligned(64)));
          attention_begin(&row, gathered, 16);
          for (int64_t part = 0; part < splits; part++) {
            const float *share = shares + (((sequence * 4 + head) * splits + part) * 16 + r) * 32;
            attention_merge(&row, gathered, share[16], share[17], share, 16);
          }
          const int64_t query = r;
          attention_finish(out + ((sequence * queries + query) * 4 + head) * 5, gathered, &row, 5);
        }
      }
    }
  }
}

// add(i32[batch], i32[]) : i32[batch]
static void add_i32_3(
    int64_t count,
    const int32_t *restrict x,  // [count]
    const int32_t *restrict y,  // one element
    int32_t *restrict out) {    // [count]
  #pragma omp for schedule(static)
  for (int64_t i = 0; i < count; i++) {
    out[i] = (int32_t)((int64_t)x[i] + y[0]);
  }
}

// gather(f32[batch, seq, 20], indices: i32[batch, 1]) : f32[batch, 1, 20]
static void gather_20(
    int64_t batch,
    int64_t rows,
    int64_t x_sequence_stride,
    const float *restrict x,          // [batch, rows, 20]
    const int32_t *restrict indices,  // [batch, 1]
    float *restrict out) {            // [batch, 1, 20]
  #pragma omp for collapse(2) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t place = 0; place < 1; place++) {
      const int64_t row = larger(0, smaller(indices[sequence + place], rows - 1));
      const float *x_row = x + sequence * x_sequence_stride + row * 20;
      float *out_row = out + (sequence + place) * 20;
      for (int64_t column = 0; column < 20; column++) {
        out_row[column] = x_row[column];
      }
    }
  }
}

// copy(i32[batch]) : i32[batch]
static void copy_i32(
    int64_t count,
    const int32_t *restrict x,  // [count]
    int32_t *restrict out) {    // [count]
  #pragma omp for schedule(static)
  for (int64_t i = 0; i < count; i++) {
    out[i] = x[i];
  }
}

// forward: everything that runs, in order; kernels share out their work.
static void run_forward(const struct burin_call *call) {
  const int64_t batch = call->symbols[0];
  const int64_t seq = call->symbols[3];
  const weights_block *w = (const weights_block *)call->weights;

  // Memory for values, reused as soon as one is dead.
  int32_t *default_attention_mask = (int32_t *)call->slots[0];  // i32[batch, seq]
  int32_t *positions = (int32_t *)call->slots[1];               // i32[batch, seq]
  float *embedded = (float *)call->slots[2];                    // f32[batch, seq, 20]
  float *embedded_2 = (float *)call->slots[3];                  // f32[batch, seq, 20]
  float *normed = (float *)call->slots[1];                      // f32[batch, seq, 20]
  float *normed_2 = (float *)call->slots[4];                    // f32[batch, seq, 20]
  float *projected = (float *)call->slots[2];                   // f32[batch, seq, 60]
  float *attended = (float *)call->slots[3];                    // f32[batch, seq, 4, 5]
  char *scratch = call->slots[4];                               // what a kernel needs for itself
  float *summed = (float *)call->slots[2];                      // f32[batch, seq, 20]
  float *activated = (float *)call->slots[4];                   // f32[batch, seq, 80]
  float *summed_2 = (float *)call->slots[1];                    // f32[batch, seq, 20]
  float *normed_3 = (float *)call->slots[3];                    // f32[batch, seq, 20]

  // What the caller gives, or what stands for it.
  const int32_t *input_ids = call->inputs[0];                                   // i32[batch, seq]
  // i32[batch, seq]
  const int32_t *attention_mask = call->inputs[1] ? call->inputs[1] : default_attention_mask;
  const int32_t *position_ids = call->inputs[2] ? call->inputs[2] : positions;  // i32[batch, seq]

  // What the caller gets.
  float *logits = call->outputs[0];  // f32[batch, seq, 283]

  #pragma omp parallel
  {
    fill_i32(batch * seq, constant_1, default_attention_mask);
    iota_i32(batch, seq, positions);

    // embeddings
    embedding_packed_32_20(batch * seq, 283, w->embeddings_table, input_ids, embedded);
    embedding_20(batch * seq, 103, w->embeddings_table_2, position_ids, embedded_2);
    add_norm_layer_20(batch * seq, embedded, embedded_2, w->embeddings_normed_scale,
                      w->embeddings_normed_bias, normed, normed_2);

    // layer 0: attention
    linear_20x60_bias(batch * seq, normed_2, w->layer_0_attention_projected_weight,
                      w->layer_0_attention_projected_bias, projected);
    attention_4x5_padding_causal(batch, seq, seq, seq * 60, seq * 60, seq * 60, seq, projected,
                                 projected + 20, projected + 40, attention_mask, attended, scratch);
    linear_20x20_bias_residual(batch * seq, attended, w->layer_0_attention_summed_weight,
                               w->layer_0_attention_summed_bias, normed, summed);

    // layer 0: feed forward
    norm_layer_20(batch * seq, summed, w->layer_0_feed_forward_normed_scale,
                  w->layer_0_feed_forward_normed_bias, normed);
    linear_20x80_bias_gelu_tanh(batch * seq, normed, w->layer_0_feed_forward_activated_weight,
                                w->layer_0_feed_forward_activated_bias, activated);
    linear_80x20_bias_residual(batch * seq, activated, w->layer_0_feed_forward_summed_weight,
                               w->layer_0_feed_forward_summed_bias, summed, summed_2);

    // layer 1: attention
    norm_layer_20(batch * seq, summed_2, w->layer_1_attention_normed_scale,
                  w->layer_1_attention_normed_bias, normed_3);
    linear_20x60_bias(batch * seq, normed_3, w->layer_1_attention_projected_weight,
                      w->layer_1_attention_projected_bias, projected);
    attention_4x5_padding_causal(batch, seq, seq, seq * 60, seq * 60, seq * 60, seq, projected,
                                 projected + 20, projected + 40, attention_mask, attended, scratch);
    linear_20x20_bias_residual(batch * seq, attended, w->layer_1_attention_summed_weight,
                               w->layer_1_attention_summed_bias, summed_2, summed);

    // layer 1: feed forward
    norm_layer_20(batch * seq, summed, w->layer_1_feed_forward_normed_scale,
                  w->layer_1_feed_forward_normed_bias, normed);
    linear_20x80_bias_gelu_tanh(batch * seq, normed, w->layer_1_feed_forward_activated_weight,
                                w->layer_1_feed_forward_activated_bias, activated);
    linear_80x20_bias_residual(batch * seq, activated, w->layer_1_feed_forward_summed_weight,
                               w->layer_1_feed_forward_summed_bias, summed, summed_2);

    // head
    norm_layer_20(batch * seq, summed_2, w->head_normed_scale, w->head_normed_bias, normed_3);
    linear_20x283(batch * seq, normed_3, w->embeddings_table, logits);
  }
}

// step: everything that runs, in order; kernels share out their work.
static void run_step(const struct burin_call *call) {
  const int64_t batch = call->symbols[0];
  const int64_t context = call->symbols[1];
  const int64_t seq = call->symbols[3];
  const weights_block *w = (const weights_block *)call->weights;

  // Memory for values, reused as soon as one is dead.
  int32_t *extent = (int32_t *)call->slots[0];          // i32[]
  int32_t *default_counts = (int32_t *)call->slots[1];  // i32[batch]
  int32_t *positions = (int32_t *)call->slots[0];       // i32[batch, seq]
  int32_t *sum = (int32_t *)call->slots[2];             // i32[batch, seq]
  int32_t *sum_2 = (int32_t *)call->slots[0];           // i32[batch]
  float *embedded = (float *)call->slots[3];            // f32[batch, seq, 20]
  float *embedded_2 = (float *)call->slots[4];          // f32[batch, seq, 20]
  float *normed = (float *)call->slots[2];              // f32[batch, seq, 20]
  float *normed_2 = (float *)call->slots[5];            // f32[batch, seq, 20]
  float *projected = (float *)call->slots[3];           // f32[batch, seq, 60]
  float *attended = (float *)call->slots[4];            // f32[batch, seq, 4, 5]
  char *scratch = call->slots[5];                       // what a kernel needs for itself
  float *summed = (float *)call->slots[5];              // f32[batch, seq, 20]
  float *activated = (float *)call->slots[3];           // f32[batch, seq, 80]
  float *summed_2 = (float *)call->slots[2];            // f32[batch, seq, 20]
  float *normed_3 = (float *)call->slots[4];            // f32[batch, seq, 20]
  int32_t *sum_3 = (int32_t *)call->slots[4];           // i32[batch]
  float *gathered = (float *)call->slots[5];            // f32[batch, 1, 20]
  float *normed_4 = (float *)call->slots[2];            // f32[batch, 20]

  // What the caller gives, or what stands for it.
  const int32_t *input_ids = call->inputs[0];                                  // i32[batch, seq]
  const int32_t *counts = call->inputs[1] ? call->inputs[1] : default_counts;  // i32[batch]

  // What the caller gets.
  float *logits = call->outputs[0];  // f32[batch, 283]

  // What is remembered from call to call.
  int32_t *lengths = call->states[0];  // i32[batch]
  char *pool = call->pools[0];         // pages of all positions
  const int32_t *table = call->tables[0];
  const int64_t table_stride = call->table_stride;

  #pragma omp parallel
  {
    extent_i32(seq, extent);
    fill_i32(batch, extent, default_counts);
    iota_i32(batch, seq, positions);
    add_i32(batch, seq, lengths, positions, sum);
    add_i32_2(batch, lengths, counts, sum_2);

    // embeddings
    embedding_packed_32_20(batch * seq, 283, w->embeddings_table, input_ids, embedded);
    embedding_20(batch * seq, 103, w->embeddings_table_2, sum, embedded_2);
    add_norm_layer_20(batch * seq, embedded, embedded_2, w->embeddings_normed_scale,
                      w->embeddings_normed_bias, normed, normed_2);

    // layer 0: attention
    linear_20x60_bias(batch * seq, normed_2, w->layer_0_attention_projected_weight,
                      w->layer_0_attention_projected_bias, projected);
    append_keys_4x5(batch, seq, seq * 60, projected + 20, lengths, counts, pool, table,
                    table_stride, 0);
    append_values_4x5(batch, seq, seq * 60, projected + 40, lengths, counts, pool, table,
                      table_stride, 5120);
    attention_4x5_lengths_causal(batch, seq, context, seq * 60, projected, 0, 5120, sum_2, lengths,
                                 attended, pool, table, table_stride, scratch);
    linear_20x20_bias_residual(batch * seq, attended, w->layer_0_attention_summed_weight,
                               w->layer_0_attention_summed_bias, normed, summed);

    // layer 0: feed forward
    norm_layer_20(batch * seq, summed, w->layer_0_feed_forward_normed_scale,
                  w->layer_0_feed_forward_normed_bias, normed);
    linear_20x80_bias_gelu_tanh(batch * seq, normed, w->layer_0_feed_forward_activated_weight,
                                w->layer_0_feed_forward_activated_bias, activated);
    linear_80x20_bias_residual(batch * seq, activated, w->layer_0_feed_forward_summed_weight,
                               w->layer_0_feed_forward_summed_bias, summed, summed_2);

    // layer 1: attention
    norm_layer_20(batch * seq, summed_2, w->layer_1_attention_normed_scale,
                  w->layer_1_attention_normed_bias, normed_3);
    linear_20x60_bias(batch * seq, normed_3, w->layer_1_attention_projected_weight,
                      w->layer_1_attention_projected_bias, projected);
    append_keys_4x5(batch, seq, seq * 60, projected + 20, lengths, counts, pool, table,
                    table_stride, 10240);
    append_values_4x5(batch, seq, seq * 60, projected + 40, lengths, counts, pool, table,
                      table_stride, 15360);
    attention_4x5_lengths_causal(batch, seq, context, seq * 60, projected, 10240, 15360, sum_2,
                                 lengths, attended, pool, table, table_stride, scratch);
    linear_20x20_bias_residual(batch * seq, attended, w->layer_1_attention_summed_weight,
                               w->layer_1_attention_summed_bias, summed_2, summed);

    // layer 1: feed forward
    norm_layer_20(batch * seq, summed, w->layer_1_feed_forward_normed_scale,
                  w->layer_1_feed_forward_normed_bias, normed);
    linear_20x80_bias_gelu_tanh(batch * seq, normed, w->layer_1_feed_forward_activated_weight,
                                w->layer_1_feed_forward_activated_bias, activated);
    linear_80x20_bias_residual(batch * seq, activated, w->layer_1_feed_forward_summed_weight,
                               w->layer_1_feed_forward_summed_bias, summed, summed_2);

    // head
    add_i32_3(batch, counts, constant_minus_1, sum_3);
    gather_20(batch, seq, seq * 20, summed_2, sum_3, gathered);
    norm_layer_20(batch, gathered, w->head_normed_scale, w->head_normed_bias, normed_4);
    linear_20x283(batch, normed_4, w->embeddings_table, logits);

    // states
    copy_i32(batch, sum_2, lengths);
  }
}

// verify: everything that runs, in order; kernels share out their work.
static void run_verify(const struct burin_call *call) {
  const int64_t batch = call->symbols[0];
  const int64_t context = call->symbols[1];
  const int64_t drafts = call->symbols[2];
  const weights_block *w = (const weights_block *)call->weights;

  // Memory for values, reused as soon as one is dead.
  int32_t *extent = (int32_t *)call->slots[0];          // i32[]
  int32_t *default_counts = (int32_t *)call->slots[1];  // i32[batch]
  int32_t *positions = (int32_t *)call->slots[0];       // i32[batch, drafts]
  int32_t *sum = (int32_t *)call->slots[2];             // i32[batch, drafts]
  int32_t *sum_2 = (int32_t *)call->slots[0];           // i32[batch]
  float *embedded = (float *)call->slots[3];            // f32[batch, drafts, 20]
  float *embedded_2 = (float *)call->slots[4];          // f32[batch, drafts, 20]
  float *normed = (float *)call->slots[2];              // f32[batch, drafts, 20]
  float *normed_2 = (float *)call->slots[5];            // f32[batch, drafts, 20]
  float *projected = (float *)call->slots[3];           // f32[batch, drafts, 60]
  float *attended = (float *)call->slots[4];            // f32[batch, drafts, 4, 5]
  char *scratch = call->slots[5];                       // what a kernel needs for itself
  float *summed = (float *)call->slots[3];              // f32[batch, drafts, 20]
  float *activated = (float *)call->slots[5];           // f32[batch, drafts, 80]
  float *summed_2 = (float *)call->slots[2];            // f32[batch, drafts, 20]
  float *normed_3 = (float *)call->slots[4];            // f32[batch, drafts, 20]

  // What the caller gives, or what stands for it.
  const int32_t *input_ids = call->inputs[0];                                  // i32[batch, drafts]
  const int32_t *counts = call->inputs[1] ? call->inputs[1] : default_counts;  // i32[batch]

  // What the caller gets.
  float *logits = call->outputs[0];  // f32[batch, drafts, 283]

  // What is remembered from call to call.
  int32_t *lengths = call->states[0];  // i32[batch]
  char *pool = call->pools[0];         // pages of all positions
  const int32_t *table = call->tables[0];
  const int64_t table_stride = call->table_stride;

  #pragma omp parallel
  {
    extent_i32(drafts, extent);
    fill_i32(batch, extent, default_counts);
    iota_i32(batch, drafts, positions);
    add_i32(batch, drafts, lengths, positions, sum);
    add_i32_2(batch, lengths, counts, sum_2);

    // embeddings
    embedding_packed_32_20(batch * drafts, 283, w->embeddings_table, input_ids, embedded);
    embedding_20(batch * drafts, 103, w->embeddings_table_2, sum, embedded_2);
    add_norm_layer_20(batch * drafts, embedded, embedded_2, w->embeddings_normed_scale,
                      w->embeddings_normed_bias, normed, normed_2);

    // layer 0: attention
    linear_20x60_bias(batch * drafts, normed_2, w->layer_0_attention_projected_weight,
                      w->layer_0_attention_projected_bias, projected);
    append_keys_4x5(batch, drafts, drafts * 60, projected + 20, lengths, counts, pool, table,
                    table_stride, 0);
    append_values_4x5(batch, drafts, drafts * 60, projected + 40, lengths, counts, pool, table,
                      table_stride, 5120);
    attention_4x5_lengths_causal(batch, drafts, context, drafts * 60, projected, 0, 5120, sum_2,
                                 lengths, attended, pool, table, table_stride, scratch);
    linear_20x20_bias_residual(batch * drafts, attended, w->layer_0_attention_summed_weight,
                               w->layer_0_attention_summed_bias, normed, summed);

    // layer 0: feed forward
    norm_layer_20(batch * drafts, summed, w->layer_0_feed_forward_normed_scale,
                  w->layer_0_feed_forward_normed_bias, normed);
    linear_20x80_bias_gelu_tanh(batch * drafts, normed, w->layer_0_feed_forward_activated_weight,
                                w->layer_0_feed_forward_activated_bias, activated);
    linear_80x20_bias_residual(batch * drafts, activated, w->layer_0_feed_forward_summed_weight,
                               w->layer_0_feed_forward_summed_bias, summed, summed_2);

    // layer 1: attention
    norm_layer_20(batch * drafts, summed_2, w->layer_1_attention_normed_scale,
                  w->layer_1_attention_normed_bias, normed_3);
    linear_20x60_bias(batch * drafts, normed_3, w->layer_1_attention_projected_weight,
                      w->layer_1_attention_projected_bias, projected);
    append_keys_4x5(batch, drafts, drafts * 60, projected + 20, lengths, counts, pool, table,
                    table_stride, 10240);
    append_values_4x5(batch, drafts, drafts * 60, projected + 40, lengths, counts, pool, table,
                      table_stride, 15360);
    attention_4x5_lengths_causal(batch, drafts, context, drafts * 60, projected, 10240, 15360,
                                 sum_2, lengths, attended, pool, table, table_stride, scratch);
    linear_20x20_bias_residual(batch * drafts, attended, w->layer_1_attention_summed_weight,
                               w->layer_1_attention_summed_bias, summed_2, summed);

    // layer 1: feed forward
    norm_layer_20(batch * drafts, summed, w->layer_1_feed_forward_normed_scale,
                  w->layer_1_feed_forward_normed_bias, normed);
    linear_20x80_bias_gelu_tanh(batch * drafts, normed, w->layer_1_feed_forward_activated_weight,
                                w->layer_1_feed_forward_activated_bias, activated);
    linear_80x20_bias_residual(batch * drafts, activated, w->layer_1_feed_forward_summed_weight,
                               w->layer_1_feed_forward_summed_bias, summed, summed_2);

    // head
    norm_layer_20(batch * drafts, summed_2, w->head_normed_scale, w->head_normed_bias, normed_3);
    linear_20x283(batch * drafts, normed_3, w->embeddings_table, logits);

    // states
    copy_i32(batch, sum_2, lengths);
  }
}

// forward, inputs: name, type, rank, extents (which symbol, at most), whether it may be left out,
// least and greatest value.
static const struct burin_port run_forward_inputs[] = {
  {"input_ids", BURIN_I32, 2, {{0, 32}, {3, 103}}, 0, 0, 282},
  {"attention_mask", BURIN_I32, 2, {{0, 32}, {3, 103}}, 1, INT32_MIN, INT32_MAX},
  {"position_ids", BURIN_I32, 2, {{0, 32}, {3, 103}}, 1, 0, 102},
};

// forward, outputs.
static const struct burin_port run_forward_outputs[] = {
  {"logits", BURIN_F32, 3, {{0, 32}, {3, 103}, {BURIN_FIXED, 283}}, 0, 0, 0},
};

// The extents of all inputs, then of all outputs.
static void run_forward_extents(const int64_t *symbols, int64_t *extents) {
  const int64_t batch = symbols[0];
  const int64_t seq = symbols[3];
  // input_ids
  extents[0] = batch;
  extents[1] = seq;
  // attention_mask
  extents[2] = batch;
  extents[3] = seq;
  // position_ids
  extents[4] = batch;
  extents[5] = seq;
  // logits
  extents[6] = batch;
  extents[7] = seq;
  extents[8] = 283;
}

// Bytes of each slot: the most that its buffers need.
static void run_forward_slots(const int64_t *symbols, int64_t *bytes) {
  const int64_t batch = symbols[0];
  const int64_t seq = symbols[3];
  bytes[0] = batch * seq * 4;
  bytes[1] = batch * seq * 80;
  bytes[2] = batch * seq * 240;
  bytes[3] = batch * seq * 80;
  bytes[4] = batch * ((seq + 63) / 64) * 21504;
  if (bytes[4] < batch * seq * 320) {
    bytes[4] = batch * seq * 320;
  }
}

// step, inputs: name, type, rank, extents (which symbol, at most), whether it may be left out,
// least and greatest value.
static const struct burin_port run_step_inputs[] = {
  {"input_ids", BURIN_I32, 2, {{0, 32}, {3, 103}}, 0, 0, 282},
  {"counts", BURIN_I32, 1, {{0, 32}}, 1, INT32_MIN, INT32_MAX},
};

// step, outputs.
static const struct burin_port run_step_outputs[] = {
  {"logits", BURIN_F32, 2, {{0, 32}, {BURIN_FIXED, 283}}, 0, 0, 0},
};

// The extents of all inputs, then of all outputs.
static void run_step_extents(const int64_t *symbols, int64_t *extents) {
  const int64_t batch = symbols[0];
  const int64_t seq = symbols[3];
  // input_ids
  extents[0] = batch;
  extents[1] = seq;
  // counts
  extents[2] = batch;
  // logits
  extents[3] = batch;
  extents[4] = 283;
}

// Bytes of each slot: the most that its buffers need.
static void run_step_slots(const int64_t *symbols, int64_t *bytes) {
  const int64_t batch = symbols[0];
  const int64_t context = symbols[1];
  const int64_t seq = symbols[3];
  bytes[0] = batch * seq * 4;
  bytes[1] = batch * 4;
  bytes[2] = batch * seq * 80;
  bytes[3] = batch * seq * 320;
  bytes[4] = batch * seq * 80;
  bytes[5] = batch * seq * 80;
  if (bytes[5] < batch * ((context + 255) / 256) * 8192) {
    bytes[5] = batch * ((context + 255) / 256) * 8192;
  }
}

// verify, inputs: name, type, rank, extents (which symbol, at most), whether it may be left out,
// least and greatest value.
static const struct burin_port run_verify_inputs[] = {
  {"input_ids", BURIN_I32, 2, {{0, 32}, {2, 16}}, 0, 0, 282},
  {"counts", BURIN_I32, 1, {{0, 32}}, 1, INT32_MIN, INT32_MAX},
};

// verify, outputs.
static const struct burin_port run_verify_outputs[] = {
  {"logits", BURIN_F32, 3, {{0, 32}, {2, 16}, {BURIN_FIXED, 283}}, 0, 0, 0},
};

// The extents of all inputs, then of all outputs.
static void run_verify_extents(const int64_t *symbols, int64_t *extents) {
  const int64_t batch = symbols[0];
  const int64_t drafts = symbols[2];
  // input_ids
  extents[0] = batch;
  extents[1] = drafts;
  // counts
  extents[2] = batch;
  // logits
  extents[3] = batch;
  extents[4] = drafts;
  extents[5] = 283;
}

// Bytes of each slot: the most that its buffers need.
static void run_verify_slots(const int64_t *symbols, int64_t *bytes) {
  const int64_t batch = symbols[0];
  const int64_t context = symbols[1];
  const int64_t drafts = symbols[2];
  bytes[0] = batch * drafts * 4;
  bytes[1] = batch * 4;
  bytes[2] = batch * drafts * 80;
  bytes[3] = batch * drafts * 240;
  bytes[4] = batch * drafts * 80;
  bytes[5] = batch * ((context + 255) / 256) * 8192;
  if (bytes[5] < batch * drafts * 320) {
    bytes[5] = batch * drafts * 320;
  }
}

// What is remembered: name, and whether each sequence of a batch has a part of its own.
static const struct burin_state states[] = {
  {"lengths", 1},
};

// Bytes of what is remembered.
static void state_bytes(const int64_t *symbols, int64_t *bytes) {
  const int64_t batch = symbols[0];
  bytes[0] = batch * 4;
}

// Pages: bytes of each, and how many positions are looked back at (0: all).
static const struct burin_cache caches[] = {
  {20480, 0},
};

// What changes from call to call, and its maximum.
static const struct burin_symbol program_symbols[] = {
  {"batch", 32},
  {"context", 103},
  {"drafts", 16},
  {"seq", 103},
};

static const struct burin_entry entries[] = {
  {.name = "forward", .input_count = 3, .output_count = 1, .inputs = run_forward_inputs,
   .outputs = run_forward_outputs},
  {.name = "step", .input_count = 2, .output_count = 1, .inputs = run_step_inputs,
   .outputs = run_step_outputs},
  {.name = "verify", .input_count = 2, .output_count = 1, .inputs = run_verify_inputs,
   .outputs = run_verify_outputs},
};

static const struct burin_code code[] = {
  {.extents = run_forward_extents, .slot_count = 5, .slots = run_forward_slots, .appended = -1,
   .run = run_forward},
  {.extents = run_step_extents, .slot_count = 6, .slots = run_step_slots, .appended = 3,
   .run = run_step},
  {.extents = run_verify_extents, .slot_count = 6, .slots = run_verify_slots, .appended = 2,
   .run = run_verify},
};

// What this library is: see program.h.
const struct burin_program burin_program = {
  .abi = BURIN_ABI,
  .name = "gpt2-lm",
  .symbol_count = 4,
  .symbols = program_symbols,
  .entry_count = 3,
  .entries = entries,
  .code = code,
  .weights_bytes = sizeof(weights_block),
  .state_count = 1,
  .states = states,
  .state_bytes = state_bytes,
  .cache_count = 1,
  .caches = caches,
  .lengths = 0,
  .batch = 0,
  .context = 1,
};
