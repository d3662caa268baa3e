/* lazy.h - shared libraries that are loaded when they are first called
 *
 * libcurl, libarchive and libcrypto bring forty libraries with them. To map and relocate those takes longer than all else in
 * the start of drover (10 of 12 ms), in each of its processes that stay too, while most verbs call none of them.
 *
 * A header of ours includes the library's and names each function that is called:
 *
 *      #define curl_easy_init LAZY("libcurl.so.4", curl_easy_init)
 *
 * so that callers read as ever, and keep the types of the library's own header.
 */
#pragma once

/**
 * lazy_symbol() - The function @name of @library (its soname); loads the library if it is not yet
 *
 * Any thread. Does not return where the library or the function is missing: says so and ends the process, as the loader
 * would have at the start. See dlopen(3).
 */
void *lazy_symbol(const char *library, const char *name);

#define LAZY(library, function)                                                                                                \
        (*({                                                                                                                   \
                static typeof(function) *function##_found;                                                                     \
                typeof(function) *function##_called = __atomic_load_n(&function##_found, __ATOMIC_RELAXED);                    \
                if (!function##_called) {                                                                                      \
                        function##_called = (typeof(function) *)lazy_symbol(library, #function);                               \
                        __atomic_store_n(&function##_found, function##_called, __ATOMIC_RELAXED);                              \
                }                                                                                                              \
                function##_called;                                                                                             \
        }))
