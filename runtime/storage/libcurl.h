/* libcurl.h - libcurl, loaded when something is downloaded */
#pragma once

#include "base/lazy.h"

#include <curl/curl.h>

#include <glib.h>
G_STATIC_ASSERT(LIBCURL_VERSION_MAJOR == 7 || LIBCURL_VERSION_MAJOR == 8); /* of soname 4 */

/* Their checks of argument types are macros of the same name. */
#undef curl_easy_getinfo
#undef curl_easy_setopt

#define CURL_LAZY(function) LAZY("libcurl.so.4", function)

#define curl_easy_cleanup CURL_LAZY(curl_easy_cleanup)
#define curl_easy_getinfo CURL_LAZY(curl_easy_getinfo)
#define curl_easy_init CURL_LAZY(curl_easy_init)
#define curl_easy_setopt CURL_LAZY(curl_easy_setopt)
#define curl_easy_strerror CURL_LAZY(curl_easy_strerror)
#define curl_free CURL_LAZY(curl_free)
#define curl_multi_add_handle CURL_LAZY(curl_multi_add_handle)
#define curl_multi_cleanup CURL_LAZY(curl_multi_cleanup)
#define curl_multi_info_read CURL_LAZY(curl_multi_info_read)
#define curl_multi_init CURL_LAZY(curl_multi_init)
#define curl_multi_perform CURL_LAZY(curl_multi_perform)
#define curl_multi_poll CURL_LAZY(curl_multi_poll)
#define curl_multi_remove_handle CURL_LAZY(curl_multi_remove_handle)
#define curl_slist_append CURL_LAZY(curl_slist_append)
#define curl_slist_free_all CURL_LAZY(curl_slist_free_all)
#define curl_url CURL_LAZY(curl_url)
#define curl_url_cleanup CURL_LAZY(curl_url_cleanup)
#define curl_url_get CURL_LAZY(curl_url_get)
#define curl_url_set CURL_LAZY(curl_url_set)
