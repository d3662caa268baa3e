/* observe.h - look at the host: files, kernel, QEMU, dnsmasq; change nothing */
#pragma once

#include "runtime/session.h"

/**
 * observe_vms() - Every VM of the project and every other one that the data directory knows
 *
 * Reads spec.json files, probes locks, and with @options.qmp reads what mtu the NICs of living QEMUs were told and asks all of
 * them (or those of @options.vms) at once for their state, and with @options.devices for what they have; observe_answers()
 * takes it. One broken VM never spoils another.
 */
gboolean observe_vms(struct world *world, const struct project *project, const struct observe_options *options, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** observe_ask() - Its last part: ask these (struct vm_world), and read what those NICs were told that QEMU was started with */
void observe_ask(struct world *world, const struct project *project, const GPtrArray *living, gboolean devices);

/** observe_answers() - Wait for what observe_vms() asked, at most 2 s from then; until then whoever lives is "unreachable" */
void observe_answers(struct world *world);

/**
 * observe_host() - Memory, free disk space, firmware files, QEMU with its machines, whether KVM works
 * @user: who QEMU runs as; NULL: as we are
 */
void observe_host(struct world *world, const struct child_user *user);

/** observe_cache() - Which of the images that VMs name by URL are in the cache */
void observe_cache(struct world *world, const struct project *project);

/** observe_images() - Probe the images that new disks need and the files that are used in place, and look for those that are
 * only read; each once */
void observe_images(struct world *world, const struct project *project, const struct child_user *user);

/** observe_image() - One more, for a disk that is made anew; nothing where it is known, or for NULL */
void observe_image(struct world *world, const char *path, const struct child_user *user);

/** observe_disks() - Which disk files of this project exist */
void observe_disks(struct world *world);

/** observe_uses() - Which files of VMs that are not running, or were started without them, somebody else has open */
void observe_uses(struct world *world, const struct resolved *resolved);

/** observe_forwarder() - The process that serves published ports, and what it serves; whether the host has IPv6 */
void observe_forwarder(struct world *world);

/** observe_ports() - Which of the ports that the project publishes are taken by others */
void observe_ports(struct world *world, const struct resolved *resolved);

/** observe_members() - Processes that may hold the project's namespace: living QEMUs, dnsmasq, the forwarder. New
 * array of pid_t */
GArray *observe_members(const struct world *world);

/** qemu_probe() - Which QEMU this host has, and what it says of its machines (qemu_probe.c); NULL where there is none */
struct qemu_info *qemu_probe(const char *cache_directory, const struct child_user *user);
/** qemu_keep() - Put what was just asked into the cache, for the next run; a failure only costs time then */
void qemu_keep(const struct qemu_info *info, const char *cache_directory);
void qemu_info_free(struct qemu_info *info);
