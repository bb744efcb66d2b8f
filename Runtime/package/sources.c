/* sources.c: carries every file of the runtime inside the compiler. */
#include "CBurin.h"

/* To add a file, give it a line here and one in the table below. */
static const unsigned char burin_h[] = {
#embed "../include/burin.h"
};
static const unsigned char attention_h[] = {
#embed "../kernels/attention.h"
};
static const unsigned char attention_bf16_h[] = {
#embed "../kernels/attention_bf16.h"
};
static const unsigned char bf16_h[] = {
#embed "../kernels/bf16.h"
};
static const unsigned char blocks_h[] = {
#embed "../kernels/blocks.h"
};
static const unsigned char experts_h[] = {
#embed "../kernels/experts.h"
};
static const unsigned char f16_h[] = {
#embed "../kernels/f16.h"
};
static const unsigned char integers_h[] = {
#embed "../kernels/integers.h"
};
static const unsigned char laps_h[] = {
#embed "../kernels/laps.h"
};
static const unsigned char pages_h[] = {
#embed "../kernels/pages.h"
};
static const unsigned char share_h[] = {
#embed "../kernels/share.h"
};
static const unsigned char tile_h[] = {
#embed "../kernels/tile.h"
};
static const unsigned char tile_bf16_h[] = {
#embed "../kernels/tile_bf16.h"
};
static const unsigned char tile_f16_h[] = {
#embed "../kernels/tile_f16.h"
};
static const unsigned char tile_r8_h[] = {
#embed "../kernels/tile_r8.h"
};
static const unsigned char tile_w4_h[] = {
#embed "../kernels/tile_w4.h"
};
static const unsigned char tile_w8_h[] = {
#embed "../kernels/tile_w8.h"
};
static const unsigned char vector_math_h[] = {
#embed "../kernels/vector_math.h"
};
static const unsigned char vectors_h[] = {
#embed "../kernels/vectors.h"
};
static const unsigned char program_h[] = {
#embed "../library/program.h"
};
static const unsigned char library_h[] = {
#embed "../library/library.h"
};
static const unsigned char format_h[] = {
#embed "../library/format.h"
};
static const unsigned char checksum_h[] = {
#embed "../library/checksum.h"
};
static const unsigned char burin_map[] = {
#embed "../library/burin.map"
};
static const unsigned char file_c[] = {
#embed "../library/file.c"
};
static const unsigned char run_c[] = {
#embed "../library/run.c"
};
static const unsigned char sequences_c[] = {
#embed "../library/sequences.c"
};
static const unsigned char session_c[] = {
#embed "../library/session.c"
};

static const struct burin_source sources[] = {
    {"burin.h", burin_h, sizeof burin_h},
    {"attention.h", attention_h, sizeof attention_h},
    {"attention_bf16.h", attention_bf16_h, sizeof attention_bf16_h},
    {"bf16.h", bf16_h, sizeof bf16_h},
    {"blocks.h", blocks_h, sizeof blocks_h},
    {"experts.h", experts_h, sizeof experts_h},
    {"f16.h", f16_h, sizeof f16_h},
    {"integers.h", integers_h, sizeof integers_h},
    {"laps.h", laps_h, sizeof laps_h},
    {"pages.h", pages_h, sizeof pages_h},
    {"share.h", share_h, sizeof share_h},
    {"tile.h", tile_h, sizeof tile_h},
    {"tile_bf16.h", tile_bf16_h, sizeof tile_bf16_h},
    {"tile_f16.h", tile_f16_h, sizeof tile_f16_h},
    {"tile_r8.h", tile_r8_h, sizeof tile_r8_h},
    {"tile_w4.h", tile_w4_h, sizeof tile_w4_h},
    {"tile_w8.h", tile_w8_h, sizeof tile_w8_h},
    {"vector_math.h", vector_math_h, sizeof vector_math_h},
    {"vectors.h", vectors_h, sizeof vectors_h},
    {"program.h", program_h, sizeof program_h},
    {"library.h", library_h, sizeof library_h},
    {"format.h", format_h, sizeof format_h},
    {"checksum.h", checksum_h, sizeof checksum_h},
    {"burin.map", burin_map, sizeof burin_map},
    {"file.c", file_c, sizeof file_c},
    {"run.c", run_c, sizeof run_c},
    {"sequences.c", sequences_c, sizeof sequences_c},
    {"session.c", session_c, sizeof session_c},
};

size_t burin_source_count(void) { return sizeof sources / sizeof *sources; }

const struct burin_source *burin_source(size_t index) { return &sources[index]; }
