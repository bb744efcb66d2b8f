/* format.h: what stands behind the ELF image in a library file.
 *
 *   ELF image | zeros up to a multiple of BURIN_FILE_ALIGNMENT
 *   packed weights, unless they stand in a file of their own
 *   header | features | description | checksums
 *   trailer: the last 16 bytes of the file
 *
 * A file of separate weights is: packed weights | header | trailer. All numbers are little endian.
 * Everything can be written from front to back, however large the weights are. */
#ifndef BURIN_FORMAT_H
#define BURIN_FORMAT_H

#include <stdint.h>

#define BURIN_FILE_VERSION 1
#define BURIN_FILE_ALIGNMENT 65536
#define BURIN_FILE_MAGIC "BURINLIB"
#define BURIN_WEIGHTS_MAGIC "BURINWTS"
#define BURIN_TRAILER_MAGIC "BURINEND"

struct burin_file_header {
  char magic[8];
  uint32_t version;     /* BURIN_FILE_VERSION */
  uint32_t abi;         /* BURIN_ABI of the code */
  uint64_t elf_size;    /* bytes of the ELF image, from offset 0 */
  uint64_t file_size;   /* bytes of the whole file */
  uint64_t features_offset, features_size; /* CPU features, names separated by commas */
  uint64_t description_offset, description_size;
  uint64_t checksums_offset, checksums_size; /* a burin_checksum per piece of the weights */
  uint64_t separate; /* 1: the weights are in the file NAME.weights beside this one */
  uint64_t weights_offset, weights_size;
  uint8_t weights_identity[32]; /* SHA-256 of the checksums; the same in both files */
  uint8_t digest[32]; /* SHA-256 of ELF image, header with zeros here, features, description,
                         checksums, in this order */
};

struct burin_file_trailer {
  char magic[8];
  uint64_t header_offset;
};

#endif
