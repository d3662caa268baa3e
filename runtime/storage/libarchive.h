/* libarchive.h - libarchive, loaded when an image is unpacked or a seed is written */
#pragma once

#include "base/lazy.h"

#include <archive.h>
#include <archive_entry.h>

#include <glib.h>
G_STATIC_ASSERT(ARCHIVE_VERSION_NUMBER / 1000000 == 3); /* of soname 13 */

#define ARCHIVE_LAZY(function) LAZY("libarchive.so.13", function)

#define archive_entry_filetype ARCHIVE_LAZY(archive_entry_filetype)
#define archive_entry_free ARCHIVE_LAZY(archive_entry_free)
#define archive_entry_hardlink ARCHIVE_LAZY(archive_entry_hardlink)
#define archive_entry_new ARCHIVE_LAZY(archive_entry_new)
#define archive_entry_pathname ARCHIVE_LAZY(archive_entry_pathname)
#define archive_entry_set_filetype ARCHIVE_LAZY(archive_entry_set_filetype)
#define archive_entry_set_pathname ARCHIVE_LAZY(archive_entry_set_pathname)
#define archive_entry_set_perm ARCHIVE_LAZY(archive_entry_set_perm)
#define archive_entry_set_size ARCHIVE_LAZY(archive_entry_set_size)
#define archive_entry_size ARCHIVE_LAZY(archive_entry_size)
#define archive_error_string ARCHIVE_LAZY(archive_error_string)
#define archive_read_data ARCHIVE_LAZY(archive_read_data)
#define archive_read_data_block ARCHIVE_LAZY(archive_read_data_block)
#define archive_read_free ARCHIVE_LAZY(archive_read_free)
#define archive_read_new ARCHIVE_LAZY(archive_read_new)
#define archive_read_next_header ARCHIVE_LAZY(archive_read_next_header)
#define archive_read_open ARCHIVE_LAZY(archive_read_open)
#define archive_read_open_filename ARCHIVE_LAZY(archive_read_open_filename)
#define archive_read_support_filter_bzip2 ARCHIVE_LAZY(archive_read_support_filter_bzip2)
#define archive_read_support_filter_gzip ARCHIVE_LAZY(archive_read_support_filter_gzip)
#define archive_read_support_filter_xz ARCHIVE_LAZY(archive_read_support_filter_xz)
#define archive_read_support_filter_zstd ARCHIVE_LAZY(archive_read_support_filter_zstd)
#define archive_read_support_format_iso9660 ARCHIVE_LAZY(archive_read_support_format_iso9660)
#define archive_read_support_format_raw ARCHIVE_LAZY(archive_read_support_format_raw)
#define archive_read_support_format_tar ARCHIVE_LAZY(archive_read_support_format_tar)
#define archive_set_error ARCHIVE_LAZY(archive_set_error)
#define archive_write_close ARCHIVE_LAZY(archive_write_close)
#define archive_write_data ARCHIVE_LAZY(archive_write_data)
#define archive_write_free ARCHIVE_LAZY(archive_write_free)
#define archive_write_header ARCHIVE_LAZY(archive_write_header)
#define archive_write_new ARCHIVE_LAZY(archive_write_new)
#define archive_write_open ARCHIVE_LAZY(archive_write_open)
#define archive_write_set_format_iso9660 ARCHIVE_LAZY(archive_write_set_format_iso9660)
#define archive_write_set_options ARCHIVE_LAZY(archive_write_set_options)
