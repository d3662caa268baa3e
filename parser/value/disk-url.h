/* disk-url.h - where a disk is that QEMU reaches over the network, or through a socket: its own URIs, read strictly */
#pragma once

#include "parser/value/value.h"

enum disk_driver {
        DRIVER_NBD,
        DRIVER_ISCSI,
        DRIVER_RBD,
        DRIVER_HTTP,
        DRIVER_HTTPS,
};

/** struct disk_url - What a URL says; a string that it does not say is NULL */
struct disk_url {
        enum disk_driver driver;
        char *host;        /* nbd without a socket, iscsi; without the brackets of IPv6 */
        guint port;        /* always set beside the host */
        char *socket;      /* nbd: an absolute path */
        char *name;        /* nbd: export, which may be empty; iscsi: target; rbd: image; http, https: the whole URL */
        guint lun;         /* iscsi */
        char *pool, *space, *snapshot; /* rbd; the space is Ceph's namespace */
        char *user, *conf; /* rbd: whose keyring is used, and an absolute path */
};

void disk_url_clear(struct disk_url *url);
typedef struct disk_url disk_url;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(disk_url, disk_url_clear)

/**
 * disk_url_parse() - One of these
 *
 * nbd://HOST[:PORT][/EXPORT], nbd+unix:///[EXPORT]?socket=PATH, iscsi://HOST[:PORT]/TARGET/LUN,
 * rbd:POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][:id=USER][:conf=PATH], https://HOST[:PORT]/PATH, http://HOST[:PORT]/PATH
 *
 * No name or password of anybody: it would stand in QEMU's arguments. On failure *ret_url is untouched.
 */
gboolean disk_url_parse(const char *text, struct disk_url *ret_url, struct value_fault *fault);

/** disk_url_check() - The same without a result */
gboolean disk_url_check(const char *text, struct value_fault *fault);

/** disk_url_is_web() - Is it one of http and https, which nobody can write to? */
gboolean disk_url_is_web(const char *text);
