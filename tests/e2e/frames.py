"""frames.py - a guest's end of its cable, without a guest: raw Ethernet frames through the tap that fake-qemu was given"""

import ctypes
import os
import select
import socket
import struct
import time

HEADER = bytes(10)  # struct virtio_net_hdr: the taps have IFF_VNET_HDR
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ethernet(source, target, kind, payload, tags=()):
    """tags: (EtherType of the tag, VLAN id), the outermost first."""
    return mac(target) + mac(source) + b"".join(struct.pack("!HH", *tag) for tag in tags) + struct.pack("!H", kind) + payload


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data if len(data) % 2 == 0 else data + b"\0"))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, target, protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, socket.inet_aton(source),
                       socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol, payload):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), protocol, 255, socket.inet_pton(socket.AF_INET6, source),
                       socket.inet_pton(socket.AF_INET6, target)) + payload


def udp(source, target, payload):
    """Without a checksum, which IPv4 allows."""
    return struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload


def arp(sender_mac, sender_ip, target_ip, operation=2):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac(sender_mac), socket.inet_aton(sender_ip), bytes(6),
                       socket.inet_aton(target_ip))


class Port:
    """The tap of a VM's NIC, taken from the fake QEMU that holds it."""

    def __init__(self, lab, vm, nic, links=None):
        pid, alias = lab.pids()[vm], f"drover:{lab.name}/{vm}/{nic}"
        link = next(link for link in links or lab.links().values() if link.get("ifalias") == alias)
        number = next(int(number) for number in os.listdir(f"/proc/{pid}/fdinfo")
                      if f"iff:\t{link['ifname']}\n" in open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii").read())
        pidfd = os.pidfd_open(pid)
        try:
            self.fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, number, 0)  # pidfd_getfd
            assert self.fd >= 0, os.strerror(ctypes.get_errno())
        finally:
            os.close(pidfd)
        os.set_blocking(self.fd, False)

    def send(self, frame):
        os.write(self.fd, HEADER + frame)

    def next(self, timeout=10):
        """The next frame."""
        ready, _, _ = select.select([self.fd], [], [], timeout)
        assert ready, f"no frame came within {timeout} s"
        return os.read(self.fd, 65536)[len(HEADER):]

    def receive_until(self, marker, timeout=10):
        """All frames up to the one that holds the marker: frames of one port arrive in the order in which they were sent."""
        frames, end = [], time.monotonic() + timeout
        while True:
            frame = self.next(max(0, end - time.monotonic()))
            if marker in frame:
                return frames
            frames.append(frame)

    def close(self):
        os.close(self.fd)


def ipv6_sum(source, target, protocol, payload):
    """The checksum of an IPv6 payload (RFC 8200, 8.1), its own field being 0 in it."""
    return struct.pack("!H", checksum(socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target) +
                                      struct.pack("!II", len(payload), protocol) + payload) or 0xffff)


def icmpv6(source, target, kind, body):
    payload = struct.pack("!BBH", kind, 0, 0) + body
    return ipv6(source, target, 58, payload[:2] + ipv6_sum(source, target, 58, payload) + payload[4:])


def udp6(source, target, source_port, target_port, body):
    payload = udp(source_port, target_port, body)
    return ipv6(source, target, 17, payload[:6] + ipv6_sum(source, target, 17, payload) + payload[8:])
