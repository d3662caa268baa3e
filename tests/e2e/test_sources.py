"""test_sources.py - disks that QEMU reaches itself: NBD over TCP and a socket, HTTP; and drivers that cannot be reached"""

import http.server
import os
import signal
import socket
import threading

import host
import pytest
from qemu import Monitor


@pytest.fixture
def nbd(world):
    """Serves a file, as long as the test runs."""
    def serve(name, *where):
        path = world.path(name)
        with open(path, "wb") as file:
            file.write(f"on {name}\n".encode())
            file.truncate(8 << 20)
        pid_file = world.path(name + ".pid")
        host.command("qemu-nbd", "--fork", "--persistent", "--shared=2", "--pid-file", pid_file, "-f", "raw", "-x", "data",
                     *where, path)
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        world.ignore.add(pid)
        pids.append((pid, os.pidfd_open(pid)))
        return path

    pids = []
    yield serve
    for _, pidfd in pids:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)


class Ranges(http.server.BaseHTTPRequestHandler):
    """Serves the parts of one file that are asked for, to readers alone."""
    content = b"on the web\n".ljust(4 << 20, b"\0")

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self):
        first, last = self.headers["Range"].split("=")[1].split("-")
        part = self.content[int(first):int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def marks(lab):
    return lab.shell("one", 'for d in /dev/vd?; do head -n 1 $d; done; cat /sys/block/vd?/ro').split("\n")[:-1]


def test_reached(world, nbd, web):
    """Read and written where they are, at the start and plugged in; read only what nobody can write; all is left as it was."""
    tcp = nbd("tcp.raw", "-b", "127.0.0.1", "-p", "10809")
    sock = world.path("nbd.sock")
    local = nbd("local.raw", "-k", sock)
    lab = world.lab(f"""
vms:
  one:
    <<: *guest
    networks: []
    disk: {{url: "nbd://127.0.0.1/data"}}
    disks: [{{name: web, url: "http://127.0.0.1:{web}/x.raw"}}]
""")
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert marks(lab) == ["on tcp.raw", "on the web", "0", "1"]
    lab.replace("/x.raw\"}", f"/x.raw\"}}, {{name: local, url: \"nbd+unix:///data?socket={sock}\"}}")
    refused = lab.drover("up", status=1)
    assert "cannot add disk 'local'" in refused.err and "Permission denied" in refused.err, refused
    os.chmod(sock, 0o666)
    pids = lab.pids()
    lab.drover("up")
    host.wait_until(lambda: marks(lab) == ["on tcp.raw", "on the web", "on local.raw", "0", "1", "0"], "the guest has all")
    lab.shell("one", "for d in a c; do echo written | dd of=/dev/vd$d bs=512 seek=1 2>/dev/null; done; sync")
    lab.assert_satisfied()
    lab.replace(f", {{name: local, url: \"nbd+unix:///data?socket={sock}\"}}", "")
    lab.drover("up")
    assert lab.pids() == pids and "disk-local" not in Monitor(lab, "one").devices()
    lab.assert_satisfied()
    lab.drover("down", "-v", "-y", "-t", "0")
    for path, name in ((tcp, "tcp.raw"), (local, "local.raw")):
        with open(path, "rb") as file:
            assert file.read(520) == f"on {name}\n".encode().ljust(512, b"\0") + b"written\n"


def test_unreached(world):
    """What answers nobody is QEMU's word, with the disk's driver taken as it is; a missing module names its package."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    taken.close()
    urls = {"nbd": f"nbd://127.0.0.1:{port}/x", "iscsi": f"iscsi://127.0.0.1:{port}/iqn.2001-05.com.example:storage/0",
            "rbd": "rbd:pool/image:conf=/dev/null", "https": f"https://127.0.0.1:{port}/x"}
    text = "vms:\n" + "".join(f"  {name}: {{memory: 64M, networks: [], disk: {{url: \"{url}\"}}}}\n"
                              for name, url in urls.items())
    lab = world.lab(text)
    refused = lab.drover("up", status=1)
    assert "Failed to connect to '127.0.0.1:" in refused.err, refused
    for name in urls:
        assert f"cannot start vm '{name}'" in refused.err, refused
    assert "Parameter" not in refused.err and "Invalid parameter" not in refused.err, refused  # QEMU knows what it is given
    assert refused.err.count("qemu-block-extra") == refused.err.count("Unknown driver"), refused
