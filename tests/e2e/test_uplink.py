"""test_uplink.py - the way out of root's private namespaces; interfaces of the host that join a bridge of ours"""

import ipaddress
import os
import sys

import host
from test_foreign import join
from test_user import add_ipv6, make_internet, remove_internet, serve, with_resolver, write_resolver


# Is there somebody who refuses?
KNOCK = """
import socket, sys
with socket.socket() as knocking:
    knocking.settimeout(1)
    try:
        knocking.connect((sys.argv[1], 81))
    except ConnectionRefusedError:
        print("yes")
    except OSError:
        print("no")
"""


def make_root_lab(world, near, text, **options):
    """A lab of root's in a mount namespace of the test's own, where /etc/resolv.conf can be another one."""
    devices = world.devices()
    lab = world.lab(text, prefix=[*devices.prefix, *near.prefix], isolation="private", **options)
    return lab, devices


def outer_link(near, lab):
    """The uplink's end in the namespace that is the host here."""
    (link,) = [link for link in host.links(near.name) if link.get("ifalias") == f"drover:{lab.name}/uplink"]
    return link


def steps(lab):
    plan = lab.drover("plan", "--exit-code", "--format", "json", status=2).json()
    return [(step["kind"], step["action"]) for step in plan["steps"]]


def test_root_uplink(world):
    """A guest of root's reaches what the host reaches, names included; nobody outside begins a connection to it."""
    near, far = make_internet(world)
    near.run("ip", "route", "add", "169.254.0.0/17", "dev", "up0")
    add_ipv6(near, far)
    forwarding6 = ("cat", "/proc/sys/net/ipv6/conf/all/forwarding")
    lab, devices = make_root_lab(world, near, 'networks:\n  lan: {subnet: 10.80.0.0/24, subnet6: "fd00:80::/64"}\n'
                                 "  more: {subnet: 10.81.0.0/24}\n"
                                 "vms:\n  web: {<<: *guest, networks: {lan: {ip: 10.80.0.10}, more: {}}}\n")
    with_resolver(world, lab, "198.51.100.80")
    end = serve(world, far, "198.51.100.80")
    assert ("uplink", "create") in steps(lab)
    lab.drover("up")
    lab.console("web").ready()
    for name in ("198.51.100.80", "example.org"):
        assert lab.shell("web", f"wget -qO- http://{name}/") == "the internet sees 192.0.2.1"
    lab.shell("web", "until ping6 -c 1 -W 1 2001:db8::80; do sleep 1; done", 60)
    assert near.ip_forward() == "1" and near.run(*forwarding6) == "1\n"
    host.wait_until(lambda: "10.81.0." in lab.shell("web", "ip address"), "an address on the second network")
    routes = lab.shell("web", "ip route").splitlines()
    assert [line.split()[2] for line in routes if line.startswith("default")] == ["10.80.0.1"]
    lab.assert_satisfied()

    end_loopback = serve(world, near, "127.0.0.1")
    write_resolver(world, "127.0.0.1")
    assert steps(lab) == [("uplink", "repair"), ("service", "update")]
    lab.drover("up")
    resolves = "nslookup example.org 10.80.0.1 | grep -A 1 example.org"
    assert "127.0.0.1" in lab.shell("web", resolves), "the host's loopback is asked"
    lab.assert_satisfied()
    (forwarder,) = [pid for pid, arguments in host.processes(f"{lab.data}/uplink").items() if " forward " in arguments]
    assert os.stat(f"/proc/{forwarder}").st_uid != 0
    host.end_process(forwarder)
    assert steps(lab) == [("uplink", "repair")]
    lab.drover("up")
    assert "127.0.0.1" in lab.shell("web", resolves)
    end_loopback()
    write_resolver(world, "198.51.100.80")
    lab.drover("up")
    assert host.processes(f"{lab.data}/uplink") == {}
    lab.assert_satisfied()

    link = outer_link(near, lab)
    (outer,) = [ipaddress.ip_interface(line.split()[2]) for line in near.run("ip", "-brief", "-4", "address").splitlines()
                if line.startswith(link["ifname"])]
    assert outer not in ipaddress.ip_network("169.254.0.0/17"), "it clashes with a route of the host"
    inside = [*devices.prefix, "ip", "netns", "exec", f"drover-{lab.name}"]
    host.command(*inside, "ip", "link", "delete", "uplink")
    assert steps(lab) == [("uplink", "repair")]
    lab.drover("up")
    assert lab.shell("web", "wget -qO- http://198.51.100.80/") == "the internet sees 192.0.2.1"
    assert outer_link(near, lab)["ifindex"] != link["ifindex"]
    near.run("nft", "delete", "table", "inet", f"drover-{lab.name}")
    host.command(*inside, "ip", "route", "delete", "default")
    assert steps(lab) == [("uplink", "repair")]
    lab.drover("up")
    assert lab.shell("web", "wget -qO- http://198.51.100.80/") == "the internet sees 192.0.2.1"
    far.run("ip", "route", "add", str(outer.network), "via", "192.0.2.1")
    for namespace, answer in (near, "yes"), (far, "no"):
        assert namespace.run(sys.executable, "-c", KNOCK, str(outer.ip + 1)).strip() == answer
    far.run("ip", "route", "delete", str(outer.network))

    lab.replace('10.80.0.0/24, subnet6: "fd00:80::/64"', '10.80.0.0/24')
    assert steps(lab)[:1] == [("network", "update")] and ("uplink", "repair") in steps(lab)
    lab.drover("up")
    assert "fd" not in near.run("ip", "-6", "-brief", "address", "show", "dev", outer_link(near, lab)["ifname"])
    lab.assert_satisfied()
    lab.replace("lan: {subnet: 10.80.0.0/24}", "lan: {subnet: 10.80.0.0/24, mode: isolated}")
    lab.replace("more: {subnet: 10.81.0.0/24}", "more: {subnet: 10.81.0.0/24, mode: isolated}")
    lab.drover("up")
    assert [link["ifname"] for link in host.links(near.name)] == ["lo", "up0"] and near.ip_forward() == "0"
    assert near.run(*forwarding6) == "0\n"
    lab.assert_satisfied()
    lab.replace("10.80.0.0/24, mode: isolated", "10.80.0.0/24")
    lab.drover("up")
    lab.drover("down", "-t", "0")
    assert lab.leftovers() == [] and near.ip_forward() == "0"
    end()
    remove_internet(near, far)


def test_interface_joins_bridge(world):
    """With `uplink:` an interface of the host joins our bridge and is let go again; one that has addresses is refused."""
    namespace, other, guest = world.namespace(), world.namespace("other"), world.namespace("guest")
    join(namespace, other, "phy0", "192.0.2.2/24")
    join(namespace, other, "phy1", "192.0.2.3/24", "eth1")
    namespace.run("ip", "address", "add", "198.51.100.1/24", "dev", "phy1")
    lab = world.lab("networks:\n  office: {mode: bridge, bridge: office0, uplink: phy1}\n"
                    "vms:\n  web: {<<: *fake, networks: [office]}\n", namespace=namespace, fake=True)
    refused = lab.drover("up", status=3)
    assert "drover.yaml:" in refused.err and "'phy1' has addresses of this host" in refused.err, refused
    lab.replace("uplink: phy1", "uplink: phy9")
    assert "there is no interface 'phy9'" in lab.drover("plan", status=3).err
    lab.replace("uplink: phy9", "uplink: phy0")
    lab.drover("up")
    join(namespace, guest, "tap0", "192.0.2.20/24")
    namespace.run("ip", "link", "set", "tap0", "master", "office0")
    assert guest.run(sys.executable, "-c", KNOCK, "192.0.2.2").strip() == "yes"
    lab.assert_satisfied()
    namespace.run("ip", "link", "set", "phy0", "nomaster")
    assert steps(lab) == [("network", "update")]
    lab.drover("up")
    assert namespace.link("phy0")["master"] == "office0"
    namespace.run("ip", "address", "flush", "dev", "phy1")
    lab.replace("uplink: phy0", "uplink: phy1")
    lab.drover("up")
    assert namespace.link("phy1")["master"] == "office0" and "master" not in namespace.link("phy0")
    lab.drover("down", "-t", "0")
    assert "master" not in namespace.link("phy1") and namespace.link("phy1")["operstate"] == "UP"
    for link in ("phy0", "phy1", "tap0"):
        namespace.run("ip", "link", "delete", link)
