/* lazy.c - shared libraries that are loaded when they are first called */
#include "base/lazy.h"

#include <dlfcn.h>
#include <glib.h>
#include <stdlib.h>

void *
lazy_symbol(const char *library, const char *name)
{
        void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL); /* once more is only counted */
        void *symbol = handle ? dlsym(handle, name) : NULL;

        if (!symbol) {
                g_printerr("error: %s: install it, or build drover again on this host\n", dlerror());
                exit(EXIT_FAILURE);
        }
        return symbol;
}
