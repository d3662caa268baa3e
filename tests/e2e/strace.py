"""strace.py - drover under strace: which system calls change something, and drover killed at one of them"""

import collections
import re

# Calls that change files, processes or the network. A call that failed has changed nothing.
WATCHED = ("mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat,"
           "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,fallocate,utimensat,setxattr,fsetxattr,"
           "mount,umount2,move_mount,sethostname,open,openat,openat2,creat,bind,kill,tkill,tgkill,pidfd_send_signal,unshare,"
           "ioctl,sendto,sendmsg,sendmmsg,write,pwrite64,writev,sendfile,copy_file_range")
ALWAYS = set(WATCHED.split(",")[:WATCHED.split(",").index("open")]) | {"bind", "kill", "tkill", "tgkill", "pidfd_send_signal",
                                                                      "unshare", "creat", "sendfile", "copy_file_range"}
NETLINK = r"RTM_(NEW|DEL|SET)(LINK|ADDR|ROUTE|NEIGH|RULE)|NFNL_MSG_BATCH_BEGIN|NFT_MSG_(NEW|DEL)"
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)")


def is_netlink_change(arguments):
    """A netlink request that changes something; where the socket belongs to another namespace, strace shows types as numbers.

    Of rtnetlink's types every fourth is a look (RTM_GET...). nftables begins each change with NFNL_MSG_BATCH_BEGIN, 16.
    """
    numbers = [int(number, 16) for number in re.findall(r"nlmsg_type=(0x[0-9a-f]+)", arguments)]
    return bool(re.search(NETLINK, arguments)) or any(kind == 16 or (16 <= kind < 128 and kind % 4 != 2) for kind in numbers)


def is_mutation(line, harmless):
    """Does this line of strace's output show a call that changed something?"""
    match = CALL.match(line)
    if not match or match.group(3).startswith(("-", "?")) or re.search(harmless, line):
        return False
    name, arguments = match.group(1), match.group(2)
    if name in ("kill", "pidfd_send_signal") and re.match(r"[^,]+, 0(,|$)", arguments):
        return False  # signal 0 only asks
    if name in ALWAYS:
        return True
    if name in ("open", "openat", "openat2"):
        return bool(re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", arguments)) and '"/dev/' not in arguments
    if name == "ioctl":
        return bool(re.search(r"TUNSET(IFF|PERSIST|OWNER|GROUP)|SIOC(SIF|BR|DIF)", arguments))
    if name in ("sendto", "sendmsg", "sendmmsg"):
        return is_netlink_change(arguments)
    return not re.match(r"\d+<(pipe|socket|anon_inode|UNIX|TCP|UDP|NETLINK|/dev/|/proc/)", arguments)  # write and its kin


def whole_lines(lines):
    """strace's lines, with calls that another process interrupted put together again."""
    begun = {}
    for line in lines:
        pid = line.split(" ", 1)[0]
        resumed = re.match(r"\d+ +<\.\.\. \w+ resumed>(.*)", line)
        if line.endswith("<unfinished ...>"):
            begun[pid] = line[:-len("<unfinished ...>")].rstrip()
        elif resumed and pid in begun:
            yield begun.pop(pid) + resumed.group(1)
        else:
            yield line
    yield from (f"{line}) = 0" for line in begun.values())  # of whoever was killed in it: as if it was done


def mutations(lab, *arguments, harmless=r"$^", status=0):
    """Runs drover and all that it starts under strace; returns the calls that changed something, as lines."""
    output = lab.world.path("mutations.strace")
    lab.drover(*arguments, status=status, wrap=["strace", "-f", "-yy", "-s", "256", "-o", output, "-e", f"trace={WATCHED}"],
               environment={"ASAN_OPTIONS": "detect_leaks=0"})
    with open(output, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    assert len(lines) > 5, "strace saw nothing"
    return [line for line in whole_lines(lines) if is_mutation(line, harmless)]


# Where a kill tells nothing more than one before the next call: memory, clocks, and looking without touching.
DULL = re.compile(r"mmap|munmap|mprotect|brk|madvise|read|pread64|rt_sig|clock|get|futex|fstat|newfstatat|access|lseek|poll|"
                  r"prlimit|sched_|arch_prctl|set_|rseq|stat|exit|execve|close|uname|sysinfo|recv")


class Call(collections.namedtuple("Call", "name number arguments process", defaults=("-",))):
    """One system call: the how manieth of its name in its process, which is drover's first ("-"; its main thread) or another
    one, by the way to it (tests/strike.c)."""

    def __str__(self):
        process = "" if self.process == "-" else f"process {self.process}, "
        return f"{process}{self.name} {self.number} ({self.arguments[:160]})"

    def kind(self):
        """The same for calls that are made at one place for one purpose: numbers, and whatever is long, are left out."""
        return self.name, re.sub(r'"(?:[^"\\]|\\.){60,}"', '"..."', re.sub(r"0x[0-9a-f]+|\d+", "#", self.arguments))[:200]

    def is_dull(self):
        if self.name in ("open", "openat"):
            return not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", self.arguments)
        return bool(DULL.match(self.name)) or (self.name == "fcntl" and bool(re.search(r"F_[A-Z]*GET", self.arguments)))


def record_calls(lab, *arguments):
    """Runs drover once under strace; returns its main thread's calls from the lock on, and all lines.

    Injection counts by name and process. --parallel 1 keeps all on the main thread.
    """
    output = lab.world.path("calls.strace")
    lab.drover("--parallel", "1", *arguments, wrap=["strace", "-y", "-s", "65536", "-o", output])
    with open(output, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    counts, calls, locked = {}, [], False
    for line in lines:
        match = re.match(r"(\w+)\((.*)", line)
        if not match:
            continue
        name = match.group(1)
        counts[name] = counts.get(name, 0) + 1
        locked = locked or (name in ("open", "openat") and "/lock\"" in line)
        if locked:
            calls.append(Call(name, counts[name], match.group(2)))
    assert calls, "drover did not take its lock"
    return calls, lines


def spread(items, count):
    """That many of them, from the first to the last."""
    assert len(items) >= count, f"only {len(items)} system calls to be killed at"
    return [items[index * (len(items) - 1) // (count - 1)] for index in range(count)]


def acting(calls):
    """The points to be killed at: calls that act, and the first of each row that does not."""
    return [call for before, call in zip([None] + calls, calls) if not call.is_dull() or not before or not before.is_dull()]
