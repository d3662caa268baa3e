"""test_user.py - as an ordinary user: a lab in a user namespace, without any right on the host"""

import json
import itertools
import os
import re
import sys

import host

PAIR = """
networks:
  lan: {subnet: 10.80.0.0/24, mode: isolated}
disks:
  data: {size: 64M}
vms:
  web: {<<: *guest, networks: {lan: {ip: 10.80.0.10}}, disks: [data]}
  client: {<<: *guest, networks: {lan: {ip: 10.80.0.20}}}
"""


def make_lab(world, text, **options):
    """A lab of a new user, with device nodes as an ordinary host has them."""
    devices, user = world.devices(), world.user()
    for name in ("runtime", "share", "cache"):
        user.own(world.make_directory("home", name, mode=0o700))
    roots = {"run": world.path("home/runtime/drover"), "data": world.path("home/share/drover"),
             "cache": world.path("home/cache/drover")}
    environment = {"HOME": world.path("home"), "XDG_RUNTIME_DIR": world.path("home/runtime"),
                   "XDG_DATA_HOME": world.path("home/share"), "XDG_CACHE_HOME": world.path("home/cache"),
                   "DROVER_RUN_DIR": "", "DROVER_DATA_DIR": "", "DROVER_CACHE_DIR": ""}
    lab = world.lab(text, prefix=devices.prefix + user.prefix, environment=environment, roots=roots, **options)
    lab.replace("isolation: private\n", "")  # the default
    return lab, user


def namespace_of(pid, kind="net"):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def test_lab_of_a_user(world):
    """Two guests reach each other by name; each later command finds the namespace again, whoever holds it."""
    lab, user = make_lab(world, PAIR)
    lab.drover("up")
    assert lab.console("web").ready()["address"] == "10.80.0.10"
    assert lab.console("client").ready()["address"] == "10.80.0.20"
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    vms = lab.vms()
    assert {vm["isolation"] for vm in vms.values()} == {"private"}
    for vm in vms.values():
        assert os.stat(f"/proc/{vm['pid']}").st_uid == user.uid
        assert namespace_of(vm["pid"]) == namespace_of(os.getpid()), "QEMU does not stand outside"
    (dnsmasq,) = lab.dnsmasq()
    inside = namespace_of(dnsmasq)
    assert inside != namespace_of(os.getpid()) and namespace_of(dnsmasq, "user") != namespace_of(os.getpid(), "user")
    assert "nothing to do: 2 VMs as the file says" in lab.drover("up").err

    client = vms["client"]["pid"]
    lab.drover("stop", "web")
    assert lab.states() == {"web": "stopped", "client": "running"}
    host.end_process(dnsmasq)
    lab.drover("up")
    assert lab.console("web").ready()["address"] == "10.80.0.10"
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    (dnsmasq,) = lab.dnsmasq()
    assert namespace_of(dnsmasq) == inside, "up has made a second namespace"
    assert lab.pids()["client"] == client

    down = lab.drover("down", "-t", "0")
    assert "kept disk: data" in down.err
    assert lab.leftovers() == [] and not os.path.exists(lab.run_directory)
    modes = [oct(os.stat(path).st_mode & 0o777) for path in (lab.data, os.path.join(lab.data, "disks"))]
    assert modes == ["0o700", "0o700"]


def test_namespace_is_found_without_its_holders(world):
    """With dnsmasq and the supervisor killed, the namespace is found through a QEMU that holds it."""
    lab, _ = make_lab(world, PAIR.replace("*guest", "*fake"), fake=True)
    lab.drover("up")
    pids = lab.pids()
    (dnsmasq,) = lab.dnsmasq()
    inside = namespace_of(dnsmasq)
    for pid in host.processes(lab.name):
        if pid not in pids.values():
            host.end_process(pid)
    assert lab.pids() == pids
    lab.drover("up")
    assert namespace_of(lab.dnsmasq()[0]) == inside and lab.pids() == pids
    lab.drover("up", "--force-recreate", "-t", "0")
    assert namespace_of(lab.dnsmasq()[0]) == inside
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers() == []


SERVERS = """
import http.server, socket, sys, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the internet sees " + self.client_address[0].encode())
    def log_message(self, *_):
        pass
def answer(server):
    while True:
        data, client = server.recvfrom(512)
        question = data[12:data.index(b"\\0", 12) + 5]
        a = question[-4:-2] == b"\\0\\1"
        server.sendto(data[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if a else b"\\0\\0") + b"\\0\\0\\0\\0" + question +
                      (b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton(sys.argv[2]) if a else b""), client)
http.server.HTTPServer.server_bind = __import__("socketserver").TCPServer.server_bind
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[2], 53))
threading.Thread(target=answer, args=(server,), daemon=True).start()
for address, family in zip(sys.argv[2:], (socket.AF_INET, socket.AF_INET6)):
    http.server.HTTPServer.address_family = family
    page = http.server.ThreadingHTTPServer((address, 80), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def serve(world, namespace, *addresses):
    """A web server and a DNS server that knows every name, both at this address; the web server also at one of IPv6."""
    argv = [*namespace.prefix, sys.executable, "-c", SERVERS, world.token, *addresses]
    return world.serve(argv)


def make_internet(world):
    """A host with a default route, and all that lies behind it: 198.51.100.80, which also answers DNS."""
    near, far = world.namespace("host"), world.namespace("internet")
    near.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", far.name)
    for namespace, own in ((near, "192.0.2.1/24"), (far, "192.0.2.2/24")):
        namespace.run("ip", "address", "add", own, "dev", "up0")
        namespace.run("ip", "link", "set", "up0", "up")
    near.run("ip", "route", "add", "default", "via", "192.0.2.2")
    far.run("ip", "address", "add", "198.51.100.80/32", "dev", "lo")
    return near, far


def add_ipv6(near, far):
    """And the internet of IPv6: 2001:db8::80."""
    for namespace, own in (near, "fd00:a::1/64"), (far, "fd00:a::2/64"):
        namespace.run("ip", "-6", "address", "add", own, "dev", "up0", "nodad")
    near.run("ip", "-6", "route", "add", "default", "via", "fd00:a::2")
    far.run("ip", "-6", "address", "add", "2001:db8::80/128", "dev", "lo", "nodad")


def remove_internet(near, far):
    near.run("ip", "link", "delete", "up0")
    far.run("ip", "address", "flush", "dev", "lo", "scope", "global")


def write_resolver(world, address):
    """Whom a lab asks that with_resolver() was called for, from now on."""
    path = world.path("resolv.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"nameserver {address}\n")
    os.chmod(path, 0o644)
    return path


def with_resolver(world, lab, address):
    """Mounts a resolv.conf of the test's own where the lab's commands run; its prefix begins with that place."""
    assert "--mount=" in lab.prefix[1]
    mounts = lab.prefix[:lab.prefix.index("--") + 1]
    host.command(*mounts, "mount", "--bind", write_resolver(world, address), "/etc/resolv.conf")
    return mounts


def test_uplink(world):
    """Guests of a NAT network reach what the host reaches, names included, but not its loopback; those of others do not.

    By pasta, and by slirp4netns where that does not start. Over IPv6 too, as soon as the host has a way out for it.
    """
    near, far = make_internet(world)
    lab, _ = make_lab(world, "networks:\n  lan: {subnet: 10.80.0.0/24, subnet6: 'fd00:80::/64'}\n"
                             "  apart: {subnet: 10.81.0.0/24, subnet6: 'fd00:81::/64', mode: isolated}\n"
                             "vms:\n  web: {<<: *guest, networks: [lan]}\n  far: {<<: *guest, networks: [apart]}\n")
    mounts = with_resolver(world, lab, "198.51.100.80")
    lab.prefix = [*near.prefix, *lab.prefix]
    end_loopback = serve(world, near, "127.0.0.1")
    lab.drover("up")
    lab.console("web").ready()
    lab.console("far").ready()
    for vm in "web", "far":
        host.wait_until(lambda vm=vm: "fd00:8" in lab.shell(vm, "ip -6 address | grep -v tentative"), "an IPv6 address")
    lab.assert_satisfied()

    def assert_way_out():
        assert lab.shell("web", "wget -qO- 'http://[2001:db8::80]/'") == "the internet sees fd00:a::1"
        for name in ("198.51.100.80", "example.org"):
            assert lab.shell("web", f"wget -qO- http://{name}/") == "the internet sees 192.0.2.1"
        for vm, address in (("web", "169.254.2.2"), ("far", "198.51.100.80"), ("far", "[2001:db8::80]")):
            assert "no" in lab.shell(vm, f"timeout 1 wget -qO- 'http://{address}/' 2>/dev/null || echo no")
        lab.assert_satisfied()

    def queue():
        (pid,) = lab.dnsmasq()
        inside = ("nsenter", "--user", "--net", "--preserve-credentials", f"--target={pid}")
        link = host.command(*inside, "ip", "-j", "link", "show", "uplink")
        return json.loads(link)[0]["txqlen"]

    def assert_repaired():
        plan = lab.drover("plan", "--exit-code", "--format", "json", status=2).json()
        assert [(step["kind"], step["action"]) for step in plan["steps"]] == [("uplink", "repair")]
        lab.drover("up")

    add_ipv6(near, far)
    end = serve(world, far, "198.51.100.80", "2001:db8::80")
    assert_repaired()
    assert list(lab.uplinks().values()) == ["pasta"]
    assert_way_out()
    assert queue() == 4000, "packets of guests would be lost by the thousand"
    write_resolver(world, "198.51.100.81")
    assert_repaired()
    (pid,) = lab.uplinks()
    write_resolver(world, "198.51.100.80")
    host.command(*mounts, "mount", "--bind", "/bin/false", "/usr/bin/pasta")
    host.end_process(pid)
    assert_repaired()
    assert list(lab.uplinks().values()) == ["slirp4netns"]
    assert_way_out()
    write_resolver(world, "127.0.0.1")  # which it reads once a second
    names = (f"nslookup n{number}.example.net 10.80.0.1 | grep -A 1 n{number}" for number in itertools.count())
    host.wait_until(lambda: "127.0.0.1" in lab.shell("web", next(names)), "the resolver on the host's loopback is asked")
    lab.replace("lan: {subnet: 10.80.0.0/24,", "lan: {mode: isolated, subnet: 10.80.0.0/24,")
    lab.drover("up")
    assert lab.uplinks() == {}
    lab.assert_satisfied()
    lab.drover("down", "-t", "0")
    assert lab.leftovers() == []
    end()
    end_loopback()
    remove_internet(near, far)


def test_user_without_tun(world):
    """Where /dev/net/tun is closed to the user, the error says what opens it, and nothing is left behind."""
    user = world.user()
    mode = os.stat("/dev/net/tun").st_mode
    lab = world.lab(PAIR.replace("*guest", "*fake"), prefix=user.prefix, fake=True,
                    roots={kind: world.path("home", kind) for kind in ("run", "data", "cache")})
    if mode & 0o006:
        devices = host.Devices(world.path("closed"))
        world.closers.append(devices.close)
        world.ignore.add(devices.holder.pid)
        host.command(*devices.prefix, "chmod", "600", "/dev/net/tun")
        lab.prefix = devices.prefix + user.prefix
    refused = lab.drover("up", status=None)
    assert refused.status in (1, 5) and re.search(r"/dev/net/tun", refused.err), refused
    assert "running" not in lab.states().values()


def test_user_namespace_without_rights(world):
    """Where a user namespace can be made and not be used, as Ubuntu has it, the error leads to doctor."""
    lab, user = make_lab(world, PAIR.replace("*guest", "*fake"), fake=True)
    path = "/proc/self/uid_map"
    refused = lab.drover("up", status=5, wrap=("strace", "-f", "-qq", "-o", "/dev/null", "-P", path, "-e",
                                               "inject=openat:error=EPERM"))
    reason = f"cannot make a user namespace: cannot write '0 {user.uid} 1' to '{path}': Operation not permitted"
    assert reason in refused.err, refused
    assert "'drover doctor' says what opens them" in refused.err and lab.leftovers() == [], refused


def test_host_isolation_needs_root(world):
    """isolation: host as a user is refused as not allowed, before anything is made."""
    lab, _ = make_lab(world, PAIR.replace("*guest", "*fake"), fake=True)
    lab.replace("x-guest:", "isolation: host\nx-guest:")
    refused = lab.drover("up", status=5)
    assert "isolation: private" in refused.err or "root" in refused.err, refused
    assert lab.leftovers() == []
