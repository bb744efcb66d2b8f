/* CBurin.h: what Swift sees of the runtime: the C interface, the file format, and the sources. */
#ifndef CBURIN_H
#define CBURIN_H

#include <stddef.h>
#include <stdint.h>

#include "../../include/burin.h"
#include "../../library/format.h"

/* One file of the runtime. A header's name ends in ".h", a unit's to be compiled in ".c". */
struct burin_source {
  const char *name;
  const unsigned char *bytes;
  size_t size;
};

size_t burin_source_count(void);
const struct burin_source *burin_source(size_t index);

/* The checksum of Runtime/library/checksum.h, as fast as this machine has it. */
uint64_t burin_fast_checksum(const void *data, size_t size);

/* Writes the names of the CPU features that this machine has and that matter to us, separated by
 * commas and in a fixed order; returns the size without the final zero, which may exceed `room`. */
size_t burin_cpu_features(char *names, size_t room);

/* Starts the program at an absolute path in a process group of its own, in `directory`. What it
 * says on standard output and standard error arrives at `output`, which never blocks. Returns 0 or
 * an error number. */
int burin_spawn(
    const char *path, char *const *arguments, const char *directory, int *output,
    int32_t *process);

/* The most threads that a probe starts. */
#define BURIN_PROBE_THREADS 256

/* What is multiplied; sums are f32, or i32 of i8. */
enum burin_factors { BURIN_FACTORS_F32, BURIN_FACTORS_BF16, BURIN_FACTORS_I8 };

/* Computes for some milliseconds on that many threads; returns operations a second (a multiply-add
 * is two), or 0 if the threads could not be started. Without instructions for bf16 or i8 their rate
 * is that of f32. */
double burin_probe_arithmetic(int32_t threads, enum burin_factors factors);

/* How weights are rounded in blocks of 32: to 8 bits and a scale of bf16, or to 4 and one of f16. */
enum burin_blocks { BURIN_W8, BURIN_W4 };

/* Sums of squares: of what rounding took off weights, and of the weights. */
struct burin_loss {
  double error, weights;
};

/* Packs at most 32 columns, given as rows of `depth` terms (a multiple of 32), into a panel. */
struct burin_loss burin_pack_blocks(
    enum burin_blocks kind, const float *rows, int32_t columns, int64_t depth,
    unsigned char *panel);

/* The logarithm of the softmax of `count` logits: each less the greatest, less the logarithm of the sum
 * of the exponentials of these differences. NaN throughout if a logit is NaN or infinite upwards, or if
 * all are infinite downwards. */
void burin_log_softmax(const float *logits, size_t count, float *out);

/* Reads `data` once, each thread its part; returns bytes a second, or 0. */
double burin_probe_memory(int32_t threads, void *data, size_t bytes);

#endif
