/* fault.h - what the file asks for and this host cannot give, with its place in the file: found by resolve.c, told by plan.c */
#pragma once

#include "parser/project.h"
#include "runtime/storage/file_use.h"

/** struct fault - One thing that stands in the way of a VM or a network */
struct fault {
        const char *id;  /* as of a diagnostic */
        struct place place;
        char *text;      /* one line, names the VM or network */
        char *hint;      /* what to do, or NULL */
        gboolean passing; /* the file is right: something else has what it needs at present */
};

/**
 * faults_add() - One more, made with the list where that is NULL
 * @hint: copied; NULL: none
 *
 * Of @format only the first line counts; where there is no @hint, the next one is it (as in a GError's text).
 */
void faults_add(GPtrArray **faults, const char *id, struct place place, const char *hint, const char *format, ...)
        G_GNUC_PRINTF(5, 6);

/** faults_add_passing() - The same for what passes without a change of the file */
void faults_add_passing(GPtrArray **faults, const char *id, struct place place, const char *hint, const char *format, ...)
        G_GNUC_PRINTF(5, 6);

/**
 * faults_add_in_use() - The same for a file that somebody has
 * @hint: copied; NULL: that of file_use_hint()
 */
void faults_add_in_use(GPtrArray **faults, const char *vm, struct place place, const struct file_use *use, const char *project,
                       const char *hint);

/**
 * faults_tell() - As diagnostics
 * @faults: NULL: none
 * @more:   behind each text, or NULL
 */
void faults_tell(const GPtrArray *faults, enum severity severity, const char *more, struct diagnostics *diagnostics);

/** fault_text() - What the first of them says */
const char *fault_text(const GPtrArray *faults);

/** faults_blame() - Is the file to blame for any of them? */
gboolean faults_blame(const GPtrArray *faults);
