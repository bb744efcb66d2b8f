#include <stdlib.h>
#include <string.h>

#include "CPictures.h"
#include "library.h"

// What is used of TurboJPEG, whose interface has been the same since libjpeg-turbo 2.1.
typedef void *jpeg_reader;

static struct {
    jpeg_reader (*create)(void);
    int (*destroy)(jpeg_reader);
    int (*read_header)(jpeg_reader, const uint8_t *bytes, unsigned long size, int *width, int *height,
                       int *subsampling, int *colours);
    int (*decode)(jpeg_reader, const uint8_t *bytes, unsigned long size, uint8_t *pixels, int width,
                  int pitch, int height, int format, int flags);
    char *(*message)(jpeg_reader);
    int (*kind)(jpeg_reader);
} jpeg;

// Of the library's own numbers: colours in the file, colours that it gives, flags, kinds of errors.
enum { FILE_GREY = 2, FILE_CMYK = 3, FILE_YCCK = 4 };
enum { GIVE_RGB = 0, GIVE_GREY = 6, GIVE_CMYK = 11 };
enum { ACCURATE = 4096, STOP_ON_WARNING = 8192, LIMIT_SCANS = 32768 };
enum { WARNING = 0 };

static int load(void) {
    static int state;
    if (state) return state > 0;
    const struct wanted table[] = {
        {&jpeg.create, "tjInitDecompress"},       {&jpeg.destroy, "tjDestroy"},
        {&jpeg.read_header, "tjDecompressHeader3"}, {&jpeg.decode, "tjDecompress2"},
        {&jpeg.message, "tjGetErrorStr2"},        {&jpeg.kind, "tjGetErrorCode"},
    };
    int found = load_library("libturbojpeg.so.0", table, sizeof table / sizeof *table);
    state = found ? 1 : -1;
    return found;
}

int picture_has_jpeg(void) { return load(); }

// Whether the last complaint is about bytes between two parts, which change nothing.
static int is_harmless(jpeg_reader reader) {
    return jpeg.kind(reader) == WARNING && strstr(jpeg.message(reader), "extraneous bytes");
}

enum picture_status picture_jpeg(const uint8_t *bytes, size_t size, struct picture *picture,
                                 uint8_t *pixels) {
    memset(picture, 0, sizeof *picture);
    if (!load()) return PICTURE_NO_LIBRARY;
    jpeg_reader reader = jpeg.create();
    if (!reader) return PICTURE_NO_MEMORY;
    int width = 0, height = 0, subsampling = 0, colours = 0;
    int bad = jpeg.read_header(reader, bytes, size, &width, &height, &subsampling, &colours);
    if (!bad || is_harmless(reader)) {
        int format = colours == FILE_GREY                            ? GIVE_GREY
                     : colours == FILE_CMYK || colours == FILE_YCCK ? GIVE_CMYK
                                                                     : GIVE_RGB;
        bad = width < 1 || height < 1;
        picture->width = (uint32_t)width;
        picture->height = (uint32_t)height;
        picture->channels = format == GIVE_GREY ? 1 : format == GIVE_CMYK ? 4 : 3;
        if (pixels && !bad) {
            int flags = ACCURATE | LIMIT_SCANS;
            bad = jpeg.decode(reader, bytes, size, pixels, width, 0, height, format,
                              flags | STOP_ON_WARNING);
            if (bad && is_harmless(reader)) {
                bad = jpeg.decode(reader, bytes, size, pixels, width, 0, height, format, flags)
                      && !is_harmless(reader);
            }
        }
    }
    if (bad) strncpy(picture->message, jpeg.message(reader), sizeof picture->message - 1);
    jpeg.destroy(reader);
    return bad ? PICTURE_BAD : PICTURE_OK;
}
