// Finding the functions of a library that may not be there.
#ifndef CPICTURES_LIBRARY_H
#define CPICTURES_LIBRARY_H

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

// A pointer to a function, and the function's name.
struct wanted {
    void *function;
    const char *name;
};

// Loads the library and sets the pointers; whether all was found.
static inline int load_library(const char *name, const struct wanted *table, size_t count) {
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < count; i++) {
        void *symbol = dlsym(library, table[i].name);
        if (!symbol) return 0;
        memcpy(table[i].function, &symbol, sizeof symbol);
    }
    return library != NULL;
}

#endif
