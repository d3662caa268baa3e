"""test_host.py - isolation: host, in a namespace of the test's own: what is not ours is left alone, ip_forward, clashes"""

import json

import host
import resolved
import systemd

NAT = """
networks:
  lan: {subnet: 10.60.0.0/24}
vms:
  one: {<<: *fake, networks: [lan]}
"""


def test_foreign_link_of_our_name(world):
    """A link that has the bridge's name and is not ours is refused with its name, and stays as it was."""
    namespace = world.namespace()
    for kind, add in (("tap", "tuntap add br-lab mode tap"), ("bridge", "link add br-lab type bridge")):
        namespace.run("ip", *add.split())
        namespace.run("sysctl", "-qw", "net.ipv6.conf.br-lab.disable_ipv6=1")  # its address would come at some later time
        namespace.run("ip", "link", "set", "br-lab", "address", "02:11:22:33:44:55", "alias", "mine", "up")
        host.wait_until(lambda: "NO-CARRIER" in namespace.link("br-lab")["flags"] and
                        namespace.link("br-lab")["operstate"] == "DOWN", "the kernel has seen that nothing is behind br-lab")
        before = namespace.snapshot()
        lab = world.lab(NAT.replace("lan: {", "lan: {bridge: br-lab, "), name=kind, namespace=namespace, fake=True)
        for verb in ("plan", "up"):
            refused = lab.drover(verb, status=1)
            assert "cannot make bridge 'br-lab' for network 'lan': a link of that name exists and is not ours" in refused.err
        lab.drover("down", "-v", "-y")
        assert namespace.snapshot() == before
        namespace.run("ip", "link", "delete", "br-lab")
        lab.drover("up")
        assert namespace.link("br-lab")["ifalias"] == f"drover:{lab.name}/lan"
        lab.drover("down", "-v", "-y", "-t", "0")
        assert namespace.link("br-lab") is None


def test_external_bridge(world):
    """An external bridge is joined, never made, changed or removed."""
    namespace = world.namespace()
    lab = world.lab("networks:\n  office: {mode: bridge, bridge: br0, external: true}\n"
                    "vms:\n  one: {<<: *fake, networks: [office]}\n", namespace=namespace, fake=True)
    refused = lab.drover("up", status=3)
    assert "drover.yaml:" in refused.err and "there is no bridge 'br0' for network 'office', which is external" in refused.err
    namespace.run("ip", "link", "add", "br0", "type", "bridge")
    namespace.run("ip", "link", "set", "br0", "up")
    before = {key: namespace.link("br0").get(key) for key in ("ifindex", "address", "ifalias", "group", "mtu")}
    lab.drover("up")
    assert [link["master"] for link in json.loads(namespace.run("ip", "-json", "link", "show", "master", "br0"))] == ["br0"]
    assert {key: namespace.link("br0").get(key) for key in before} | {"address": ""} == before | {"address": ""}
    lab.assert_satisfied()
    lab.drover("down", "-v", "-y", "-t", "0")
    assert namespace.link("br0")["ifindex"] == before["ifindex"]
    namespace.run("ip", "link", "delete", "br0")


def test_two_projects_share_ip_forward(world):
    """Each has a NAT table of its own; forwarding is switched on, and goes back when the last of them goes."""
    namespace = world.namespace()
    first = world.lab(NAT, name="a", namespace=namespace, fake=True)
    second = world.lab(NAT.replace("10.60", "10.61"), name="b", namespace=namespace, fake=True)
    first.drover("up")
    assert namespace.ip_forward() == "1"
    second.drover("up")
    tables = namespace.run("nft", "list", "tables").split("\n")
    assert f"table inet drover-{first.name}" in tables and f"table inet drover-{second.name}" in tables
    assert "masquerade" in namespace.run("nft", "list", "table", "inet", f"drover-{first.name}")
    assert len(first.dnsmasq()) == len(second.dnsmasq()) == 1
    first.drover("down", "-t", "0")
    assert namespace.ip_forward() == "1" and set(second.states().values()) == {"running"}
    assert namespace.run("nft", "list", "tables", "inet").split() == ["table", "inet", f"drover-{second.name}"]
    second.assert_satisfied()
    second.drover("down", "-t", "0")
    assert namespace.ip_forward() == "0" and namespace.run("nft", "list", "tables") == ""


def test_forwarding_that_was_on_stays_on(world):
    """ip_forward that the host had set itself is not taken away."""
    namespace = world.namespace()
    namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    namespace.before = namespace.snapshot()
    lab = world.lab(NAT, namespace=namespace, fake=True)
    lab.drover("up")
    lab.drover("down", "-v", "-y", "-t", "0")
    assert namespace.ip_forward() == "1"


def test_subnet_that_the_host_has(world):
    """A subnet that a route of the host covers is refused with the interface; auto takes a free one and keeps it."""
    namespace = world.namespace()
    namespace.run("ip", "link", "add", "vpn0", "type", "bridge")
    namespace.run("sysctl", "-qw", "net.ipv6.conf.vpn0.disable_ipv6=1")  # its address of IPv6 would come later, at some time
    namespace.run("ip", "address", "add", "10.60.0.5/16", "dev", "vpn0")
    namespace.run("ip", "link", "set", "vpn0", "up")
    namespace.run("ip", "-6", "route", "add", "fd00:60::/60", "dev", "lo")
    namespace.before = namespace.snapshot()
    lab = world.lab(NAT, namespace=namespace, fake=True)
    for verb in ("plan", "up"):
        refused = lab.drover(verb, status=3)
        assert "subnet 10.60.0.0/24 of network 'lan' is in use on this host: 10.60.0.0/16 goes to interface 'vpn0'" \
            in refused.err, refused
        assert "drover.yaml:" in refused.err
    lab.replace("subnet: 10.60.0.0/24", 'subnet: auto, subnet6: "fd00:60:0:1::/64"')
    refused = lab.drover("plan", status=3)
    assert "subnet6 fd00:60:0:1::/64 of network 'lan' is in use on this host: fd00:60::/60 goes to interface 'lo'" \
        in refused.err, refused
    assert "10.60" not in refused.err
    lab.replace("fd00:60:0:1::/64", "fd00:60:0:10::/64")
    lab.drover("up")
    kept = json.loads(lab.drover("inspect", "network/lan", "--format", "json").out)["observed"]["subnet"]
    assert kept.endswith("/24") and not kept.startswith("10.60.")
    lab.drover("down", "-t", "0")
    lab.drover("up")
    assert json.loads(lab.drover("inspect", "network/lan", "--format", "json").out)["observed"]["subnet"] == kept


def test_host_reaches_guest(world):
    """With isolation: host the guest is reached from the host, and both projects' guests are served."""
    namespace = world.namespace()
    lab = world.lab("networks:\n  lan: {subnet: 10.62.0.0/24}\nvms:\n  web: {<<: *guest, networks: {lan: {ip: 10.62.0.10}}}\n",
                    namespace=namespace)
    lab.drover("up")
    fetch = "import urllib.request as u; print(end=u.urlopen('http://10.62.0.10/', timeout=10).read().decode())"
    ready = lab.console("web").ready()
    assert ready["address"] == "10.62.0.10" and ready["gateway"] == "10.62.0.1", ready
    assert namespace.run("python3", "-c", fetch) == "hello from web\n"
    assert lab.drover("ps").out.split("\n")[1].split()[:4] == ["web", "running", "10.62.0.10", "host"]
    lab.drover("down", "-t", "0")


def test_names_on_this_host(world):
    """`ip --resolved` tells systemd-resolved of each network with names; where it does not run, it prints lines for hosts."""
    bus = resolved.Resolved(world.path("bus"))
    world.closers.append(bus.close)
    world.ignore.add(bus.holder.pid)
    namespace = world.namespace()
    text = """
networks:
  lan: {subnet: 10.63.0.0/20, subnet6: "fd00:63::/64", domain: lab.test}
  quiet: {subnet: 10.64.0.0/24, host_ip: none}
vms: {one: {<<: *fake, networks: {lan: {ip: 10.63.0.10, aliases: [uno]}, quiet: {}}}}
"""
    lab = world.lab(text, namespace=namespace, prefix=bus.prefix, fake=True)
    assert "no network of project" in lab.drover("ip", "--resolved", status=6).err
    lab.drover("up")
    bus.calls.clear()  # also busctl's own, of others
    assert "resolve on this host until 'drover down'" in lab.drover("ip", "--resolved").err
    bridge, = (link["ifindex"] for link in host.links(namespace.name) if link.get("ifalias") == f"drover:{lab.name}/lan")
    zones = [("lab.test", False), ("63.10.in-addr.arpa", True), ("0.0.0.0.0.0.0.0.3.6.0.0.0.0.d.f.ip6.arpa", True)]
    manager = "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager"
    assert bus.calls == [(*manager, "SetLinkDNS", "ia(iay)", resolved.links_dns(bridge, "10.63.0.1")),
                         (*manager, "SetLinkDomains", "ia(sb)", resolved.links_domains(bridge, zones)),
                         (*manager, "SetLinkDefaultRoute", "ib", bridge.to_bytes(4, "little") + bytes(4)),
                         (*manager, "SetLinkDNSSEC", "is", bridge.to_bytes(4, "little") + b"\2\0\0\0no\0")]
    bus.refuse = True
    refused = lab.drover("ip", "--resolved", status=1).err
    assert "cannot tell systemd-resolved of network 'lan'" in refused and "Link is managed" in refused, refused
    lab.prefix = namespace.prefix
    printed = lab.drover("ip", "--resolved")
    assert printed.out == "10.63.0.10 one.lab.test one uno\n" and "/etc/hosts" in printed.err, printed
    lab.prefix = [*namespace.prefix, *bus.prefix]
    lab.drover("down", "-t", "0")
    other = world.lab(text, name="b", prefix=bus.prefix, fake=True)
    assert "which this host does not reach" in other.drover("ip", "--resolved", status=1).err


def test_isolation_changed_while_up(world):
    """Changing isolation needs a down first; the running lab is still found and can be taken down."""
    namespace = world.namespace()
    lab = world.lab(NAT, namespace=namespace, fake=True)
    lab.drover("up")
    lab.replace("isolation: host", "isolation: private")
    refused = lab.drover("up", status=1)
    assert "runs with 'isolation: host'" in refused.err and "drover down" in refused.err, refused
    assert lab.states() == {"one": "running"}
    lab.drover("down", "-t", "0")
    assert lab.leftovers() == []


def test_scopes_of_systemd(world):
    """Where systemd runs, what outlives drover is given to it before it executes anything, each with a unit of its own."""
    manager = systemd.Systemd(world.path("systemd"))
    world.closers.append(manager.close)
    world.ignore.add(manager.holder.pid)
    lab = world.lab(NAT, namespace=world.namespace(), prefix=manager.prefix, fake=True)
    lab.drover("up")
    (dnsmasq,), (supervisor,), (vm,) = lab.dnsmasq(), lab.supervisors(), lab.pids().values()
    asked = {unit.removeprefix(f"drover-{lab.name}-").rsplit("-", 1)[0]: move for unit, move in manager.asked.items()}
    assert set(asked) == {"one", "dnsmasq", "supervisor"}
    assert asked["one"][0] == vm and asked["supervisor"][0] == supervisor
    assert asked["dnsmasq"][0] != dnsmasq, "it puts itself into the background, and is in the scope of its parent"
    assert {program for _, program in asked.values()} == {world.programs.drover}

    manager.asked.clear()
    lab.drover("restart", "-t", "0")
    assert [unit.rsplit("-", 1)[0] for unit in manager.asked] == [f"drover-{lab.name}-one"]
    assert lab.pids()["one"] != vm


def test_scope_that_is_refused(world):
    """systemd that hangs up costs the VM its scope, and nothing else."""
    manager = systemd.Systemd(world.path("systemd"))
    world.closers.append(manager.close)
    world.ignore.add(manager.holder.pid)
    manager.close_at_once = True
    lab = world.lab(NAT, namespace=world.namespace(), prefix=manager.prefix, fake=True,
                    environment={"DROVER_TRACE": world.path("trace")})
    lab.drover("up")
    assert lab.states() == {"one": "running"} and not manager.asked
    with open(world.path("trace"), encoding="utf-8") as file:
        assert file.read().count(" is in no scope: ") == 3
