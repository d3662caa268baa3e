/* version.h - which drover this is; the number stands in the Makefile */
#pragma once

#include <glib.h>

#define DROVER_VERSION_TEXT G_STRINGIFY(DROVER_VERSION)
