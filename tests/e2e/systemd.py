"""systemd.py - in place of systemd: a socket that speaks its D-Bus, for one call, and remembers who was to be moved where"""

import os
import re
import socket
import struct
import subprocess
import threading

import host

JOB = b"/org/freedesktop/systemd1/job/1"


def pad(data, size):
    return data + b"\0" * (-len(data) % size)


def text(value):
    return struct.pack("<I", len(value)) + value + b"\0"


def message(kind, serial, fields, body):
    """`fields`: code, type and value of each header field."""
    header = b""
    for code, sort, value in fields:
        header = pad(header, 8) + bytes([code, 1]) + sort + b"\0"
        header += bytes([len(value)]) + value + b"\0" if sort == b"g" else \
            pad(header, 4)[len(header):] + (value if sort == b"u" else text(value))
    start = b"l" + bytes([kind, 0, 1]) + struct.pack("<III", len(body), serial, len(header))
    return pad(start + header, 8) + body


RETURN = message(2, 1, [(5, b"u", struct.pack("<I", 1)), (8, b"g", b"o")], text(JOB))
REMOVED = message(4, 2, [(1, b"o", b"/org/freedesktop/systemd1"), (2, b"s", b"org.freedesktop.systemd1.Manager"),
                         (3, b"s", b"JobRemoved"), (8, b"g", b"uoss")],
                  struct.pack("<I", 1) + pad(pad(text(JOB), 4) + text(b"x.scope"), 4) + text(b"done"))


class Service:
    """Somebody who answers on a socket, in a mount namespace in which that stands in the place of the real one."""

    def __init__(self, path, directory, script):
        """`script`, with `directory` as $0, puts what is in there into its place."""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                        f"{script} && echo ready; read -r end", directory],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n", f"cannot put {path} into its place"
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream:
                try:
                    self._answer(stream)
                except ConnectionError:
                    pass

    def _answer(self, stream):
        raise NotImplementedError

    def run(self, *argv):
        return host.command(*self.prefix, *argv)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()


class Systemd(Service):
    """/run says that systemd runs."""

    def __init__(self, directory):
        self.close_at_once = False
        self.asked = {}  # unit: (pid, what it executed when it was moved)
        os.makedirs(os.path.join(directory, "system"))
        super().__init__(os.path.join(directory, "private"), directory,
                         'mount -t tmpfs tmpfs /run && mkdir /run/systemd && mount --bind "$0" /run/systemd')

    def _answer(self, stream):
        if self.close_at_once:
            return
        stream.recv(4096)
        stream.sendall(b"DATA\r\nOK 0\r\n")
        said = b""
        while b".scope\0" not in said:
            more = stream.recv(65536)
            if not more:
                return
            said += more
        unit = re.search(rb"(drover-[a-z0-9-]+\.scope)\0", said).group(1).decode()
        pid = int(unit.rsplit("-", 1)[1].removesuffix(".scope"))
        self.asked[unit] = (pid, os.readlink(f"/proc/{pid}/exe"))
        stream.sendall(RETURN + REMOVED)
