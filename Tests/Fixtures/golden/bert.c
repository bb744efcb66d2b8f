// bert, compiled by Burin for x86-64-v3.
// Passes: fold-constants, fuse-activations, fuse-attention, fold-transposes, fuse-linear,
// fuse-normalization, fuse-projections, keep-narrow-weights, pack-weights, tile-matmuls.
// forward: input_ids i32[batch, seq], attention_mask i32[batch, seq], token_type_ids i32[batch,
// seq], position_ids i32[batch, seq] -> last_hidden_state f32[batch, seq, 36], pooler_output
// f32[batch, 36].
// batch is 1 to 32.
// seq is 1 to 67.
// Build:
//   clang -std=gnu17 -O2 -ffp-contract=on -fno-math-errno -fPIC -fvisibility=hidden -Wall -Wextra -fopenmp -march=x86-64-v3 -shared -Wl,--version-script=burin.map -Wl,--build-id=sha1 -Wl,--as-needed -Wl,-z,now *.c -lm -o model.so

#include "attention.h"
#include "share.h"
#include "tile.h"
#include "vector_math.h"
#include "vectors.h"
#include "program.h"

// The packed weights, as they lie in the library's file.
typedef struct {
  float embeddings_table[3648];                       // f32[101, 36]
  float embeddings_table_2[80];                       // f32[2, 36]
  float embeddings_table_3[2416];                     // f32[67, 36]
  float embeddings_normed_scale[48];                  // f32[36]
  float embeddings_normed_bias[48];                   // f32[36]
  float layer_0_attention_projected_weight[4608];     // f32[4, 36, 32]
  float layer_0_attention_projected_bias[112];        // f32[108]
  float layer_0_attention_summed_weight[2304];        // f32[2, 36, 32]
  float layer_0_attention_summed_bias[48];            // f32[36]
  float layer_0_attention_normed_scale[48];           // f32[36]
  float layer_0_attention_normed_bias[48];            // f32[36]
  float layer_0_feed_forward_activated_weight[2304];  // f32[2, 36, 32]
  float layer_0_feed_forward_activated_bias[64];      // f32[52]
  float layer_0_feed_forward_summed_weight[3328];     // f32[2, 52, 32]
  float layer_0_feed_forward_summed_bias[48];         // f32[36]
  float layer_0_feed_forward_normed_scale[48];        // f32[36]
  float layer_0_feed_forward_normed_bias[48];         // f32[36]
  float layer_1_attention_projected_weight[4608];     // f32[4, 36, 32]
  float layer_1_attention_projected_bias[112];        // f32[108]
  float layer_1_attention_summed_weight[2304];        // f32[2, 36, 32]
  float layer_1_attention_summed_bias[48];            // f32[36]
  float layer_1_attention_normed_scale[48];           // f32[36]
  float layer_1_attention_normed_bias[48];            // f32[36]
  float layer_1_feed_forward_activated_weight[2304];  // f32[2, 36, 32]
  float layer_1_feed_forward_activated_bias[64];      // f32[52]
  float layer_1_feed_forward_summed_weight[3328];     // f32[2, 52, 32]
  float layer_1_feed_forward_summed_bias[48];         // f32[36]
  float layer_1_feed_forward_normed_scale[48];        // f32[36]
  float layer_1_feed_forward_normed_bias[48];         // f32[36]
  float pooler_activated_weight[2304];                // f32[2, 36, 32]
  float pooler_activated_bias[48];                    // f32[36]
} weights_block;

static const int32_t constant_1[1] = {1};  // i32[]
static const int32_t constant_0[1] = {0};  // i32[]

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

// embedding(f32[101, 36], indices: i32[batch, seq], rows: 101) : f32[batch, seq, 36]
static void embedding_36(
    int64_t tokens,
    int64_t rows,
    const float *restrict table,      // [rows, 36]
    const int32_t *restrict indices,  // [tokens]
    float *restrict out) {            // [tokens, 36]
  #pragma omp for schedule(static)
  for (int64_t token = 0; token < tokens; token++) {
    const float *row = table + larger(0, smaller(indices[token], rows - 1)) * 36;
    float *out_row = out + token * 36;
    for (int64_t column = 0; column < 36; column++) {
      out_row[column] = row[column];
    }
  }
}

// add(f32[batch, seq, 36], f32[batch, seq, 36]) : f32[batch, seq, 36]
static void add_f32(
    int64_t count,
    const float *restrict x,  // [count]
    const float *restrict y,  // [count]
    float *restrict out) {    // [count]
  #pragma omp for schedule(static)
  for (int64_t i = 0; i < count; i++) {
    out[i] = x[i] + y[i];
  }
}

// add_norm(f32[batch, seq, 36], residual: f32[batch, seq, 36], layer, scale: f32[36], bias:
// f32[36], epsilon: 1e-12) : (f32[batch, seq, 36], f32[batch, seq, 36])
static void add_norm_layer_36(
    int64_t rows,
    const float *restrict x,         // [rows, 36]
    const float *restrict residual,  // [rows, 36]
    const float *restrict scale,     // [36]
    const float *restrict bias,      // [36]
    float *restrict sum,             // [rows, 36]
    float *restrict out) {           // [rows, 36]
  #pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const float *x_row = x + row * 36;
    const float *residual_row = residual + row * 36;
    float *sum_row = sum + row * 36;
    float *out_row = out + row * 36;
    f32x16 sums = vector_splat(0.0f);
    for (int64_t column = 0; column < 36; column += 16) {
      const int64_t left = 36 - column;
      const f32x16 values =
          vector_load_first(x_row + column, left) + vector_load_first(residual_row + column, left);
      vector_store_first(sum_row + column, values, left);
      sums += values;
    }
    const float mean = vector_sum(sums) / 36.0f;
    f32x16 squares = vector_splat(0.0f);
    for (int64_t column = 0; column < 36; column += 16) {
      const int64_t left = 36 - column;
      f32x16 centred = vector_load_first(sum_row + column, left) - mean;
      centred = vector_select(vector_lanes() < (int32_t)left, centred, vector_splat(0.0f));
      squares += centred * centred;
    }
    const float variance = vector_sum(squares) / 36.0f;
    const float inverse_deviation = 1.0f / __builtin_sqrtf(variance + 1e-12f);
    for (int64_t column = 0; column < 36; column += 16) {
      const int64_t left = 36 - column;
      vector_store_first(out_row + column,
                         (vector_load_first(sum_row + column, left) - mean) * inverse_deviation *
                         vector_load_first(scale + column, left) +
                         vector_load_first(bias + column, left), left);
    }
  }
}

// linear(f32[batch, seq, 36], weight: f32[4, 36, 32], bias: f32[108], columns: 108) tile: rows 4096
// : f32[batch, seq, 108]
static void linear_36x108_bias(
    int64_t rows,
    const float *restrict x,        // [rows, 36]
    const float *restrict weights,  // [4, 36, 32]
    const float *restrict bias,     // [108]
    float *restrict out) {          // [rows, 108]
  for (int64_t block = 0; block < rows; block += 4096) {
    const int64_t end = smaller(block + 4096, rows);
    // Panels times tiles; each thread takes a run of them, and helps the others at the end.
    const int64_t tiles = (end - block + (TILE_ROWS - 1)) / TILE_ROWS;
    Share share = share_begin(4 * tiles, 512);
    while (share_take(&share)) {
      for (int64_t item = share.first; item < share.end; item++) {
        const int64_t panel = item / tiles * 32;
        const int64_t row = block + item % tiles * TILE_ROWS;
        const int height = (int)smaller(TILE_ROWS, end - row);
        float sums[TILE_ROWS][32] __attribute__((aligned(64)));
        tile_product(height, 32, 36, x + row * 36, 36, weights + panel * 36, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 108); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 108 - column);
            vector_store_first(out + (row + r) * 108 + column, value, 108 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// A few rows against the keys of one chunk: their largest scores, their sums of weights and their
// weighted values.
static void attention_3x12_padding_chunk(
    int height,
    const float *query,  // [height, 12]
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
  attention_scores(height, 12, query, chunk, span, weights[0]);

  // Each row's largest score in this chunk, then the weights against it.
  const int64_t begin = span.first / 16 * 16;  // whole vectors
  const int64_t end = (span.last + 15) / 16 * 16;
  const float factor = 0.4164702f;  // scale * log2(e)
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

// attention(query: f32[batch, seq, 3, 12], key: f32[batch, seq, 3, 12], value: f32[batch, seq, 3,
// 12], scale: 0.2886751345948129, masks: [padding(i32[batch, seq])]) tile: queries 64 : f32[batch,
// seq, 3, 12]
static void attention_3x12_padding(
    int64_t batch,
    int64_t queries,
    int64_t keys,
    int64_t q_sequence_stride,
    int64_t k_sequence_stride,
    int64_t v_sequence_stride,
    int64_t padding_stride,
    const float *restrict q,          // [batch, queries, 3, 12]
    const float *restrict k,          // [batch, keys, 3, 12]
    const float *restrict v,          // [batch, keys, 3, 12]
    const int32_t *restrict padding,  // [batch, keys], 0: no key
    float *restrict out,              // [batch, queries, 3, 12]
    char *workspace) {
  const int64_t pages = (keys + 63) / 64;
  float *k_pages = (float *)workspace;              // [batch, 3, pages, 12, 64]
  float *v_pages = k_pages + batch * pages * 2304;  // [batch, 3, pages, 64, 16]

  // Keys and values into pages.
  #pragma omp for collapse(3) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t page = 0; page < pages; page++) {
      for (int64_t head = 0; head < 3; head++) {
        page_keys(k_pages + ((sequence * 3 + head) * pages + page) * 768,
                  k + sequence * k_sequence_stride + page * 6912 + head * 12, 108, keys - page * 64,
                  12);
        page_values(v_pages + ((sequence * 3 + head) * pages + page) * 1024, 16,
                    v + sequence * v_sequence_stride + page * 6912 + head * 12, 108,
                    keys - page * 64, 12);
      }
    }
  }

  const int64_t blocks = (queries + 63) / 64;
  #pragma omp for collapse(3) schedule(static)
  for (int64_t sequence = 0; sequence < batch; sequence++) {
    for (int64_t head = 0; head < 3; head++) {
      for (int64_t index = 0; index < blocks; index++) {
        const int64_t block = attention_block(index, blocks) * 64;
        const int count = (int)smaller(64, queries - block);
        AttentionRow rows[64];
        float query_rows[64][12] __attribute__((aligned(64)));
        float gathered[64][16] __attribute__((aligned(64)));
        const KeyRange padded = attention_padding(padding + sequence * padding_stride, keys);
        const int has_gaps = attention_gaps(padding + sequence * padding_stride, padded);
        for (int64_t r = 0; r < count; r++) {
          const int64_t query = block + r;
          AttentionRow *row = rows + r;
          attention_begin(row, gathered[r], 16);
          row->first = larger(0, padded.first);
          row->last = smaller(keys, padded.last);
          copy_row(query_rows[r], q + sequence * q_sequence_stride + query * 108 + head * 12, 12);
        }
        KeyRange span = attention_span(rows, count);
        for (int64_t start = span.first / 256 * 256; start < span.last; start += 256) {
          Chunk chunk;
          chunk.start = start;
          for (int i = 0; i < CHUNK_PAGES; i++) {
            const int64_t page = smaller(start / 64 + i, pages - 1);
            chunk.keys[i] = k_pages + ((sequence * 3 + head) * pages + page) * 768;
            chunk.values[i] = v_pages + ((sequence * 3 + head) * pages + page) * 1024;
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
            attention_3x12_padding_chunk(height, query_rows[r], rows + r, &chunk, maximum, sum,
                                         added[0]);
            for (int64_t row = 0; row < height; row++) {
              attention_merge(rows + (r + row), gathered[r + row], maximum[row], sum[row],
                              added[row], 16);
            }
          }
        }
        for (int64_t r = 0; r < count; r++) {
          const int64_t query = block + r;
          attention_finish(out + ((sequence * queries + query) * 3 + head) * 12, gathered[r],
                           rows + r, 12);
        }
      }
    }
  }
}

// linear(f32[batch, seq, 36], weight: f32[2, 36, 32], bias: f32[36], residual: f32[batch, seq, 36],
// columns: 36) tile: rows 4096 : f32[batch, seq, 36]
static void linear_36x36_bias_residual(
    int64_t rows,
    const float *restrict x,         // [rows, 36]
    const float *restrict weights,   // [2, 36, 32]
    const float *restrict bias,      // [36]
    const float *restrict residual,  // [rows, 36]
    float *restrict out) {           // [rows, 36]
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
        tile_product(height, 32, 36, x + row * 36, 36, weights + panel * 36, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 36); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 36 - column);
            value += vector_load_first(residual + (row + r) * 36 + column, 36 - column);
            vector_store_first(out + (row + r) * 36 + column, value, 36 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// norm(f32[batch, seq, 36], layer, scale: f32[36], bias: f32[36], epsilon: 1e-12) : f32[batch, seq,
// 36]
static void norm_layer_36(
    int64_t rows,
    const float *restrict x,      // [rows, 36]
    const float *restrict scale,  // [36]
    const float *restrict bias,   // [36]
    float *restrict out) {        // [rows, 36]
  #pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const float *x_row = x + row * 36;
    float *out_row = out + row * 36;
    f32x16 sums = vector_splat(0.0f);
    for (int64_t column = 0; column < 36; column += 16) {
      const int64_t left = 36 - column;
      sums += vector_load_first(x_row + column, left);
    }
    const float mean = vector_sum(sums) / 36.0f;
    f32x16 squares = vector_splat(0.0f);
    for (int64_t column = 0; column < 36; column += 16) {
      const int64_t left = 36 - column;
      f32x16 centred = vector_load_first(x_row + column, left) - mean;
      centred = vector_select(vector_lanes() < (int32_t)left, centred, vector_splat(0.0f));
      squares += centred * centred;
    }
    const float variance = vector_sum(squares) / 36.0f;
    const float inverse_deviation = 1.0f / __builtin_sqrtf(variance + 1e-12f);
    for (int64_t column = 0; column < 36; column += 16) {
      const int64_t left = 36 - column;
      vector_store_first(out_row + column,
                         (vector_load_first(x_row + column, left) - mean) * inverse_deviation *
                         vector_load_first(scale + column, left) +
                         vector_load_first(bias + column, left), left);
    }
  }
}

// linear(f32[batch, seq, 36], weight: f32[2, 36, 32], bias: f32[52], gelu, columns: 52) tile: rows
// 4096 : f32[batch, seq, 52]
static void linear_36x52_bias_gelu(
    int64_t rows,
    const float *restrict x,        // [rows, 36]
    const float *restrict weights,  // [2, 36, 32]
    const float *restrict bias,     // [52]
    float *restrict out) {          // [rows, 52]
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
        tile_product(height, 32, 36, x + row * 36, 36, weights + panel * 36, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 52); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 52 - column);
            value = vector_gelu(value);
            vector_store_first(out + (row + r) * 52 + column, value, 52 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// linear(f32[batch, seq, 52], weight: f32[2, 52, 32], bias: f32[36], residual: f32[batch, seq, 36],
// columns: 36) tile: rows 4096 : f32[batch, seq, 36]
static void linear_52x36_bias_residual(
    int64_t rows,
    const float *restrict x,         // [rows, 52]
    const float *restrict weights,   // [2, 52, 32]
    const float *restrict bias,      // [36]
    const float *restrict residual,  // [rows, 36]
    float *restrict out) {           // [rows, 36]
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
        tile_product(height, 32, 52, x + row * 52, 52, weights + panel * 52, 32, sums[0], 32,
                     TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 36); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 36 - column);
            value += vector_load_first(residual + (row + r) * 36 + column, 36 - column);
            vector_store_first(out + (row + r) * 36 + column, value, 36 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// linear(f32[batch, 36], weight: f32[2, 36, 32], bias: f32[36], tanh, columns: 36) tile: rows 4096
// : f32[batch, 36]
static void linear_36x36_bias_tanh(
    int64_t rows,
    int64_t x_stride,
    const float *restrict x,        // [rows, 36]
    const float *restrict weights,  // [2, 36, 32]
    const float *restrict bias,     // [36]
    float *restrict out) {          // [rows, 36]
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
        tile_product(height, 32, 36, x + row * x_stride, x_stride, weights + panel * 36, 32,
                     sums[0], 32, TILE_FROM_ZERO);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t column = panel; column < smaller(panel + 32, 36); column += 16) {
            f32x16 value = vector_load(sums[r] + column % 32);
            value += vector_load_first(bias + column, 36 - column);
            value = vector_tanh(value);
            vector_store_first(out + (row + r) * 36 + column, value, 36 - column);
          }
        }
      }
    }
    #pragma omp barrier
  }
}

// forward: everything that runs, in order; kernels share out their work.
static void run_forward(const struct burin_call *call) {
  const int64_t batch = call->symbols[0];
  const int64_t seq = call->symbols[1];
  const weights_block *w = (const weights_block *)call->weights;

  // Memory for values, reused as soon as one is dead.
  int32_t *default_attention_mask = (int32_t *)call->slots[0];  // i32[batch, seq]
  int32_t *default_token_type_ids = (int32_t *)call->slots[1];  // i32[batch, seq]
  int32_t *positions = (int32_t *)call->slots[2];               // i32[batch, seq]
  float *embedded = (float *)call->slots[3];                    // f32[batch, seq, 36]
  float *embedded_2 = (float *)call->slots[4];                  // f32[batch, seq, 36]
  float *sum = (float *)call->slots[1];                         // f32[batch, seq, 36]
  float *normed = (float *)call->slots[4];                      // f32[batch, seq, 36]
  float *normed_2 = (float *)call->slots[2];                    // f32[batch, seq, 36]
  float *projected = (float *)call->slots[1];                   // f32[batch, seq, 108]
  float *attended = (float *)call->slots[3];                    // f32[batch, seq, 3, 12]
  char *scratch = call->slots[4];                               // what a kernel needs for itself
  float *summed = (float *)call->slots[1];                      // f32[batch, seq, 36]
  float *activated = (float *)call->slots[1];                   // f32[batch, seq, 52]
  float *summed_2 = (float *)call->slots[3];                    // f32[batch, seq, 36]

  // What the caller gives, or what stands for it.
  const int32_t *input_ids = call->inputs[0];                                   // i32[batch, seq]
  // i32[batch, seq]
  const int32_t *attention_mask = call->inputs[1] ? call->inputs[1] : default_attention_mask;
  // i32[batch, seq]
  const int32_t *token_type_ids = call->inputs[2] ? call->inputs[2] : default_token_type_ids;
  const int32_t *position_ids = call->inputs[3] ? call->inputs[3] : positions;  // i32[batch, seq]

  // What the caller gets.
  float *last_hidden_state = call->outputs[0];  // f32[batch, seq, 36]
  float *pooler_output = call->outputs[1];      // f32[batch, 36]

  #pragma omp parallel
  {
    fill_i32(batch * seq, constant_1, default_attention_mask);
    fill_i32(batch * seq, constant_0, default_token_type_ids);

    // positions
    iota_i32(batch, seq, positions);

    // embeddings
    embedding_36(batch * seq, 101, w->embeddings_table, input_ids, embedded);
    embedding_36(batch * seq, 2, w->embeddings_table_2, token_type_ids, embedded_2);
    add_f32(batch * seq * 36, embedded, embedded_2, sum);
    embedding_36(batch * seq, 67, w->embeddings_table_3, position_ids, embedded);
    add_norm_layer_36(batch * seq, sum, embedded, w->embeddings_normed_scale,
                      w->embeddings_normed_bias, normed, normed_2);

    // layer 0: attention
    linear_36x108_bias(batch * seq, normed_2, w->layer_0_attention_projected_weight,
                       w->layer_0_attention_projected_bias, projected);
    attention_3x12_padding(batch, seq, seq, seq * 108, seq * 108, seq * 108, seq, projected,
                           projected + 36, projected + 72, attention_mask, attended, scratch);
    linear_36x36_bias_residual(batch * seq, attended, w->layer_0_attention_summed_weight,
                               w->layer_0_attention_summed_bias, normed_2, summed);
    norm_layer_36(batch * seq, summed, w->layer_0_attention_normed_scale,
                  w->layer_0_attention_normed_bias, normed_2);

    // layer 0: feed forward
    linear_36x52_bias_gelu(batch * seq, normed_2, w->layer_0_feed_forward_activated_weight,
                           w->layer_0_feed_forward_activated_bias, activated);
    linear_52x36_bias_residual(batch * seq, activated, w->layer_0_feed_forward_summed_weight,
                               w->layer_0_feed_forward_summed_bias, normed_2, summed_2);
    norm_layer_36(batch * seq, summed_2, w->layer_0_feed_forward_normed_scale,
                  w->layer_0_feed_forward_normed_bias, normed_2);

    // layer 1: attention
    linear_36x108_bias(batch * seq, normed_2, w->layer_1_attention_projected_weight,
                       w->layer_1_attention_projected_bias, projected);
    attention_3x12_padding(batch, seq, seq, seq * 108, seq * 108, seq * 108, seq, projected,
                           projected + 36, projected + 72, attention_mask, attended, scratch);
    linear_36x36_bias_residual(batch * seq, attended, w->layer_1_attention_summed_weight,
                               w->layer_1_attention_summed_bias, normed_2, summed);
    norm_layer_36(batch * seq, summed, w->layer_1_attention_normed_scale,
                  w->layer_1_attention_normed_bias, normed_2);

    // layer 1: feed forward
    linear_36x52_bias_gelu(batch * seq, normed_2, w->layer_1_feed_forward_activated_weight,
                           w->layer_1_feed_forward_activated_bias, activated);
    linear_52x36_bias_residual(batch * seq, activated, w->layer_1_feed_forward_summed_weight,
                               w->layer_1_feed_forward_summed_bias, normed_2, summed_2);
    norm_layer_36(batch * seq, summed_2, w->layer_1_feed_forward_normed_scale,
                  w->layer_1_feed_forward_normed_bias, last_hidden_state);

    // pooler
    linear_36x36_bias_tanh(batch, seq * 36, last_hidden_state, w->pooler_activated_weight,
                           w->pooler_activated_bias, pooler_output);
  }
}

// forward, inputs: name, type, rank, extents (which symbol, at most), whether it may be left out,
// least and greatest value.
static const struct burin_port run_forward_inputs[] = {
  {"input_ids", BURIN_I32, 2, {{0, 32}, {1, 67}}, 0, 0, 100},
  {"attention_mask", BURIN_I32, 2, {{0, 32}, {1, 67}}, 1, INT32_MIN, INT32_MAX},
  {"token_type_ids", BURIN_I32, 2, {{0, 32}, {1, 67}}, 1, 0, 1},
  {"position_ids", BURIN_I32, 2, {{0, 32}, {1, 67}}, 1, 0, 66},
};

// forward, outputs.
static const struct burin_port run_forward_outputs[] = {
  {"last_hidden_state", BURIN_F32, 3, {{0, 32}, {1, 67}, {BURIN_FIXED, 36}}, 0, 0, 0},
  {"pooler_output", BURIN_F32, 2, {{0, 32}, {BURIN_FIXED, 36}}, 0, 0, 0},
};

// The extents of all inputs, then of all outputs.
static void run_forward_extents(const int64_t *symbols, int64_t *extents) {
  const int64_t batch = symbols[0];
  const int64_t seq = symbols[1];
  // input_ids
  extents[0] = batch;
  extents[1] = seq;
  // attention_mask
  extents[2] = batch;
  extents[3] = seq;
  // token_type_ids
  extents[4] = batch;
  extents[5] = seq;
  // position_ids
  extents[6] = batch;
  extents[7] = seq;
  // last_hidden_state
  extents[8] = batch;
  extents[9] = seq;
  extents[10] = 36;
  // pooler_output
  extents[11] = batch;
  extents[12] = 36;
}

// Bytes of each slot: the most that its buffers need.
static void run_forward_slots(const int64_t *symbols, int64_t *bytes) {
  const int64_t batch = symbols[0];
  const int64_t seq = symbols[1];
  bytes[0] = batch * seq * 4;
  bytes[1] = batch * seq * 432;
  bytes[2] = batch * seq * 144;
  bytes[3] = batch * seq * 144;
  bytes[4] = batch * seq * 144;
  if (bytes[4] < batch * ((seq + 63) / 64) * 21504) {
    bytes[4] = batch * ((seq + 63) / 64) * 21504;
  }
}

// What changes from call to call, and its maximum.
static const struct burin_symbol program_symbols[] = {
  {"batch", 32},
  {"seq", 67},
};

static const struct burin_entry entries[] = {
  {.name = "forward", .input_count = 4, .output_count = 2, .inputs = run_forward_inputs,
   .outputs = run_forward_outputs},
};

static const struct burin_code code[] = {
  {.extents = run_forward_extents, .slot_count = 5, .slots = run_forward_slots, .appended = -1,
   .run = run_forward},
};

// What this library is: see program.h.
const struct burin_program burin_program = {
  .abi = BURIN_ABI,
  .name = "bert",
  .symbol_count = 2,
  .symbols = program_symbols,
  .entry_count = 1,
  .entries = entries,
  .code = code,
  .weights_bytes = sizeof(weights_block),
  .lengths = -1,
  .batch = -1,
  .context = -1,
};
