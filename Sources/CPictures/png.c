#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "CPictures.h"
#include "library.h"

// What is used of libpng 1.6, whose interface has been the same since 2013.
typedef struct png_reader png_reader;
typedef struct png_header png_header;
typedef void (*png_complaint)(png_reader *, const char *);

static struct {
    const char *(*version)(const png_reader *);
    png_reader *(*create)(const char *version, void *user, png_complaint error, png_complaint warning);
    png_header *(*create_header)(png_reader *);
    void (*destroy)(png_reader **, png_header **, png_header **);
    void *(*user)(const png_reader *);
    void (*read_from)(png_reader *, void *user, void (*read)(png_reader *, uint8_t *, size_t));
    void *(*source)(const png_reader *);
    void (*read_header)(png_reader *, png_header *);
    uint32_t (*describe)(const png_reader *, const png_header *, uint32_t *width, uint32_t *height,
                         int *bits, int *colour, int *interlace, int *compression, int *filter);
    void (*strip_16)(png_reader *);
    void (*strip_alpha)(png_reader *);
    void (*palette_to_rgb)(png_reader *);
    void (*expand_grey)(png_reader *);
    int (*interlaced)(png_reader *);
    void (*update)(png_reader *, png_header *);
    size_t (*row_bytes)(const png_reader *, const png_header *);
    void (*read_rows)(png_reader *, uint8_t **);
    void (*read_end)(png_reader *, png_header *);
} png;

enum { GREY = 0, PALETTE = 3, GREY_ALPHA = 4, ALPHA = 4 };

static int load(void) {
    static int state;
    if (state) return state > 0;
    const struct wanted table[] = {
        {&png.version, "png_get_libpng_ver"},
        {&png.create, "png_create_read_struct"},
        {&png.create_header, "png_create_info_struct"},
        {&png.destroy, "png_destroy_read_struct"},
        {&png.user, "png_get_error_ptr"},
        {&png.read_from, "png_set_read_fn"},
        {&png.source, "png_get_io_ptr"},
        {&png.read_header, "png_read_info"},
        {&png.describe, "png_get_IHDR"},
        {&png.strip_16, "png_set_strip_16"},
        {&png.strip_alpha, "png_set_strip_alpha"},
        {&png.palette_to_rgb, "png_set_palette_to_rgb"},
        {&png.expand_grey, "png_set_expand_gray_1_2_4_to_8"},
        {&png.interlaced, "png_set_interlace_handling"},
        {&png.update, "png_read_update_info"},
        {&png.row_bytes, "png_get_rowbytes"},
        {&png.read_rows, "png_read_image"},
        {&png.read_end, "png_read_end"},
    };
    int found = load_library("libpng16.so.16", table, sizeof table / sizeof *table);
    state = found ? 1 : -1;
    return found;
}

int picture_has_png(void) { return load(); }

struct source {
    const uint8_t *bytes;
    size_t size;
};

struct rescue {
    jmp_buf place;
    char *message;
    size_t room;
};

static void fail(png_reader *reader, const char *message) {
    struct rescue *rescue = png.user(reader);
    strncpy(rescue->message, message, rescue->room - 1);
    longjmp(rescue->place, 1);
}

static void ignore(png_reader *reader, const char *message) {
    (void)reader;
    (void)message;
}

static void take(png_reader *reader, uint8_t *bytes, size_t size) {
    struct source *source = png.source(reader);
    if (size > source->size) fail(reader, "the file ends too early");
    memcpy(bytes, source->bytes, size);
    source->bytes += size;
    source->size -= size;
}

enum picture_status picture_png(const uint8_t *bytes, size_t size, struct picture *picture,
                                uint8_t *pixels) {
    memset(picture, 0, sizeof *picture);
    if (!load()) return PICTURE_NO_LIBRARY;
    struct source source = {bytes, size};
    struct rescue rescue = {.message = picture->message, .room = sizeof picture->message};
    png_header *volatile header = NULL;
    uint8_t **volatile rows = NULL;
    png_reader *reader = png.create(png.version(NULL), &rescue, fail, ignore);
    if (!reader) return PICTURE_NO_MEMORY;
    enum picture_status status = PICTURE_BAD;
    if (setjmp(rescue.place)) goto end;
    header = png.create_header(reader);
    if (!header) fail(reader, "no memory");
    png.read_from(reader, &source, take);
    png.read_header(reader, header);
    int bits, colour;
    png.describe(reader, header, &picture->width, &picture->height, &bits, &colour, NULL, NULL, NULL);
    int is_grey = colour == GREY || colour == GREY_ALPHA;
    int is_deep = colour == GREY && bits == 16;
    picture->channels = is_deep ? 2 : is_grey ? 1 : 3;
    if (pixels) {
        if (bits == 16 && !is_deep) png.strip_16(reader);
        if (colour == PALETTE) png.palette_to_rgb(reader);
        if (colour == GREY && bits < 8) png.expand_grey(reader);
        // A palette's own transparency is looked up with its colours.
        if (colour & ALPHA || colour == PALETTE) png.strip_alpha(reader);
        png.interlaced(reader);
        png.update(reader, header);
        size_t row = (size_t)picture->width * picture->channels;
        if (png.row_bytes(reader, header) != row) fail(reader, "an unknown kind of pixels");
        rows = malloc(picture->height * sizeof *rows);
        if (!rows) {
            status = PICTURE_NO_MEMORY;
            goto end;
        }
        for (uint32_t i = 0; i < picture->height; i++) rows[i] = pixels + i * row;
        png.read_rows(reader, (uint8_t **)rows);
        png.read_end(reader, NULL);
    }
    status = PICTURE_OK;
end:
    free((void *)rows);
    png_header *made = header;
    png.destroy(&reader, &made, NULL);
    return status;
}
