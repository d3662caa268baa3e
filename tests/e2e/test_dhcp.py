"""test_dhcp.py - what DHCP says on the wire: range, lease time, options by name and number, reservations for who is no VM"""

import socket
import struct

import frames
import host

LAB = """
networks:
  lan:
    subnet: 10.20.0.0/24
    dhcp:
      range: 10.20.0.100-10.20.0.101
      lease: 7m
      options: {ntp-server: 10.20.0.5, 252: "http://wpad.test/"}
      reservations: [{mac: "02:00:00:00:00:99", ip: 10.20.0.99, name: printer}]
  apart: {subnet: 10.21.0.0/24, gateway: none}
vms:
  one: {<<: *fake, networks: [lan, apart]}
"""
MASK, ROUTER, DNS, NTP, LEASE, KIND, WISHES, WPAD, END = 1, 3, 6, 42, 51, 53, 55, 252, 255


def ask(port, mac, kind=1, *more):
    """An offer (or an acknowledgement) for this MAC: the address, and the options by number."""
    options = struct.pack("!BBB", KIND, 1, kind) + b"".join(more) + bytes((WISHES, 6, MASK, ROUTER, DNS, NTP, LEASE, WPAD, END))
    question = (b"\x01\x01\x06\0" + frames.mac(mac)[2:] + bytes(4 + 16) + frames.mac(mac) + bytes(10 + 192) +
                b"\x63\x82\x53\x63" + options)
    port.send(frames.ethernet(mac, frames.BROADCAST, 0x0800,
                              frames.ipv4("0.0.0.0", "255.255.255.255", 17, frames.udp(68, 67, question))))
    marker = b"\x02\x01\x06\0" + frames.mac(mac)[2:]
    answer = next(frame for frame in iter(port.next, None) if marker in frame)
    answer = answer[answer.index(marker):]
    found, at = {}, 240
    while answer[at] != END:
        found[answer[at]] = answer[at + 2:at + 2 + answer[at + 1]]
        at += 2 + answer[at + 1]
    return socket.inet_ntoa(answer[16:20]), found


def lease(port, mac):
    """The same, and it is taken."""
    address, options = ask(port, mac)
    wanted = bytes((50, 4)) + socket.inet_aton(address) + bytes((54, 4)) + options[54]
    return ask(port, mac, 3, wanted)


def test_on_the_wire(world):
    """Each network says its own; who is no VM gets its address and its name; a change counts from the next question on."""
    lab = world.lab(LAB, fake=True)
    lab.drover("up")
    port = frames.Port(lab, "one", "lan")
    taken = {}
    for mac in "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:99":
        taken[mac], options = lease(port, mac)
        assert struct.unpack("!I", options[LEASE]) == (420,) and options[NTP] == socket.inet_aton("10.20.0.5"), options
        assert options[WPAD].rstrip(b"\0") == b"http://wpad.test/" and options[ROUTER] == socket.inet_aton("10.20.0.1"), options
    assert taken.pop("02:00:00:00:00:99") == "10.20.0.99"
    assert set(taken.values()) == {"10.20.0.100", "10.20.0.101"}
    names = host.command("ip", "netns", "exec", f"drover-{lab.name}", "busybox", "nslookup", "printer", "10.20.0.1")
    assert "10.20.0.99" in names, names
    port.close()
    port = frames.Port(lab, "one", "apart")
    address, options = ask(port, lab.spec("one")["macs"]["apart"])
    assert address.startswith("10.21.0.") and ROUTER not in options and NTP not in options, options
    port.close()

    lab.replace("lease: 7m", "lease: 9m")
    lab.replace("ip: 10.20.0.99", "ip: 10.20.0.98")
    lab.drover("up")
    port = frames.Port(lab, "one", "lan")
    address, options = lease(port, "02:00:00:00:00:99")
    assert address == "10.20.0.98" and struct.unpack("!I", options[LEASE]) == (540,), (address, options)
    port.close()
    lab.assert_satisfied()
