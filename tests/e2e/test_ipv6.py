"""test_ipv6.py - IPv6 of a network: the router's advertisement, DHCPv6 for each ip6, names, addresses as they are shown"""

import json
import re
import socket
import struct
import sys

import frames
import host
from test_foreign import join
from test_user import serve

MAC, LINK_LOCAL = "02:00:00:00:00:0b", "fe80::ff:fe00:b"
ROUTERS, SERVERS = ("33:33:00:00:00:02", "ff02::2"), ("33:33:00:01:00:02", "ff02::1:2")

LAB = """
networks:
  lan: {subnet: 10.20.0.0/24, subnet6: "fd00:20::/64"}
  side: {subnet: 10.21.0.0/24, subnet6: "fd00:21::/64", mode: isolated}
vms:
  bob: {<<: *fake, networks: {lan: {ip: 10.20.0.11, ip6: "fd00:20::11", mac: "%s", aliases: [six], spoof_check: true}}}
  eve: {<<: *fake, networks: {side: {}}}
""" % MAC


def packed(address):
    return socket.inet_pton(socket.AF_INET6, address)


def receive(port, kind, marker):
    """The next frame of a kind of ICMPv6 (or UDP port) that holds the marker; questions for bob's MAC are answered."""
    for _ in range(200):
        frame = port.next()
        if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135 and packed(LINK_LOCAL) in frame[62:78]:
            asker = socket.inet_ntop(socket.AF_INET6, frame[22:38])
            answer = b"\x60\0\0\0" + packed(LINK_LOCAL) + b"\x02\x01" + frames.mac(MAC)
            port.send(frames.ethernet(MAC, frame[6:12].hex(":"), 0x86dd, frames.icmpv6(LINK_LOCAL, asker, 136, answer)))
        if frame[12:14] == b"\x86\xdd" and kind(frame) and marker in frame:
            return frame
    raise AssertionError(f"no frame with {marker!r}")


def test_router_and_reservation(world):
    """The bridge has the subnet's first address, guests are told the subnet and the router, and DHCPv6 gives a NIC its ip6."""
    lab = world.lab(LAB, fake=True)
    lab.drover("up")
    lab.assert_satisfied()
    namespace = f"drover-{lab.name}"
    addresses = host.command("ip", "-n", namespace, "-6", "-brief", "address")
    assert "fd00:20::1/64" in addresses and "fd00:21::1/64" in addresses, addresses
    port = frames.Port(lab, "bob", "lan")
    port.send(frames.ethernet(MAC, ROUTERS[0], 0x86dd, frames.icmpv6(LINK_LOCAL, ROUTERS[1], 133,
                                                                      b"\0\0\0\0\x01\x01" + frames.mac(MAC))))
    advert = receive(port, lambda frame: frame[20] == 58 and frame[54] == 134, packed("fd00:20::"))
    flags, lifetime = struct.unpack("!BH", advert[59:62])
    assert flags & 0x80 and lifetime > 0, "DHCPv6 has addresses, and this host is the router"
    at = advert.index(b"\x03\x04\x40")
    assert advert[at + 3] & 0x40, "guests may make an address of their own"

    solicit = (b"\x01abc" + struct.pack("!HHHH", 1, 10, 3, 1) + frames.mac(MAC) +  # DUID-LL
               struct.pack("!HHIII", 3, 12, 7, 0, 0) + struct.pack("!HHHHH", 8, 2, 0, 14, 0))  # at once: rapid commit
    port.send(frames.ethernet(MAC, SERVERS[0], 0x86dd, frames.udp6(LINK_LOCAL, SERVERS[1], 546, 547, solicit)))
    answer = receive(port, lambda frame: frame[20] == 17 and frame[56:58] == b"\x02\x22", b"\x07abc")
    assert packed("fd00:20::11") in answer, "not the address of the file"
    port.close()

    inside = ("ip", "netns", "exec", namespace, "busybox", "nslookup")
    for name in ("bob", f"bob.{lab.name}.test", f"six.{lab.name}.test"):
        assert "fd00:20::11" in host.command(*inside, "-type=aaaa", name, "10.20.0.1"), name
    assert f"bob.{lab.name}.test" in host.command(*inside, "fd00:20::11", "10.20.0.1")
    shown = lab.vms()["bob"]["addresses"]
    assert [(address["ip6"], address["source6"]) for address in shown] == [("fd00:20::11", "reservation")], shown
    assert lab.drover("ip", "bob", "--format", "plain").out == "10.20.0.11\nfd00:20::11\n"
    names = f"bob.{lab.name}.test bob six"
    assert lab.drover("ip", "bob", "--format", "hosts").out == f"10.20.0.11 {names}\nfd00:20::11 {names}\n"
    assert "fd00:20::11" in lab.drover("inspect", "bob").out
    rules = host.command("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
    assert "ip6 saddr fd00:20::/64 masquerade" in rules and "ip6 saddr fd00:21::/64" not in rules, rules

    host.command("ip", "-n", namespace, "address", "add", "fd00:99::1/64", "dev", lab.bridge("side")["ifname"])
    lab.replace('ip6: "fd00:20::11"', 'ip6: "fd00:20::12"')
    plan = json.dumps(lab.plan(), ensure_ascii=False)
    assert '"fd00:99::1/64"' in plan and '"fd00:20::12"' in plan, plan
    assert "vm 'bob' takes its new address on network 'lan' when it renews its lease" in plan, plan
    lab.drover("up")
    assert "fd00:99::1" not in host.command("ip", "-n", namespace, "-6", "-brief", "address")
    assert "fd00:20::12" in host.command(*inside, "-type=aaaa", "bob", "10.20.0.1")
    lab.assert_satisfied()
    rules = host.command("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
    assert "ip6 saddr != fd00:20::12 ip6 saddr != fd00:20::11 drop" in rules, rules  # it has the old one until it renews it
    lab.replace(', ip6: "fd00:20::12"', "")
    lab.drover("up")
    assert lab.drover("ip", "bob").out.split("\n")[2].split() == ["bob", "lan", "fd00:20::11", MAC, "lease"]
    assert "10.20.0.11, fd00:20::11 (lease) " in lab.drover("ps").out
    lab.assert_satisfied()


FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode(), end='')"


def test_routed_guest(world):
    """A guest of a routed network and who is outside reach each other, with their own addresses.

    Its first network has no gateway: no default route leads there, and it is reached all the same.
    """
    inside, outside = world.namespace("in"), world.namespace("out")
    join(inside, outside, "up0", "192.0.2.2/24")
    for namespace, address, link in ((inside, "192.0.2.1/24", "up0"), (inside, "2001:db8::1/64", "up0"),
                                     (outside, "2001:db8::2/64", "eth0")):
        namespace.run("ip", "address", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
    outside.run("ip", "route", "add", "10.20.0.0/24", "via", "192.0.2.1")
    outside.run("ip", "route", "add", "fd00:20::/64", "via", "2001:db8::1")
    end = serve(world, outside, "192.0.2.2", "2001:db8::2")
    lab = world.lab("""
networks:
  quiet: {subnet: 10.19.0.0/24, subnet6: "fd00:19::/64", gateway: none}
  far: {subnet: 10.20.0.0/24, subnet6: "fd00:20::/64", mode: routed}
vms:
  one: {<<: *guest, networks: {quiet: {}, far: {ip: 10.20.0.10}}}
""", namespace=inside)
    lab.drover("up")
    ready = {lease["gateway"] for lease in (lab.console("one").ready(), lab.console("one").ready())}
    assert ready == {"none", "10.20.0.1"}, ready

    def addresses():
        shown = lab.shell("one", "ip -6 address | grep -v tentative")
        found = {network: re.search(rf"inet6 (fd00:{network}:\S+)/64", shown) for network in ("19", "20")}
        return all(found.values()) and {network: match.group(1) for network, match in found.items()}

    own = host.wait_until(addresses, "an IPv6 address on each network")["20"]
    assert lab.shell("one", "wget -qO- http://192.0.2.2/") == "the internet sees 10.20.0.10"
    assert lab.shell("one", "wget -qO- 'http://[2001:db8::2]/'") == f"the internet sees {own}"
    for address in "10.20.0.10", f"[{own}]":
        assert outside.run(sys.executable, "-c", FETCH, f"http://{address}/") == "hello from one\n"
    routes = {six: [re.search(r"dev (\S+)", line).group(1) for line in lab.shell("one", f"ip {six} route").splitlines()
                    if line.startswith("default")] for six in ("-4", "-6")}
    assert routes == {"-4": ["eth1"], "-6": ["eth1"]}, routes
    lab.shell("one", "ping -c 1 -W 5 10.19.0.1 && ping6 -c 1 -W 5 fd00:19::1")
    lab.assert_satisfied()
    lab.drover("down", "-t", "0")
    end()
    inside.run("ip", "link", "delete", "up0")
