"""resolved.py - in place of the system bus and systemd-resolved on it: a socket that speaks D-Bus, and keeps what was asked"""

import os
import socket
import struct
import subprocess
import threading

import host
from systemd import message, pad, text

NAME = b":1.7"


def receive(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def read_call(stream):
    """The next message: its serial, its header's fields by code, its body."""
    head = receive(stream, 16)
    body_length, serial, fields_length = struct.unpack("<III", head[4:])
    fields, found, at = receive(stream, fields_length + -fields_length % 8), {}, 0
    while at < fields_length:
        at += -at % 8
        code, kind = fields[at], fields[at + 2:at + 3]
        at += 4
        size = 1 if kind == b"g" else 4
        at += -at % size
        length = int.from_bytes(fields[at:at + size], "little")
        if kind == b"u":
            at += 4
            continue
        found[code] = fields[at + size:at + size + length].decode()
        at += size + length + 1
    return serial, found, receive(stream, body_length)


class Resolved:
    """A mount namespace whose /run has the system bus, and on it one who answers as systemd-resolved."""

    def __init__(self, directory):
        self.calls, self.refuse = [], False  # calls: (path, interface, member, signature, body)
        os.makedirs(os.path.join(directory, "dbus"))
        os.makedirs(os.path.join(directory, "systemd", "resolve"))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(directory, "dbus", "system_bus_socket"))
        self.listener.listen(64)
        script = """
            mkdir "$0/netns" && mount --rbind /run/netns "$0/netns" && mount --rbind "$0" /run && echo ready
            read -r end
        """
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, directory],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n", "cannot put a socket in the bus's place"
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
        said = b""
        while not said.endswith(b"BEGIN\r\n"):
            said += receive(stream, 1)
            if said.endswith(b"NEGOTIATE_UNIX_FD\r\n"):
                stream.sendall(b"DATA\r\nOK " + b"0" * 32 + b"\r\nAGREE_UNIX_FD\r\n")
        for number in range(1, 100):
            serial, fields, body = read_call(stream)
            reply = [(5, b"u", struct.pack("<I", serial)), (6, b"s", NAME)]
            if fields[3] == "Hello":
                stream.sendall(message(2, number, [*reply, (8, b"g", b"s")], text(NAME)))
                continue
            self.calls.append((fields[1], fields[2], fields[3], fields[8], body))
            if self.refuse:
                stream.sendall(message(3, number, [*reply, (4, b"s", b"org.freedesktop.resolve1.LinkBusy"), (8, b"g", b"s")],
                                       text(b"Link is managed.")))
            else:
                stream.sendall(message(2, number, reply, b""))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()


def links_dns(ifindex, address):
    return struct.pack("<iIiI", ifindex, 8 + len(socket.inet_aton(address)), socket.AF_INET, 4) + socket.inet_aton(address)


def links_domains(ifindex, domains):
    """domains: (name, only for routing)."""
    body = b""
    for name, routing in domains:
        body = pad(body, 8) + text(name.encode())
        body = pad(body, 4) + struct.pack("<I", routing)
    return struct.pack("<iI", ifindex, len(body)) + body
