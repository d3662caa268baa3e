"""test_isolation.py - what keeps guests and networks apart: reach, spoof_check, and nobody who answers in place of our DHCP"""

import re
import socket
import subprocess

import frames
import host
from frames import BROADCAST, arp, ethernet, ipv4, ipv6, udp

ALICE, BOB, EVE = ("02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0e")
MARK = b"the last of the frames"

FORGED = """
networks:
  lan: {{subnet: 10.20.0.0/24, mode: isolated{lan}}}
vms:
  bob: {{<<: *fake, networks: {{lan: {{ip: 10.20.0.11, mac: "%s"}}}}}}
  eve: {{<<: *fake, networks: {{lan: {{ip: 10.20.0.14, mac: "%s"{eve}}}}}}}
""" % (BOB, EVE)

ROUTED = """
networks:
  lan: {subnet: 10.20.0.0/24, gateway: 10.20.0.2, subnet6: "fd00:20::/64"}
  dmz: {subnet: 10.21.0.0/24, gateway: 10.21.0.2, mode: isolated, subnet6: "fd00:21::/64"}
vms:
  router: {<<: *guest, networks: {lan: {ip: 10.20.0.2}, dmz: {ip: 10.21.0.2}}}
  client: {<<: *guest, networks: {lan: {ip: 10.20.0.10, spoof_check: true}}}
  server: {<<: *guest, networks: {dmz: {ip: 10.21.0.10, spoof_check: true}}}
"""


def passed(lab, named, own=EVE):
    """Which of eve's frames reach bob, by name; behind them comes one that always does, with her own MAC."""
    eve, bob = frames.Port(lab, "eve", "lan"), frames.Port(lab, "bob", "lan")
    try:
        for number, frame in enumerate(named.values()):
            eve.send(frame + b"number %02d" % number)
        eve.send(ethernet(own, BROADCAST, 0x88b5, MARK))
        found = b"\n".join(bob.receive_until(MARK))
        return {name for number, name in enumerate(named) if b"number %02d" % number in found}
    finally:
        eve.close()
        bob.close()


def test_forged_addresses(world):
    """With spoof_check a guest sends from its own MAC and addresses only; without it everything gets through."""
    lab = world.lab(FORGED.format(lan="", eve=""), fake=True)
    lab.drover("up")
    neighbour = b"\x88\0\0\0\x20\0\0\0"  # an advertisement, up to the address that it is about
    theirs = bytes.fromhex("fe80000000000000000000fffe00000a")
    ours = bytes.fromhex("fe80000000000000000000fffe00000e")
    discover = b"\x01\x01\x06\0" + b"\0" * 24
    honest = {
        "own ip": ethernet(EVE, BOB, 0x0800, ipv4("10.20.0.14", "10.20.0.11", 17, udp(1, 2, b"x" * 9))),
        "own arp": ethernet(EVE, BROADCAST, 0x0806, arp(EVE, "10.20.0.14", "10.20.0.11")),
        "arp probe": ethernet(EVE, BROADCAST, 0x0806, arp(EVE, "0.0.0.0", "10.20.0.14", 1)),
        "dhcp request": ethernet(EVE, BROADCAST, 0x0800, ipv4("0.0.0.0", "255.255.255.255", 17,
                                                              udp(68, 67, discover + frames.mac(EVE)))),
        "own ip6": ethernet(EVE, BOB, 0x86dd, ipv6("fe80::ff:fe00:e", "fe80::ff:fe00:b", 17, udp(1, 2, b"x" * 9))),
        "own neighbour": ethernet(EVE, BOB, 0x86dd, ipv6("fe80::ff:fe00:e", "ff02::1", 58, neighbour + ours)),
    }
    forged = {
        "mac": ethernet(ALICE, BOB, 0x0800, ipv4("10.20.0.14", "10.20.0.11", 17, udp(1, 2, b"x" * 9))),
        "ip": ethernet(EVE, BOB, 0x0800, ipv4("10.20.0.10", "10.20.0.11", 17, udp(1, 2, b"x" * 9))),
        "no ip": ethernet(EVE, BOB, 0x0800, ipv4("0.0.0.0", "10.20.0.11", 17, udp(1, 2, b"x" * 9))),
        "arp ip": ethernet(EVE, BROADCAST, 0x0806, arp(EVE, "10.20.0.10", "10.20.0.11")),
        "arp mac": ethernet(EVE, BROADCAST, 0x0806, arp(ALICE, "10.20.0.14", "10.20.0.11")),
        "dhcp request": ethernet(EVE, BROADCAST, 0x0800, ipv4("0.0.0.0", "255.255.255.255", 17,
                                                              udp(68, 67, discover + frames.mac(ALICE)))),
        "ip6": ethernet(EVE, BOB, 0x86dd, ipv6("fe80::ff:fe00:a", "fe80::ff:fe00:b", 17, udp(1, 2, b"x" * 9))),
        "neighbour": ethernet(EVE, BOB, 0x86dd, ipv6("fe80::ff:fe00:e", "ff02::1", 58, neighbour + theirs)),
        "tagged ip": ethernet(EVE, BOB, 0x0800, ipv4("10.20.0.10", "10.20.0.11", 17, udp(1, 2, b"x" * 9)), [(0x8100, 0)]),
        "tagged twice": ethernet(EVE, BOB, 0x0800, ipv4("10.20.0.10", "10.20.0.11", 17, udp(1, 2, b"x" * 9)),
                                 [(0x88a8, 5), (0x8100, 0)]),
    }
    assert passed(lab, honest) == set(honest)
    assert passed(lab, forged) == set(forged) - {"tagged ip"}  # our DHCP serves here: see below

    lab.replace(f'"{EVE}"', f'"{EVE}", spoof_check: true')
    plan = lab.drover("plan").out
    assert "update firewall" in plan and "networks.lan.spoof_check: false → true (live)" in plan, plan
    lab.drover("up")
    assert passed(lab, honest) == set(honest)
    assert passed(lab, forged) == set()
    lab.assert_satisfied()


def test_no_other_dhcp(world):
    """Where our DHCP serves, no guest answers in its place, also behind a VLAN tag 0; with `dhcp: false` one may."""
    lab = world.lab(FORGED.format(lan="", eve=""), fake=True)
    lab.drover("up")
    offer = ipv4("10.20.0.14", "255.255.255.255", 17, udp(67, 68, b"\x02\x01\x06\0" + bytes(60)))
    answers = {
        "offer": ethernet(EVE, BROADCAST, 0x0800, offer),
        "offer from another port": ethernet(EVE, BROADCAST, 0x0800,
                                            ipv4("10.20.0.14", "255.255.255.255", 17, udp(4711, 68, b"\x02" + bytes(60)))),
        "offer to one": ethernet(EVE, BOB, 0x0800, ipv4("10.20.0.14", "10.20.0.11", 17, udp(67, 68, b"\x02" + bytes(60)))),
        "tagged": ethernet(EVE, BROADCAST, 0x0800, offer, [(0x8100, 0)]),
        "tagged twice": ethernet(EVE, BROADCAST, 0x0800, offer, [(0x8100, 0), (0x8100, 0)]),
        "tagged otherwise": ethernet(EVE, BROADCAST, 0x0800, offer, [(0x88a8, 0), (0x8100, 0)]),
        "dhcpv6": ethernet(EVE, BROADCAST, 0x86dd, ipv6("fe80::ff:fe00:e", "ff02::1", 17, udp(547, 546, b"\x02" + bytes(60)))),
        "router": ethernet(EVE, BROADCAST, 0x86dd, ipv6("fe80::ff:fe00:e", "ff02::1", 58, b"\x86\0" + bytes(30))),
    }
    question = {"question": ethernet(EVE, BROADCAST, 0x0800, ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, bytes(60))))}
    assert passed(lab, answers) == set() and passed(lab, question) == set(question)
    lab.drover("down", "-t", "0")
    lab.write(FORGED.format(lan=", dhcp: false", eve="").replace("ip: 10.20.0.11, ", "").replace("ip: 10.20.0.14, ", ""))
    lab.drover("up")
    assert passed(lab, answers) == set(answers)


LISTEN = """
import socket
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("192.0.2.2", 4711))
listener.settimeout(20)
print("ready", flush=True)
print(*sorted("%s from %s" % (data.decode(), source[0]) for data, source in (listener.recvfrom(9), listener.recvfrom(9))))
"""
SEND = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hello', (sys.argv[1], 7))"


def test_routed(world):
    """A routed network is reached from outside, and sends with its guests' own addresses; one with NAT does neither."""
    inside, outside = world.namespace("in"), world.namespace("out")
    host.command("ip", "-n", inside.name, "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", outside.name)
    for namespace, link, own in ((inside, "up0", "192.0.2.1/24"), (outside, "up1", "192.0.2.2/24")):
        namespace.run("ip", "address", "add", own, "dev", link)
        namespace.run("ip", "link", "set", link, "up")
    outside.run("ip", "route", "add", "10.0.0.0/8", "via", "192.0.2.1")
    lab = world.lab("""
networks: {far: {subnet: 10.20.0.0/24, mode: routed, subnet6: "fd00:20::/64"}, lan: {subnet: 10.21.0.0/24}}
vms: {one: {<<: *fake, networks: {far: {ip: 10.20.0.10}, lan: {ip: 10.21.0.10}}}}
""", namespace=inside, fake=True)
    advertised = ("-6", "route", "add", "default", "via", "fe80::1", "dev", "up0", "proto", "ra")
    host.command("ip", "-n", inside.name, *advertised)
    up = lab.drover("up", status=1)
    assert "this host has its way out from router advertisements on 'up0'" in up.err and "accept_ra=2" in up.err, up
    host.command("ip", "-n", inside.name, "-6", "route", "delete", "default")
    lab.drover("up")
    forwarding = ("cat", "/proc/sys/net/ipv6/conf/all/forwarding")
    assert inside.run(*forwarding) == "1\n"
    links = host.links(inside.name)
    ports = {name: frames.Port(lab, "one", name, links) for name in ("far", "lan")}

    outside.run("python3", "-c", SEND, "10.20.0.10")
    outside.run("python3", "-c", SEND, "10.21.0.10")
    ports["far"].receive_until(b"\0\0\0\0\0\0" + socket.inet_aton("10.20.0.10"))  # this host asks whose address it is
    inside.run("python3", "-c", SEND, "10.21.0.99")
    before = ports["lan"].receive_until(b"\0\0\0\0\0\0" + socket.inet_aton("10.21.0.99"))
    assert not any(socket.inet_aton("10.21.0.10") in frame for frame in before), before

    macs = {link.get("ifalias", "").rpartition("/")[2]: link["address"] for link in links if "linkinfo" in link
            and link["linkinfo"].get("info_kind") == "bridge"}
    with subprocess.Popen([*outside.prefix, "python3", "-c", LISTEN], stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout.readline() == "ready\n"
        for name, own in (("far", "10.20.0.10"), ("lan", "10.21.0.10")):
            ports[name].send(ethernet(lab.spec("one")["macs"][name], macs[name], 0x0800,
                                      ipv4(own, "192.0.2.2", 17, udp(5, 4711, name.encode()))))
        assert listener.stdout.readline() == "far from 10.20.0.10 lan from 192.0.2.1\n"
    for port in ports.values():
        port.close()
    lab.drover("down", "-t", "0")
    assert inside.run(*forwarding) == "0\n"
    inside.run("ip", "link", "delete", "up0")


def test_router_and_reach(world):
    """A VM routes between two networks, which this host does not; `reach` opens the way over this host, in one direction."""
    lab = world.lab(ROUTED)
    lab.drover("up")
    for name in ("router", "client", "server"):
        lab.console(name).ready()
    lab.console("router").ready()
    ask, try_once = "wget -qO- http://{}/", "timeout 1 wget -qO- http://{}/ 2>/dev/null || echo none"
    assert lab.shell("client", try_once.format("10.21.0.10")) == "none\n"
    lab.shell("router", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert lab.shell("client", ask.format("10.21.0.10")) == "hello from server\n"
    assert lab.shell("server", ask.format("10.20.0.10")) == "hello from client\n"

    lab.shell("router", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    lab.shell("client", "ip route add 10.21.0.0/24 via 10.20.0.254")
    lab.shell("server", "ip route add 10.20.0.0/24 via 10.21.0.254")
    assert lab.shell("client", try_once.format("10.21.0.10")) == "none\n"
    lab.replace("gateway: 10.20.0.2", "gateway: 10.20.0.2, reach: [dmz]")
    assert "update firewall" in lab.drover("plan").out
    lab.drover("up")
    for name in ("client", "server"):
        lab.shell(name, "killall -USR1 udhcpc")
        lab.console(name).ready()
    routes = lab.shell("client", "ip route")
    assert "10.21.0.0/24 via 10.20.0.254" in routes and "default via 10.20.0.2" in routes, routes
    assert lab.shell("client", ask.format("10.21.0.10")) == "hello from server\n"
    assert lab.shell("server", try_once.format("10.20.0.10")) == "none\n"

    own = {name: re.search(r"inet6 (fd00:\S+)/64", lab.shell(name, "ip -6 address")).group(1) for name in ("client", "server")}
    assert lab.vms()["server"]["addresses"][0].get("ip6") in (None, own["server"])
    lab.shell("client", f"until ping6 -c 1 -W 1 {own['server']}; do sleep 1; done", 60)
    assert "0 packets received" in lab.shell("server", f"ping6 -c 1 -W 1 {own['client']} || true")
    lab.assert_satisfied()


def test_line_between_two(world):
    """A network without an address of this host is a line between its VMs: what one sends the other gets, and nobody else."""
    lab = world.lab("""
networks: {line: {subnet: 10.9.0.0/30, host_ip: none, gateway: none}, lan: {subnet: 10.20.0.0/24, dhcp: false}}
vms:
  bob: {<<: *fake, networks: {lan: {network: line, mac: "%s"}}}
  eve: {<<: *fake, networks: {lan: {network: line, mac: "%s"}, far: {network: lan}}}
  far: {<<: *fake, networks: [lan]}
""" % (BOB, EVE), fake=True)
    lab.drover("up")
    assert lab.bridge("line")["ifname"] not in lab.dnsmasq_config()
    assert "inet " not in host.command("ip", "-n", f"drover-{lab.name}", "address", "show", lab.bridge("line")["ifname"])
    sent = {"tagged": ethernet(EVE, BROADCAST, 0x0800, b"x" * 40, [(0x8100, 7)]),
            "offer": ethernet(EVE, BROADCAST, 0x0800, ipv4("10.9.0.1", "255.255.255.255", 17, udp(67, 68, bytes(60))))}
    assert passed(lab, sent) == set(sent)
    eve, far = frames.Port(lab, "eve", "far"), frames.Port(lab, "far", "lan")
    eve.send(ethernet(EVE, BROADCAST, 0x88b5, MARK))
    assert not any(b"number" in frame for frame in far.receive_until(MARK))
    lab.assert_satisfied()


def test_what_runs_is_guarded(world):
    """A VM that left the file keeps its rules while it runs; one that is to have another MAC is judged by what it has."""
    vault = "  vault: {subnet: 10.30.0.0/24, mode: isolated}\n", "  hid: {<<: *fake, networks: [vault]}\n"
    text = FORGED.format(lan="", eve=", spoof_check: true")
    lab = world.lab(text.replace("vms:\n", vault[0] + "vms:\n" + vault[1]), fake=True)
    lab.drover("up")
    inside = ("ip", "netns", "exec", f"drover-{lab.name}", "nft", "list", "ruleset")
    bridge = lab.bridge("vault")["ifname"]

    def frames_of(mac, ip):
        return {f"{mac} {ip}": ethernet(mac, BROADCAST, 0x0800, ipv4(ip, "10.20.0.11", 17, udp(1, 2, b"x" * 9)))}

    own, other = frames_of(EVE, "10.20.0.14"), frames_of(ALICE, "10.20.0.14")
    forged = {**frames_of(EVE, "10.20.0.10"), **other}
    with open(lab.file, encoding="utf-8") as file:
        whole = file.read()
    without = whole[:whole.index("  eve:")].replace(vault[0], "").replace(vault[1], "")
    lab.write(without, header=False)
    up = lab.drover("up").err
    assert "vm 'eve' is kept" in up and "firewall" not in up, up
    assert passed(lab, {**own, **forged}) == set(own)
    assert f'iifname "{bridge}" drop' in host.command(*inside), "an isolated network that left the file is isolated"
    assert len(lab.dnsmasq()) == 1 and f"interface={bridge}\n" in lab.dnsmasq_config()
    lab.assert_satisfied()

    lab.write(whole.replace(EVE, ALICE), header=False)
    lab.drover("up")
    assert passed(lab, {**own, **forged}) == set(own)
    lab.drover("restart", "-t", "0", "eve")
    assert passed(lab, {**own, **forged}, ALICE) == set(other)
    lab.assert_satisfied()

    lab.write(without, header=False)
    lab.drover("up", "--remove-orphans", "-t", "0")
    assert "from-" not in host.command(*inside) and bridge not in host.command(*inside) + lab.dnsmasq_config()
    assert lab.bridge("vault") is None
    lab.assert_satisfied()
