/* file.c: the library finds its own file, its description and its weights. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "format.h"
#include "library.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

static _Thread_local char error_text[1024];

int32_t burin_fail(int32_t status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error_text, sizeof error_text, format, arguments);
  va_end(arguments);
  /* Names come from callers and files: whatever they contain, the message is one line. */
  for (char *c = error_text; *c; c++)
    if ((unsigned char)*c < 32 || *c == 127) *c = '?';
  return status;
}

BURIN_EXPORT const char *burin_error(void) { return error_text; }

BURIN_EXPORT uint32_t burin_abi(void) { return BURIN_ABI; }

/* A part of a file in memory; `start` is the mapping, `data` the part that was asked for. */
struct mapping {
  char *start, *data;
  size_t bytes;
};

static struct {
  pthread_mutex_t lock;
  char path[PATH_MAX];
  int opened, checked;
  struct mapping tables, weights;
  const char *description;
  size_t description_size;
  const char *checksums;
} file = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The loader's name of this library may be relative, so it is resolved while the working directory
 * is still the one that it is relative to. */
__attribute__((constructor)) static void remember_path(void) {
  Dl_info info;
  if (!dladdr((void *)&burin_program, &info) || !info.dli_fname ||
      !realpath(info.dli_fname, file.path))
    if (!realpath("/proc/self/exe", file.path)) file.path[0] = 0;
}

static void unmap(struct mapping *mapping) {
  if (mapping->start) munmap(mapping->start, mapping->bytes);
  memset(mapping, 0, sizeof *mapping);
}

__attribute__((destructor)) static void forget_file(void) {
  unmap(&file.tables);
  unmap(&file.weights);
}

static int map(int descriptor, uint64_t offset, uint64_t size, struct mapping *mapping) {
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), before = offset % page;
  void *start = mmap(NULL, size + before, PROT_READ, MAP_PRIVATE, descriptor,
                     (off_t)(offset - before));
  if (start == MAP_FAILED) return 0;
  *mapping = (struct mapping){start, (char *)start + before, size + before};
  return 1;
}

static int read_at(int descriptor, void *data, size_t size, uint64_t offset) {
  for (size_t done = 0; done < size;) {
    ssize_t count = pread(descriptor, (char *)data + done, size - done, (off_t)(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return 0;
    done += (size_t)count;
  }
  return 1;
}

static int within(uint64_t offset, uint64_t size, uint64_t whole) {
  return offset <= whole && size <= whole - offset;
}

/* Reads the trailer and the header of an open file, which begins with `magic`, or with `other` if that
 * is not NULL. */
static int32_t read_header(
    int descriptor, const char *path, const char *magic, const char *other,
    struct burin_file_header *header) {
  struct stat status;
  struct burin_file_trailer trailer;
  if (fstat(descriptor, &status))
    return burin_fail(BURIN_BAD_FILE, "%s: %s", path, strerror(errno));
  uint64_t whole = (uint64_t)status.st_size;
  if (whole < sizeof trailer ||
      !read_at(descriptor, &trailer, sizeof trailer, whole - sizeof trailer) ||
      memcmp(trailer.magic, BURIN_TRAILER_MAGIC, 8))
    return burin_fail(
        BURIN_BAD_FILE, "%s: the model's data is missing from the end of the file: was it "
        "truncated or stripped?", path);
  if (!within(trailer.header_offset, sizeof *header, whole) ||
      !read_at(descriptor, header, sizeof *header, trailer.header_offset) ||
      (memcmp(header->magic, magic, 8) && (!other || memcmp(header->magic, other, 8))) ||
      header->file_size != whole ||
      !within(header->description_offset, header->description_size, whole) ||
      !within(header->checksums_offset, header->checksums_size, whole) ||
      !within(header->weights_offset, header->separate ? 0 : header->weights_size, whole))
    return burin_fail(BURIN_BAD_FILE, "%s: the header of the model's data is damaged", path);
  if (header->version != BURIN_FILE_VERSION || header->abi != BURIN_ABI)
    return burin_fail(
        BURIN_BAD_FILE, "%s: format version %u.%u, expected %u.%u", path, header->version,
        header->abi, BURIN_FILE_VERSION, BURIN_ABI);
  return BURIN_OK;
}

/* Whether the file still is the one that was loaded: both begin alike, up to the build identity. */
static int is_loaded_image(int descriptor, uint64_t elf_size) {
  Dl_info info;
  char start[1024];
  size_t size = elf_size < sizeof start ? elf_size : sizeof start;
  return dladdr((void *)&burin_program, &info) && read_at(descriptor, start, size, 0) &&
         !memcmp(start, info.dli_fbase, size);
}

static int32_t map_separate_weights(const struct burin_file_header *expected) {
  char path[PATH_MAX + 16];
  size_t stem = strlen(file.path);
  if (stem > 3 && !strcmp(file.path + stem - 3, ".so")) stem -= 3;
  snprintf(path, sizeof path, "%.*s.weights", (int)stem, file.path);
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return burin_fail(BURIN_BAD_FILE, "%s: %s", path, strerror(errno));
  struct burin_file_header header;
  /* The weights may also be those that another library has embedded. */
  int32_t status = read_header(descriptor, path, BURIN_WEIGHTS_MAGIC, BURIN_FILE_MAGIC, &header);
  if (!status && (header.weights_size != expected->weights_size ||
                  (header.separate && !memcmp(header.magic, BURIN_FILE_MAGIC, 8)) ||
                  memcmp(header.weights_identity, expected->weights_identity, 32)))
    status = burin_fail(
        BURIN_BAD_FILE, "%s: these weights belong to another library than %s", path, file.path);
  if (!status && !map(descriptor, header.weights_offset, header.weights_size, &file.weights))
    status = burin_fail(BURIN_BAD_FILE, "%s: cannot be mapped: %s", path, strerror(errno));
  close(descriptor);
  return status;
}

static int32_t map_parts(int descriptor) {
  struct burin_file_header header;
  int32_t status = read_header(descriptor, file.path, BURIN_FILE_MAGIC, NULL, &header);
  if (status) return status;
  if (!is_loaded_image(descriptor, header.elf_size))
    return burin_fail(
        BURIN_BAD_FILE, "%s: the file was replaced after it was loaded; load it again", file.path);
  uint64_t weights = (uint64_t)burin_program.weights_bytes;
  uint64_t pieces = (weights + BURIN_CHECKED_BYTES - 1) / BURIN_CHECKED_BYTES;
  if (header.weights_size != weights || header.checksums_size != 8 * pieces)
    return burin_fail(
        BURIN_BAD_FILE, "%s: holds %llu bytes of weights, expected %llu", file.path,
        (unsigned long long)header.weights_size, (unsigned long long)weights);

  /* Description and checksums stand one behind the other. */
  uint64_t start = header.description_offset, end = header.checksums_offset + 8 * pieces;
  if (end < start || header.checksums_offset < start + header.description_size)
    return burin_fail(BURIN_BAD_FILE, "%s: the header of the model's data is damaged", file.path);
  if (end > start && !map(descriptor, start, end - start, &file.tables))
    return burin_fail(
        BURIN_BAD_FILE, "%s: cannot be mapped: %s", file.path, strerror(errno));
  file.description = file.tables.data;
  file.description_size = header.description_size;
  file.checksums = file.tables.data + (header.checksums_offset - start);
  if (!weights) return BURIN_OK;
  if (header.separate) return map_separate_weights(&header);
  if (!map(descriptor, header.weights_offset, weights, &file.weights))
    return burin_fail(
        BURIN_BAD_FILE, "%s: cannot be mapped: %s", file.path, strerror(errno));
  return BURIN_OK;
}

/* A CPU feature that the code around this was compiled for and that this machine lacks. Programs
 * in C and Python load a library without looking into its file first. */
static const char *missing_feature(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
#define NEEDS(feature) \
  if (!__builtin_cpu_supports(feature)) return feature;
#ifdef __AVX2__
  NEEDS("avx2")
#endif
#ifdef __FMA__
  NEEDS("fma")
#endif
#ifdef __BMI2__
  NEEDS("bmi2")
#endif
#ifdef __AVX512F__
  NEEDS("avx512f")
#endif
#ifdef __AVX512BW__
  NEEDS("avx512bw")
#endif
#ifdef __AVX512DQ__
  NEEDS("avx512dq")
#endif
#ifdef __AVX512VL__
  NEEDS("avx512vl")
#endif
#ifdef __AVX512IFMA__
  NEEDS("avx512ifma")
#endif
#ifdef __AVX512VBMI__
  NEEDS("avx512vbmi")
#endif
#ifdef __AVX512VBMI2__
  NEEDS("avx512vbmi2")
#endif
#ifdef __AVX512VNNI__
  NEEDS("avx512vnni")
#endif
#ifdef __AVX512BF16__
  NEEDS("avx512bf16")
#endif
#undef NEEDS
#endif
  return NULL;
}

static int32_t open_file(void) {
  if (file.opened) return BURIN_OK;
  const char *feature = missing_feature();
  if (feature)
    return burin_fail(
        BURIN_BAD_FILE, "%s: compiled for a CPU with %s, which this one does not have", file.path,
        feature);
  int descriptor = file.path[0] ? open(file.path, O_RDONLY | O_CLOEXEC) : -1;
  if (descriptor < 0)
    return burin_fail(
        BURIN_BAD_FILE, "%s: %s", file.path[0] ? file.path : "the library's own file",
        strerror(errno));
  int32_t status = map_parts(descriptor);
  close(descriptor);
  if (status) {
    unmap(&file.tables);
    unmap(&file.weights);
    /* A program without weights runs from a bare ELF image too; it only lacks a description. */
    if (burin_program.weights_bytes) return status;
    file.description_size = 0;
  }
  file.opened = 1;
  return BURIN_OK;
}

int32_t burin_open_file(void) {
  pthread_mutex_lock(&file.lock);
  int32_t status = open_file();
  pthread_mutex_unlock(&file.lock);
  return status;
}

/* The index of the first damaged piece of the weights, or their number. Maps the pages on all
 * threads on the way, which is most of the cost of a first touch. */
static int64_t first_damaged_piece(int64_t pieces) {
  int64_t damaged = pieces, total = burin_program.weights_bytes;
#pragma omp parallel for schedule(static) reduction(min : damaged)
  for (int64_t piece = 0; piece < pieces; piece++) {
    int64_t offset = piece * BURIN_CHECKED_BYTES;
    size_t size = (size_t)(total - offset < BURIN_CHECKED_BYTES ? total - offset
                                                                : BURIN_CHECKED_BYTES);
    uint64_t expected;
    memcpy(&expected, file.checksums + 8 * piece, sizeof expected);
    madvise(file.weights.data + offset, size, MADV_POPULATE_READ);
    if (burin_checksum(file.weights.data + offset, size) != expected && piece < damaged)
      damaged = piece;
  }
  return damaged;
}

int32_t burin_open_weights(void) {
  pthread_mutex_lock(&file.lock);
  int32_t status = open_file();
  if (!status && !file.checked && burin_program.weights_bytes) {
    int64_t pieces =
        (burin_program.weights_bytes + BURIN_CHECKED_BYTES - 1) / BURIN_CHECKED_BYTES;
    int64_t damaged = first_damaged_piece(pieces);
    if (damaged < pieces)
      status = burin_fail(
          BURIN_BAD_FILE, "%s: the weights are damaged in MiB %lld of %lld", file.path,
          (long long)damaged + 1, (long long)pieces);
  }
  file.checked |= !status;
  pthread_mutex_unlock(&file.lock);
  return status;
}

const char *burin_weights(void) { return file.weights.data; }

const char *burin_description(size_t *size) {
  *size = file.description_size;
  return file.description_size ? file.description : "";
}
