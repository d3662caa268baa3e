/* exec.h - a command in a guest: over the network with the project's key, else through the guest agent */
#pragma once

#include "cmd/reach.h"

/** struct exec_options - How it runs; exec has them, and run */
struct exec_options {
        char *user, *directory;
        char **environment;
        gboolean no_tty, tty, interactive;
};

/** EXEC_ROWS() - The rows of a table that fill them; @at: the member of @target that holds them, with its dot, or nothing */
#define EXEC_TERMINAL_ROWS(target, at)                                                                                         \
        OPTION_ROW(target, "no-tty", 'T', OPTION_FLAG, NULL, at no_tty, "Without a terminal"),                                 \
                OPTION_ROW(target, "tty", 't', OPTION_FLAG, NULL, at tty, "With a terminal, even where this is none")
#define EXEC_ROWS(target, at)                                                                                                  \
        OPTION_ROW(target, "user", 'u', OPTION_TEXT, "USER", at user, "Who runs it in the guest"),                             \
                OPTION_ROW(target, "workdir", 'w', OPTION_TEXT, "DIR", at directory, "Where it runs in the guest"),            \
                OPTION_ROW(target, "env", 'e', OPTION_LIST, "NAME=VALUE", at environment, "A variable for it; repeatable"),    \
                EXEC_TERMINAL_ROWS(target, at),                                                                                \
                OPTION_ROW(target, "interactive", 'i', OPTION_FLAG, NULL, at interactive,                                      \
                           "Hand standard input to it also through the guest agent, to its end; over the network that is "     \
                           "so anyway")

/**
 * exec_in_guest() - Run a command there, and say by which way
 * @words: NULL-terminated; they reach the command as they are. None: a shell, which needs ssh
 *
 * Returns the command's exit status, or REACH_FAILED having said why. Where there is an ssh server, ssh takes our place, and
 * this does not return.
 */
int exec_in_guest(struct reach *reach, const struct exec_options *options, char *const *words);

/** exec_fail() - Say that there is no ssh server; returns REACH_FAILED */
int exec_fail(const struct reach *reach);

/** exec_by_agent() - The same through the agent alone, as root; @input: its standard input, or NULL */
int exec_by_agent(const struct reach *reach, const char *const *argv, const GByteArray *input);

/** exec_add_terminal() - ssh's option for a terminal or for none; @by_default: one where we have one */
void exec_add_terminal(GPtrArray *argv, const struct exec_options *options, gboolean by_default);
