"""test_ports.py - published ports: from the host into guests, changed while both run, repaired, refused where they are taken"""

import os
import signal
import subprocess
import sys

import host
from test_foreign import join
from test_user import make_lab

# A guest's address on the lo of the project's namespace, and somebody who listens there: for what needs no guest.
FAKE = """
networks:
  lan: {subnet: 10.81.0.0/24, mode: isolated}
vms:
  web: {<<: *fake, networks: {lan: {ip: 10.81.0.10}}, ports: [PORTS]}
"""

SERVE = """
import socket, sys, threading
def tcp(port):
    listener = socket.create_server(("10.81.0.10", port))
    while True:
        connection, _ = listener.accept()
        def echo(connection=connection):
            while data := connection.recv(4096):
                connection.sendall(b"tcp %d " % port + data)
        threading.Thread(target=echo, daemon=True).start()
def udp(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("10.81.0.10", port))
    while True:
        data, client = server.recvfrom(4096)
        server.sendto(b"udp %d " % port + data, client)
for word in sys.argv[2:]:
    kind, port = word.split(":")
    threading.Thread(target={"tcp": tcp, "udp": udp}[kind], args=(int(port),), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

ASK = """
import socket, sys
kind, address, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as client:
    client.settimeout(10)
    client.connect((address, int(port)))
    client.send(b"hello")
    print(client.recv(4096).decode(), end="")
"""

FETCH = "import sys, urllib.request as u; print(end=u.urlopen(sys.argv[1], timeout=20).read().decode())"


def ask(namespace, kind, port, address="127.0.0.1"):
    return namespace.run(sys.executable, "-c", ASK, kind, address, str(port))


def is_open(namespace, port, address="127.0.0.1"):
    try:
        ask(namespace, "tcp", port, address)
    except AssertionError as reason:
        assert "Connection refused" in str(reason) or "reset by peer" in str(reason), reason
        return False
    return True


def serve(world, lab, *what, inside=None):
    """Servers at the guest's address, inside the project's namespace; each "tcp:PORT" or "udp:PORT"."""
    inside = inside or ["ip", "netns", "exec", f"drover-{lab.name}"]
    host.command(*inside, "ip", "address", "add", "10.81.0.10/32", "dev", "lo")
    return world.serve([*inside, sys.executable, "-c", SERVE, lab.name, *what])


def forwarders(lab):
    """The pids of this project's forwarder."""
    return [pid for pid, arguments in host.processes(lab.data).items() if f"forward {lab.name} " in arguments]


def make_fake(world, ports):
    namespace = world.namespace()
    return namespace, world.lab(FAKE.replace("PORTS", ports), namespace=namespace, isolation="private", fake=True)


def test_page_of_a_guest(world):
    """A page of a guest through a port of the host, in both families; the forwarder runs as QEMU's user; down ends it."""
    namespace = world.namespace()
    lab = world.lab("vms:\n  web: {<<: *guest, ports: ['8080:80']}\n", namespace=namespace, isolation="private")
    plan = lab.plan()
    (step,) = [step for step in plan["steps"] if step["kind"] == "ports"]
    assert step["action"] == "create" and [change["key"] for change in step["changes"]] == ["0.0.0.0:8080/tcp"]
    lab.drover("up")
    ready = lab.console("web").ready()
    assert step["changes"][0]["to"] == f"{ready['address']}:80", "the address is chosen before the VM has one"
    for url in ("http://127.0.0.1:8080/", "http://[::1]:8080/"):
        assert namespace.run(sys.executable, "-c", FETCH, url) == "hello from web\n"
    (pid,) = forwarders(lab)
    assert os.stat(f"/proc/{pid}").st_uid != 0
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert int(lines["CapEff"], 16) == int(lines["CapPrm"], 16) == 0 and lines["NoNewPrivs"] == "1"
    assert lab.drover("port", "web", "80").out == "0.0.0.0:8080\n[::]:8080\n"
    assert ["web", "0.0.0.0:8080/tcp", f"{ready['address']}:80", "open"] in \
        [line.split() for line in lab.drover("port").out.split("\n")]
    assert "8080->80/tcp" in lab.drover("ps").out
    assert {port["host"]: port["open"] for port in lab.vms()["web"]["ports"]} == {"0.0.0.0:8080": True, "[::]:8080": True}
    lab.drover("port", "web", "81", status=6)
    lab.drover("port", "web", "http", status=4)
    lab.assert_satisfied()
    lab.drover("down", "-t", "0")
    assert forwarders(lab) == [] and not is_open(namespace, 8080)
    assert "closed" in lab.drover("port", "web").out


def test_changed_while_it_runs(world):
    """Ports come and go beside a connection that stays; ranges, UDP, one address; no VM is touched."""
    namespace, lab = make_fake(world, "'8080:80'")
    lab.drover("up")
    end = serve(world, lab, "tcp:80", "tcp:81", "tcp:82", "udp:53")
    pids = lab.pids()
    (forwarder,) = forwarders(lab)
    assert ask(namespace, "tcp", 8080) == "tcp 80 hello"
    twice = ASK.replace('print(client', 'client.recv(4096); print("here", flush=True)\n'
                        '    sys.stdin.readline(); client.send(b"again"); print(client')
    stays = subprocess.Popen([*namespace.prefix, sys.executable, "-c", twice, "tcp", "127.0.0.1", "8080"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    world.children.append(stays)
    assert stays.stdout.readline() == "here\n"

    lab.replace("'8080:80'", "'9000-9002:80-82', '127.0.0.1:5353:53/udp'")
    lab.drover("up")
    assert [ask(namespace, "tcp", port) for port in (9000, 9001, 9002)] == [f"tcp {port} hello" for port in (80, 81, 82)]
    assert ask(namespace, "udp", 5353) == "udp 53 hello"
    assert not is_open(namespace, 8080)
    stays.stdin.write("\n")
    stays.stdin.flush()
    assert stays.stdout.readline() == "tcp 80 again"
    lab.replace("9000-9002:80-82", "9000-9001:81-82")
    lab.drover("up")
    assert [ask(namespace, "tcp", port) for port in (9000, 9001)] == ["tcp 81 hello", "tcp 82 hello"]
    assert not is_open(namespace, 9002)
    assert lab.pids() == pids and forwarders(lab) == [forwarder]
    lab.assert_satisfied()
    lab.replace("'9000-9001:81-82', '127.0.0.1:5353:53/udp'", "")
    lab.drover("up")
    assert forwarders(lab) == [] and lab.pids() == pids
    lab.assert_satisfied()
    end()


def test_killed(world):
    """A forwarder that was killed is seen by plan and comes back with up; a VM that was not asked for publishes nothing."""
    namespace, lab = make_fake(world, "'8080:80'")
    lab.drover("up")
    end = serve(world, lab, "tcp:80")
    (pid,) = forwarders(lab)
    host.end_process(pid)
    plan = lab.drover("plan", "--exit-code", "--format", "json", status=2).json()
    assert [(step["kind"], step["action"]) for step in plan["steps"]] == [("ports", "repair")]
    lab.drover("up")
    assert ask(namespace, "tcp", 8080) == "tcp 80 hello" and forwarders(lab) != [pid]
    end()
    host.end_process(forwarders(lab)[0])
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers(files=True) == []


def test_taken(world):
    """A port that somebody else has is found at plan time, with its place and its holder, and nothing is made."""
    namespace, lab = make_fake(world, "'8080:80', '127.0.0.1:5353:53/udp', '127.0.0.1:9090:90'")
    script = """
import socket, sys
tcp = socket.create_server(("127.0.0.1", 8080))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 5353))
both = socket.create_server(("::", 9090), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
sys.stdin.read()
"""
    holder = subprocess.Popen([*namespace.prefix, sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    world.children.append(holder)
    assert holder.stdout.readline() == "ready\n"
    for verb in ("plan", "up"):
        refused = lab.drover(verb, status=1)
        for port in ("8080/tcp", "5353/udp", "9090/tcp"):
            assert f"ports of vm 'web': port {port} of the host is taken by pid {holder.pid} (python3" in refused.err, refused
        assert "drover.yaml:" in refused.err
    assert lab.leftovers(files=True) == []
    holder.communicate("", timeout=10)
    lab.drover("up")
    lab.assert_satisfied()


def test_user(world):
    """As an ordinary user; ports below 1024 are refused with their place where the host keeps them for root."""
    lab, user = make_lab(world, "vms:\n  web: {<<: *guest, ports: ['8080:80']}\n")
    namespace = world.namespace()
    lab.prefix = [*namespace.prefix, *lab.prefix]
    lab.drover("up")
    lab.console("web").ready()
    assert namespace.run(sys.executable, "-c", FETCH, "http://127.0.0.1:8080/") == "hello from web\n"
    (pid,) = forwarders(lab)
    assert os.stat(f"/proc/{pid}").st_uid == user.uid
    host.end_process(lab.dnsmasq()[0])
    lab.drover("up")
    assert forwarders(lab) == [pid]
    namespace.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=1024")
    lab.replace("8080:80", "80:80")
    refused = lab.drover("plan", status=3)
    assert "port 80/tcp of the host is root's: yours begin at 1024" in refused.err, refused


def test_user_all_kinds(world):
    """An ordinary user's: ranges, UDP, one address, IPv6; taken ones are found by plan; changed while it runs."""
    ports = "'9000-9001:80-81', '127.0.0.1:5353:53/udp', '[::1]:8082:80', '8083:80'"
    lab, user = make_lab(world, FAKE.replace("PORTS", ports), fake=True)
    namespace = world.namespace()
    namespace.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    lab.prefix = [*namespace.prefix, *lab.prefix]
    script = 'import socket, sys; s = socket.create_server(("127.0.0.1", 8083)); print("ready", flush=True); sys.stdin.read()'
    taken = world.serve([*namespace.prefix, sys.executable, "-c", script])
    refused = lab.drover("plan", status=1)
    assert "ports of vm 'web': port 8083/tcp of the host is taken by " in refused.err, refused
    taken()
    lab.drover("up")
    inside = [*user.prefix, "nsenter", "--user", "--net", "--preserve-credentials", f"--target={lab.dnsmasq()[0]}"]
    end = serve(world, lab, "tcp:80", "tcp:81", "udp:53", inside=inside)
    for address in ("127.0.0.1", "192.0.2.1", "::1"):
        assert [ask(namespace, "tcp", port, address) for port in (9000, 9001)] == ["tcp 80 hello", "tcp 81 hello"]
    assert ask(namespace, "udp", 5353) == "udp 53 hello"
    assert ask(namespace, "tcp", 8082, "::1") == "tcp 80 hello" and not is_open(namespace, 8082)
    pids = lab.pids()
    lab.replace("'127.0.0.1:5353:53/udp'", "'5354:53/udp'")
    lab.drover("up")
    for address in ("127.0.0.1", "192.0.2.1", "::1"):
        assert ask(namespace, "udp", 5354, address) == "udp 53 hello"
    assert lab.pids() == pids
    lab.assert_satisfied()
    end()
    namespace.run("ip", "address", "delete", "192.0.2.1/32", "dev", "lo")


def test_isolation_host_all_kinds(world):
    """With `isolation: host`, of another host and of this one: UDP, IPv6 to a guest that has only IPv4, ranges, one address."""
    namespace, other, guest = world.namespace(), world.namespace("other"), world.namespace("guest")
    lab = world.lab(FAKE.replace("PORTS", "'9000-9001:80-81', '5353:53/udp', '192.0.2.1:8082:80', '127.0.0.1:8083:80'")
                    .replace("mode: isolated", "bridge: ports0"), namespace=namespace, fake=True)
    join(namespace, other, "up0", "192.0.2.2/24")
    namespace.run("ip", "address", "add", "192.0.2.1/24", "dev", "up0")
    for place, address in (namespace, "2001:db8::1/64"), (other, "2001:db8::2/64"):
        place.run("ip", "address", "add", address, "dev", "up0" if place is namespace else "eth0", "nodad")
    lab.drover("up")
    join(namespace, guest, "guest0", "10.81.0.10/24")
    namespace.run("ip", "link", "set", "guest0", "master", "ports0")
    guest.run("ip", "route", "add", "default", "via", "10.81.0.1")
    end = world.serve([*guest.prefix, sys.executable, "-c", SERVE, lab.name, "tcp:80", "tcp:81", "udp:53"])
    for place, addresses in (namespace, ("127.0.0.1", "192.0.2.1", "10.81.0.1", "::1", "2001:db8::1")), \
                            (other, ("192.0.2.1", "2001:db8::1")), (guest, ("10.81.0.1", "192.0.2.1")):
        for address in addresses:
            assert [ask(place, "tcp", port, address) for port in (9000, 9001)] == ["tcp 80 hello", "tcp 81 hello"], address
            assert ask(place, "udp", 5353, address) == "udp 53 hello", address
    assert ask(other, "tcp", 8082, "192.0.2.1") == ask(namespace, "tcp", 8083) == "tcp 80 hello"
    assert not is_open(namespace, 8082) and not is_open(other, 8083, "192.0.2.1")
    end()
    lab.drover("down", "-t", "0")
    for link in ("up0", "guest0"):
        namespace.run("ip", "link", "delete", link)


def test_isolation_host(world):
    """With `isolation: host` from the host itself, from another host and from a guest's side of the bridge."""
    namespace = world.namespace()
    lab = world.lab("networks:\n  lan: {subnet: 10.82.0.0/24}\nvms:\n"
                    "  web: {<<: *guest, networks: {lan: {ip: 10.82.0.10}}, ports: ['8080:80']}\n"
                    "  client: {<<: *guest, networks: {lan: {ip: 10.82.0.20}}}\n", namespace=namespace)
    other = world.namespace("other")
    namespace.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", other.name)
    namespace.run("ip", "address", "add", "192.0.2.1/24", "dev", "up0")
    namespace.run("ip", "link", "set", "up0", "up")
    other.run("ip", "address", "add", "192.0.2.2/24", "dev", "up0")
    other.run("ip", "link", "set", "up0", "up")
    lab.drover("up")
    lab.console("web").ready()
    lab.console("client").ready()
    assert namespace.run(sys.executable, "-c", FETCH, "http://127.0.0.1:8080/") == "hello from web\n"
    for address in ("127.0.0.1", "192.0.2.1", "10.82.0.1"):
        assert namespace.run(sys.executable, "-c", FETCH, f"http://{address}:8080/") == "hello from web\n"
    assert other.run(sys.executable, "-c", FETCH, "http://192.0.2.1:8080/") == "hello from web\n"
    for vm in ("client", "web"):
        assert lab.shell(vm, "wget -qO- http://192.0.2.1:8080/") == "hello from web\n"
    # What comes in through an interface goes past the forwarder, which only this host itself needs.
    (forwarder,) = forwarders(lab)
    os.kill(forwarder, signal.SIGSTOP)
    assert other.run(sys.executable, "-c", FETCH, "http://192.0.2.1:8080/") == "hello from web\n"
    assert lab.shell("client", "wget -qO- http://192.0.2.1:8080/") == "hello from web\n"
    lab.replace("8080:80", "8081:80")
    os.kill(forwarder, signal.SIGCONT)
    lab.drover("up")
    os.kill(forwarder, signal.SIGSTOP)
    assert other.run(sys.executable, "-c", FETCH, "http://192.0.2.1:8081/") == "hello from web\n"
    assert not is_open(other, 8080, "192.0.2.1")
    os.kill(forwarder, signal.SIGCONT)
    lab.assert_satisfied()
    namespace.run("nft", "delete", "table", "inet", f"drover-{lab.name}.ports")
    assert other.run(sys.executable, "-c", FETCH, "http://192.0.2.1:8081/") == "hello from web\n"
    plan = lab.drover("plan", "--exit-code", "--format", "json", status=2).json()
    assert [(step["kind"], step["action"]) for step in plan["steps"]] == [("ports", "repair")]
    lab.drover("up")
    lab.assert_satisfied()
    lab.drover("down", "-t", "0")
    namespace.run("ip", "link", "delete", "up0")
