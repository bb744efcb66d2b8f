// Pictures through the system's own libpng and libjpeg-turbo, found when they are first asked for:
// building needs neither, and a machine without them can do everything else.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum picture_status {
    PICTURE_OK,
    // The library is not on this machine.
    PICTURE_NO_LIBRARY,
    // The file is not what it should be; `message` says why.
    PICTURE_BAD,
    // There is no memory to decode it in.
    PICTURE_NO_MEMORY,
};

struct picture {
    uint32_t width, height;
    // Bytes of a pixel: 1 grey, 2 grey of 16 bits, the upper 8 first, 3 red green blue, 4 cyan
    // magenta yellow black.
    uint32_t channels;
    char message[256];
};

// Reads the size of a PNG, and, if `pixels` is not null, its `width * height * channels` bytes, row
// by row: colours of 16 bits cut to their upper 8, palettes looked up, transparency left out.
enum picture_status picture_png(const uint8_t *bytes, size_t size, struct picture *picture,
                                uint8_t *pixels);

// The same of a JPEG.
enum picture_status picture_jpeg(const uint8_t *bytes, size_t size, struct picture *picture,
                                 uint8_t *pixels);

// Whether the libraries can be loaded.
int picture_has_png(void);
int picture_has_jpeg(void);
