/* value-storage.h - the texts of images and disks as values; as in value.h, each mistake has an identifier of its own */
#pragma once

#include "parser/value/value.h"

/** value_check_url() - "https://example.org/debian.qcow2": http or https with a host, or file with an absolute path */
gboolean value_check_url(const char *text, struct value_fault *fault);

/** value_check_url_text() - No more than 4096 visible ASCII characters */
gboolean value_check_url_text(const char *text, struct value_fault *fault);

/**
 * value_parse_digest() - A checksum in hexadecimal digits
 * @digits:   64 for SHA-256, 128 for SHA-512
 * @ret_text: the digits in lower case, as a new string
 */
gboolean value_parse_digest(const char *text, guint digits, char **ret_text, struct value_fault *fault);

/** value_check_image_name() - As other names, but also with '.', '_' and ':' in between: "debian-12", "ubuntu:24.04" */
gboolean value_check_image_name(const char *text, struct value_fault *fault);

/** value_check_device() - The path of a device of the host, below /dev and without "..": "/dev/vg/x" */
gboolean value_check_device(const char *text, struct value_fault *fault);

/** value_check_serial() - What a guest sees as serial number: 1 to 36 visible ASCII characters */
gboolean value_check_serial(const char *text, struct value_fault *fault);
