"""test_fetch.py - the cache under many drovers, kills and proxies; images of other formats below overlays"""

import hashlib
import http.server
import json
import os
import signal
import threading

import host
import pytest

SIZE = 8 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    """One image, with ranges and a validator; as a proxy it is asked with whole URLs."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        first = 0
        if self.headers.get("If-None-Match") == '"one"':
            server.asked.append((self.path, None))
            self.send_response(304)
            self.end_headers()
            return
        if self.headers.get("Range") and self.headers.get("If-Range") == '"one"':
            first = int(self.headers["Range"].split("=")[1].split("-")[0])
        server.asked.append((self.path, first))
        body = server.body[first:]
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(server.body) - 1}/{len(server.body)}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for at in range(0, len(body), 1 << 16):
            if not server.go.is_set() and at + first >= SIZE // 2:
                server.halfway.set()
                server.go.wait(60)
            try:
                self.wfile.write(body[at:at + (1 << 16)])
            except OSError:
                return


@pytest.fixture
def server(world):
    """Serves noise behind a qcow2 header; it stops in the middle until `go` is set."""
    path = world.path("served.qcow2")
    host.command("qemu-img", "create", "-q", "-f", "qcow2", path, "32M")
    with open(path, "rb") as file:
        body = file.read()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.body, server.asked = body + os.urandom(SIZE - len(body)), []
    server.go, server.halfway = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.go.set()
    server.shutdown()
    thread.join()
    server.server_close()


def lab_of(world, server, name, origin=None, **options):
    origin = origin or f"http://127.0.0.1:{server.server_address[1]}"
    return world.lab(f'vms: {{one: {{<<: *fake, image: "{origin}/image.qcow2"}}}}\n', name, fake=True, **options)


def cached(world):
    return sorted(name for name in os.listdir(world.path("cache", "images")) if not name.endswith(".json"))


def test_two_at_once(world, server):
    """Two drovers that want the same: one fetches, the other waits for it, and only asks whether there is a newer one."""
    labs = [lab_of(world, server, name) for name in "ab"]
    pulls = [lab.begin("pull") for lab in labs]
    assert server.halfway.wait(30)
    server.go.set()
    for pull in pulls:
        out, err = pull.communicate(timeout=60)
        assert pull.returncode == 0, (out, err)
    assert server.asked == [("/image.qcow2", 0), ("/image.qcow2", None)]
    assert cached(world) == ["sha256-" + hashlib.sha256(server.body).hexdigest()]


def test_killed(world, server):
    """Killed in the middle, the next one goes on from there, and what it has is whole."""
    lab = lab_of(world, server, "a")
    pull = lab.begin("pull")
    assert server.halfway.wait(30)
    partial = world.path("cache", "partial")

    def received():
        sizes = [os.stat(os.path.join(partial, name)).st_size for name in os.listdir(partial) if "." not in name]
        return sizes and sizes[0] >= SIZE // 4

    host.wait_until(received, "something in the part file")
    pull.send_signal(signal.SIGKILL)
    pull.communicate(timeout=20)
    assert cached(world) == []
    server.go.set()
    lab.drover("pull")
    assert len(server.asked) == 2 and server.asked[1][1] >= SIZE // 4, server.asked
    assert cached(world) == ["sha256-" + hashlib.sha256(server.body).hexdigest()]
    assert os.listdir(partial) == [] or all(name.endswith(".lock") for name in os.listdir(partial)), os.listdir(partial)


def test_proxy(world, server):
    """http_proxy is asked, with the whole URL; no name is looked up here."""
    server.go.set()
    lab = lab_of(world, server, "a", "http://images.example",
                 environment={"http_proxy": f"http://127.0.0.1:{server.server_address[1]}"})
    lab.drover("pull")
    assert server.asked == [("http://images.example/image.qcow2", 0)]


@pytest.mark.parametrize("kind", ["raw", "vmdk", "vdi", "vhdx", "vpc"])
def test_formats(world, kind):
    """An image of each format below an overlay, read by a guest; the format stands in the overlay and in QEMU's arguments."""
    lab = world.lab(f"vms:\n  one: {{<<: *guest, networks: [], image: ./base.{kind}, disk: 64M}}\n")
    source, image = os.path.join(lab.directory, "source.raw"), os.path.join(lab.directory, f"base.{kind}")
    with open(source, "wb") as file:
        file.write(kind.encode() + b" below\n")
        file.truncate(16 << 20)
    host.command("qemu-img", "convert", "-f", "raw", "-O", kind, source, image)
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert lab.shell("one", "head -n 1 /dev/vda") == f"{kind} below\n"
    (root,) = host.disk_files(lab.data)
    info = json.loads(host.command("qemu-img", "info", "-U", "--output=json", root))
    assert info["backing-filename-format"] == kind and info["virtual-size"] == 64 << 20
