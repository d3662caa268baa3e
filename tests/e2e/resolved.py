"""resolved.py - in place of the system bus and systemd-resolved on it: a socket that speaks D-Bus, and keeps what was asked"""

import os
import socket
import struct

from systemd import Service, message, pad, text

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


class Resolved(Service):
    """/run has the system bus, and on it one who answers as systemd-resolved."""

    def __init__(self, directory):
        self.calls, self.refuse = [], False  # calls: (path, interface, member, signature, body)
        os.makedirs(os.path.join(directory, "dbus"))
        os.makedirs(os.path.join(directory, "systemd", "resolve"))
        super().__init__(os.path.join(directory, "dbus", "system_bus_socket"), directory,
                         'mkdir "$0/netns" && mount --rbind /run/netns "$0/netns" && mount --rbind "$0" /run')

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


def links_dns(ifindex, address):
    return struct.pack("<iIiI", ifindex, 8 + len(socket.inet_aton(address)), socket.AF_INET, 4) + socket.inet_aton(address)


def links_domains(ifindex, domains):
    """domains: (name, only for routing)."""
    body = b""
    for name, routing in domains:
        body = pad(body, 8) + text(name.encode())
        body = pad(body, 4) + struct.pack("<I", routing)
    return struct.pack("<iI", ifindex, len(body)) + body
