/* check-users.h - who uses which file, image and disk, while the VMs are checked one after another; private to parser/ */
#pragma once

#include "parser/check/check.h"

struct users {
        const struct check *check;
        GHashTable *files;   /* path -> enum file_kind or an errno, so that each is looked at once */
        GHashTable *images;  /* path -> struct vm * that uses it as image */
        GHashTable *writers; /* path -> struct user * that may write to it in place */
        GHashTable *readers; /* path -> struct user * that reads it in place */
        GHashTable *named;   /* name of a project's disk -> struct user * */
        GHashTable *hostnames;
};

/** struct user - The first who uses something */
struct user {
        const struct vm *vm;
        const struct disk *disk;
};

/** struct wanted_file - A path that the file names, for messages: "kernel of vm 'web'" */
struct wanted_file {
        const char *path;  /* or NULL: nothing is checked */
        const char *what;  /* "kernel" */
        const char *title; /* of its owner: "vm" */
        const char *owner;
        const struct node *node; /* where it is written: the value itself, or the map whose @key it is */
        const char *key;
};

/** check_file() - A regular file or a block device has to be there; check_folder() and check_device() likewise */
void check_file(const struct users *users, struct wanted_file wanted);
void check_folder(const struct users *users, struct wanted_file wanted);
void check_device(const struct users *users, struct wanted_file wanted);

/** check_images() - The images of the project; check_named_disks() likewise */
void check_images(const struct users *users);
void check_named_disks(const struct users *users);

/** check_disk_use() - Who else uses a disk, and how it is attached; the disk is written */
void check_disk_use(const struct users *users, const struct vm *vm, const struct disk *disk);

/** check_drives() - No more SATA and IDE drives than the machine has ports for */
void check_drives(const struct check *check, const struct vm *vm);

/** check_serials() - No two disks of a VM have the same, and none is too long for its bus */
void check_serials(const struct check *check, const struct vm *vm);

/** check_provision() - Mounts, cloud-init and its short forms, ssh keys */
void check_provision(const struct users *users, const struct vm *vm);

/** check_disks() - The root disk and all others of one VM */
void check_disks(const struct users *users, const struct vm *vm);
