/* machine.c: what this machine is able to do. */
#include <string.h>

#include "../library/checksum.h"
#include "CBurin.h"

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t checksum_avx2(const void *data, size_t size) {
  return burin_checksum(data, size);
}
#endif

uint64_t burin_fast_checksum(const void *data, size_t size) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return checksum_avx2(data, size);
#endif
  return burin_checksum(data, size);
}

size_t burin_cpu_features(char *names, size_t room) {
  size_t size = 0;
#define NAME(name)                                                 \
  for (const char *c = &("," name)[size == 0]; *c; c++, size++)    \
    if (size + 1 < room) names[size] = *c;
#if defined(__aarch64__)
  NAME("neon")
#elif defined(__x86_64__)
  /* The names are both gcc's and clang's, for asking here and for -m. */
#define FEATURE(name) \
  if (__builtin_cpu_supports(name)) { NAME(name) }
  __builtin_cpu_init();
  FEATURE("sse3")
  FEATURE("ssse3")
  FEATURE("sse4.1")
  FEATURE("sse4.2")
  FEATURE("popcnt")
  FEATURE("avx")
  FEATURE("f16c")
  FEATURE("fma")
  FEATURE("avx2")
  FEATURE("bmi")
  FEATURE("bmi2")
  FEATURE("lzcnt")
  FEATURE("movbe")
  FEATURE("avxvnni")
  FEATURE("avx512f")
  FEATURE("avx512cd")
  FEATURE("avx512bw")
  FEATURE("avx512dq")
  FEATURE("avx512vl")
  FEATURE("avx512ifma")
  FEATURE("avx512vbmi")
  FEATURE("avx512vbmi2")
  FEATURE("avx512vnni")
  FEATURE("avx512bitalg")
  FEATURE("avx512vpopcntdq")
  FEATURE("avx512bf16")
  FEATURE("avx512fp16")
#endif
  if (room) names[size < room ? size : room - 1] = 0;
  return size;
}
