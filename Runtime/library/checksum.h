/* checksum.h: the fast checksum of the packed weights; it finds damage, not malice. */
#ifndef BURIN_CHECKSUM_H
#define BURIN_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The weights are checked in pieces of this many bytes; the last may be shorter. */
#define BURIN_CHECKED_BYTES (1 << 20)

#define BURIN_CHECKSUM_LANES 64

/* The checksum of `size` bytes. They are read as little-endian 32-bit words, the last one filled up
 * with zeros, and dealt to 64 lanes in turn. Each lane starts at its own index + 1 and takes a word
 * by lane = (lane ^ word) * 0x9E3779B1, then lane ^= lane >> 15. The lanes, then the low and the
 * high half of `size`, are folded by sum = (sum ^ value) * 0x9E3779B97F4A7C15, sum ^= sum >> 32,
 * starting from 0. Every step is a bijection, so one altered word always shows. */
__attribute__((always_inline)) static inline uint64_t
burin_checksum(const void *data, size_t size) {
  typedef uint32_t words __attribute__((vector_size(4 * BURIN_CHECKSUM_LANES / 4)));
  enum { lanes_per_vector = BURIN_CHECKSUM_LANES / 4, stripe = 4 * BURIN_CHECKSUM_LANES };
  const unsigned char *bytes = (const unsigned char *)data;
  words lanes[4];
  for (int vector = 0; vector < 4; vector++)
    for (int lane = 0; lane < lanes_per_vector; lane++)
      lanes[vector][lane] = (uint32_t)(vector * lanes_per_vector + lane + 1);

  size_t position = 0;
  for (; position + stripe <= size; position += stripe)
    for (int vector = 0; vector < 4; vector++) {
      words next;
      memcpy(&next, bytes + position + (size_t)vector * sizeof next, sizeof next);
      lanes[vector] = (lanes[vector] ^ next) * 0x9E3779B1u;
      lanes[vector] ^= lanes[vector] >> 15;
    }
  for (int word = 0; position < size; word++, position += 4) {
    uint32_t next = 0;
    memcpy(&next, bytes + position, size - position < 4 ? size - position : 4);
    uint32_t lane = lanes[word / lanes_per_vector][word % lanes_per_vector];
    lane = (lane ^ next) * 0x9E3779B1u;
    lanes[word / lanes_per_vector][word % lanes_per_vector] = lane ^ lane >> 15;
  }

  uint64_t sum = 0;
  for (int lane = 0; lane < BURIN_CHECKSUM_LANES + 2; lane++) {
    uint64_t value = lane < BURIN_CHECKSUM_LANES
                         ? lanes[lane / lanes_per_vector][lane % lanes_per_vector]
                         : (uint32_t)((uint64_t)size >> 32 * (lane - BURIN_CHECKSUM_LANES));
    sum = (sum ^ value) * 0x9E3779B97F4A7C15u;
    sum ^= sum >> 32;
  }
  return sum;
}

#endif
