/* fd.h - descriptors that close themselves */
#pragma once

#include <errno.h>
#include <unistd.h>

static inline void
fd_clear(int *fd)
{
        int number = errno;

        if (*fd >= 0)
                close(*fd);
        *fd = -1;
        errno = number;
}

/** fd_retry() - The result of a system call that a signal does not end: stopped and continued, drover goes on where it was */
#define fd_retry(call)                                                                                                         \
        ({                                                                                                                     \
                ssize_t result_of_call;                                                                                        \
                do                                                                                                             \
                        result_of_call = (call);                                                                               \
                while (result_of_call < 0 && errno == EINTR);                                                                  \
                result_of_call;                                                                                                \
        })

/** auto_fd - A local descriptor: declared as -1 or owned, closed at the end of the block */
#define auto_fd __attribute__((cleanup(fd_clear))) int

/** fd_steal() - Give a descriptor away: returns it and leaves -1 behind */
static inline int
fd_steal(int *fd)
{
        int stolen = *fd;

        *fd = -1;
        return stolen;
}
