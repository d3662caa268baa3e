/* dotenv.h - files of NAME=VALUE lines, as compose reads them; private to parser/
 *
 *     # a comment
 *     export NAME=VALUE     # blanks around '=', and ':' in its place, are taken too
 *     PLAIN=$NAME and more  # variables are replaced, a blank and '#' begin a comment
 *     SINGLE='as it stands' # only \' is special; may have several lines
 *     DOUBLE="a ${NAME}\n"  # variables and \n \r \t \\ \" \$; may have several lines
 *     NAME                  # as it is in the environment
 */
#pragma once

#include "parser/variables/expand.h"

enum { DOTENV_MAX_BYTES = 1 << 20 };

struct dotenv_reader {
        const struct variable *(*look_up)(gpointer data, const char *name);
        const char *(*suggest)(gpointer data, const char *name);
        void (*define)(gpointer data, const struct variable *variable); /* in the order of the file; copies what it keeps */
        gpointer data;
};

/** dotenv_read() - Read the entries of a file; what is wrong with its form goes into @diagnostics, and the next line follows */
void dotenv_read(const struct source *source, const struct dotenv_reader *reader, struct diagnostics *diagnostics);
