"""test_foreign.py - beside firewalls that drop what they do not know: Docker's, firewalld's, an administrator's own

What stands for a guest is a namespace on the lab's bridge: no guest is booted.
"""

import sys

import host

RULES = """
table ip filter {
    chain DOCKER-USER {
        counter return
    }
    chain FORWARD {
        type filter hook forward priority filter; policy drop
        jump DOCKER-USER
    }
    chain INPUT {
        type filter hook input priority filter; policy drop
        ct state established,related accept
        iifname "lo" accept
    }
}
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept
        ct state established,related accept
        counter reject with icmpx admin-prohibited
    }
}
table inet strict {
    chain forward {
        type filter hook forward priority filter + 20; policy drop
        ct state established,related accept
    }
}
table ip6 closed {
    chain INPUT {
        type filter hook input priority filter; policy drop
        ct state established,related accept
        iifname { "lo", "up0" } accept
    }
}
table inet harmless {
    chain forward {
        type filter hook forward priority filter + 30; policy accept
    }
}
"""

# A name of the lab, asked for at its DNS; then a connection to the other host.
TRY = """
import socket, sys
labels = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split("."))
question = b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + labels + b"\\0\\0\\1\\0\\1"
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(1)
try:
    asking.sendto(question, ("10.83.0.1", 53))
    print("name", socket.inet_ntoa(asking.recv(512)[-4:]))
except OSError:
    print("no name")
for address in "192.0.2.2", "2001:db8::2":
    try:
        socket.create_connection((address, 80), 1)
        print("connected")
    except ConnectionRefusedError:
        print("refused by the other host")
    except OSError:
        print("no way")
"""

OPEN = ["name 10.83.0.10", "refused by the other host", "refused by the other host"]
CLOSED = ["no name", "no way", "no way"]


def rules(namespace):
    return namespace.run("nft", "list", "ruleset")


def marks(namespace, lab):
    return sorted(line.strip() for line in rules(namespace).splitlines() if f'comment "drover:{lab.name}/' in line)


def join(namespace, other, link, address, far="eth0"):
    """A pair of links between two namespaces; the far end has the address."""
    namespace.run("ip", "link", "add", link, "type", "veth", "peer", "name", far, "netns", other.name)
    namespace.run("ip", "link", "set", link, "up")
    other.run("ip", "address", "add", address, "dev", far)
    other.run("ip", "link", "set", far, "up")


def make_hosts(world):
    """A host with a firewall, and another one that it reaches over IPv4 and IPv6."""
    namespace, other = world.namespace(), world.namespace("other")
    join(namespace, other, "up0", "192.0.2.2/24")
    namespace.run("ip", "address", "add", "192.0.2.1/24", "dev", "up0")
    for own, address, link in (namespace, "2001:db8::1/64", "up0"), (other, "2001:db8::2/64", "eth0"):
        own.run("ip", "address", "add", address, "dev", link, "nodad")
    namespace.run("ip", "-6", "route", "add", "default", "via", "2001:db8::2")
    namespace.run("nft", RULES)
    return namespace


def test_beside_other_firewalls(world):
    """Rules of ours go where others would drop, come back when they are lost, and go with down; nothing else is touched."""
    namespace, guest = make_hosts(world), world.namespace("guest")
    before = rules(namespace)
    lab = world.lab("networks:\n  lan: {subnet: 10.83.0.0/24, bridge: lan0, subnet6: 'fd00:83::/64'}\n"
                    "vms:\n  web: {<<: *fake, networks: {lan: {ip: 10.83.0.10}}}\n", namespace=namespace, fake=True)
    lab.drover("up")
    join(namespace, guest, "tap0", "10.83.0.20/24")
    namespace.run("ip", "link", "set", "tap0", "master", "lan0")
    guest.run("ip", "route", "add", "default", "via", "10.83.0.1")
    guest.run("ip", "address", "add", "fd00:83::20/64", "dev", "eth0", "nodad")
    guest.run("ip", "-6", "route", "add", "default", "via", "fd00:83::1")

    def attempt():
        return guest.run(sys.executable, "-c", TRY, f"web.{lab.name}.test").splitlines()

    assert attempt() == OPEN
    assert len(marks(namespace, lab)) == 2 + 2 + 2 + 3 + 5, rules(namespace)
    docker = namespace.run("nft", "list", "chain", "ip", "filter", "DOCKER-USER")
    assert f'oifname "lan0" accept comment "drover:{lab.name}/lan0 out"' in docker
    assert "drover" not in namespace.run("nft", "list", "table", "inet", "harmless")
    assert "inet strict forward" in lab.drover("doctor", status=None, environment={"DROVER_QEMU": ""}).out
    lab.assert_satisfied()

    namespace.run("nft", "flush ruleset; " + RULES)
    assert attempt() == CLOSED
    plan = lab.drover("plan", "--exit-code", "--format", "json", status=2).json()
    assert "firewall" in [step["kind"] for step in plan["steps"]]
    lab.drover("up")
    assert attempt() == OPEN
    namespace.run("nft", "delete", "table", "inet", "strict")
    lab.assert_satisfied()
    namespace.run("nft", "chain ip filter FORWARD { policy accept; }")
    lab.drover("up")
    assert "drover" not in namespace.run("nft", "list", "chain", "ip", "filter", "DOCKER-USER")
    namespace.run("nft", "flush ruleset; " + RULES)
    lab.drover("up")
    lab.drover("down", "-t", "0")
    assert rules(namespace) == before
    namespace.run("nft", "flush", "ruleset")
    namespace.run("ip", "link", "delete", "tap0")
    namespace.run("ip", "link", "delete", "up0")


def test_uplink_beside_docker(world):
    """The uplink of a private namespace of root's gets through as well."""
    namespace = make_hosts(world)
    before = rules(namespace)
    lab = world.lab("networks:\n  lan: {subnet: 10.83.0.0/24, subnet6: 'fd00:83::/64'}\n"
                    "vms:\n  web: {<<: *fake, networks: [lan]}\n",
                    namespace=namespace, isolation="private", fake=True)
    lab.drover("up")
    inside = ["ip", "netns", "exec", f"drover-{lab.name}", sys.executable, "-c", TRY, "web.test"]
    assert host.command(*inside).splitlines()[1:] == OPEN[1:]
    namespace.run("nft", "flush ruleset; " + RULES)
    plan = lab.drover("plan", "--exit-code", "--format", "json", status=2).json()
    assert [(step["kind"], step["action"]) for step in plan["steps"]] == [("uplink", "repair")]
    lab.drover("up")
    assert host.command(*inside).splitlines()[1:] == OPEN[1:]
    lab.drover("down", "-t", "0")
    assert rules(namespace) == before
    namespace.run("nft", "flush", "ruleset")
    namespace.run("ip", "link", "delete", "up0")
