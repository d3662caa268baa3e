"""test_images.py - images that are fetched: into the cache once, checked, below overlays, and gone when nobody uses them"""

import hashlib
import http.server
import json
import os
import tarfile
import threading

import host
import pytest

URL = "http://127.0.0.1:{port}/{name}"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.paths.append(self.path)
        self.server.answers.wait(60)
        super().do_GET()


@pytest.fixture
def server(world):
    """A web server on loopback with two images; its `paths` are what was asked for, and it waits where `answers` is not set."""
    directory = world.make_directory("www")
    for name, size in (("one.qcow2", "32M"), ("two.qcow2", "48M")):
        host.command("qemu-img", "create", "-q", "-f", "qcow2", os.path.join(directory, name), size)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=directory))
    server.paths, server.directory, server.answers = [], directory, threading.Event()
    server.answers.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.answers.set()
    server.shutdown()
    thread.join()
    server.server_close()


def make_lab(world, text):
    return world.lab(text, fake=True)


def digest(server, name):
    with open(os.path.join(server.directory, name), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def url(server, name):
    return URL.format(port=server.server_address[1], name=name)


def backing(lab, vm):
    (root,) = [path for path in host.disk_files(lab.data) if f"/{vm}/" in path]
    return json.loads(host.command("qemu-img", "info", "-U", "--output=json", root))["full-backing-filename"]


def cached(world):
    directory = world.path("cache", "images")
    return sorted(name for name in os.listdir(directory) if not name.endswith(".json")) if os.path.isdir(directory) else []


def test_fetched_once(world, server):
    """Three VMs on one image: one download, three overlays on the cache's file; a second up has nothing to do."""
    lab = make_lab(world, f"""
images:
  base: {{url: "{url(server, 'one.qcow2')}", sha256: {digest(server, 'one.qcow2')}}}
vms:
  a: {{<<: *fake, image: base}}
  b: {{<<: *fake, image: base, disk: 64M}}
  c: {{<<: *fake, image: "{url(server, 'two.qcow2')}"}}
""")
    plan = lab.drover("plan").out
    assert "+ fetch image base" in plan and "+ fetch image two.qcow2" in plan, plan
    assert server.paths == [] and cached(world) == []
    done = lab.drover("up")
    assert "image base fetched" in done.err and sorted(server.paths) == ["/one.qcow2", "/two.qcow2"]
    one, two = (world.path("cache", "images", f"sha256-{digest(server, name)}") for name in ("one.qcow2", "two.qcow2"))
    assert [backing(lab, vm) for vm in "abc"] == [one, one, two]
    lab.drover("up")
    lab.assert_satisfied()
    assert len(server.paths) == 2
    rows = lab.drover("images", "--format", "json").json()["images"]
    assert {row["path"]: row["users"] for row in rows} == {one: [f"{lab.name}/a", f"{lab.name}/b"], two: [f"{lab.name}/c"]}
    table = lab.drover("images").out
    assert f"sha256-{digest(server, 'one.qcow2')[:12]}" in table and f"{lab.name}/a, {lab.name}/b" in table

    lab.drover("prune", "-y")
    assert len(cached(world)) == 2, "images in use were pruned"
    lab.drover("down", "-v", "-y")
    assert "2 images of 2 removed" in lab.drover("prune", "-y").err
    assert cached(world) == []


def test_wrong_checksum(world, server):
    """Nothing is kept, no disk is made, and what does not need the image goes on."""
    wrong = "0" * 64
    lab = make_lab(world, f"""
images: {{base: {{url: "{url(server, 'one.qcow2')}", sha256: "{wrong}"}}}}
vms:
  a: {{<<: *fake, image: base}}
  b: {{<<: *fake}}
""")
    done = lab.drover("up", status=1)
    assert f"has another SHA-256 than wanted: {digest(server, 'one.qcow2')}, not {wrong}" in done.err, done
    assert cached(world) == [] and host.disk_files(lab.data) == []
    assert lab.states().get("b") == "running", lab.states()


def test_catalogue(world, server, tmp_path):
    """A name of the user's own: listed, suggested, fetched by itself and for a VM, checked by a list, newer when that is."""
    config = tmp_path / "drover"
    config.mkdir()
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    (config / "images.yaml").write_text(f"""
images:
  lab-1:
    url: "{url(server, '{arch}.qcow2')}"
    checksums: "{url(server, 'SHA256SUMS')}"
    archs: {{x86_64: one}}
""")

    def publish(digits):
        with open(os.path.join(server.directory, "SHA256SUMS"), "w", encoding="ascii") as file:
            file.write(f"{'0' * 64} *two.qcow2\n{digits} *one.qcow2\n")

    publish(digest(server, "one.qcow2"))
    lab = world.lab("vms: {a: {<<: *fake, image: lab-1}}\n", fake=True, environment=environment)
    empty = world.make_directory("empty")
    listed = lab.drover("images", "--catalogue", "-q", cwd=empty).out.split()
    assert "lab-1" in listed and "debian-12" in listed, listed
    done = lab.drover("pull", "lab-2", cwd=empty, status=6)
    assert "no image of that name in the catalogue" in done.err and "did you mean 'lab-1'?" in done.err, done
    done = lab.drover("pull", "lab-1", cwd=empty)
    assert "image lab-1 fetched" in done.err and server.paths == ["/SHA256SUMS", "/one.qcow2"], (done, server.paths)
    lab.drover("up")
    assert backing(lab, "a").endswith(digest(server, "one.qcow2")) and len(server.paths) == 2
    lab.assert_satisfied()
    with open(os.path.join(lab.data, "project.json"), encoding="utf-8") as file:
        assert json.load(file)["images"]["lab-1"]["url"] == url(server, "one.qcow2"), "the supervisor finds no user's files"
    host.command("qemu-img", "resize", "-q", os.path.join(server.directory, "one.qcow2"), "40M")
    assert "image lab-1 fetched" in lab.drover("pull").err and server.paths[2:] == ["/SHA256SUMS"], "the list is older"
    publish("1" * 64)
    done = lab.drover("pull", status=1)
    assert f"{url(server, 'SHA256SUMS')}' says: it may be of another day" in done.err and len(cached(world)) == 1, done
    publish(digest(server, "one.qcow2"))
    assert "image lab-1 fetched" in lab.drover("up", "--pull", "always").err, "a VM that runs keeps its disk"
    plan = lab.drover("plan").out
    assert f"→ sha256-{digest(server, 'one.qcow2')[:12]}" in plan, plan
    os.rename(config / "images.yaml", config / "away.yaml")
    done = lab.drover("plan", status=3)
    assert "there is no image 'lab-1', neither in the file nor in the catalogue" in done.err, done
    os.rename(config / "away.yaml", config / "images.yaml")


def test_another_image(world, server):
    """A new sum is a new image: the old disk stays until it is said that it may go."""
    lab = make_lab(world, f"""
images: {{base: {{url: "{url(server, 'one.qcow2')}", sha256: {digest(server, 'one.qcow2')}}}}}
vms: {{a: {{<<: *fake, image: base}}}}
""")
    lab.drover("up")
    old = backing(lab, "a")
    lab.replace(url(server, "one.qcow2"), url(server, "two.qcow2"))
    lab.replace(digest(server, "one.qcow2"), digest(server, "two.qcow2"))
    plan = lab.drover("plan").out
    assert (f"image: sha256-{digest(server, 'one.qcow2')[:12]} → sha256-{digest(server, 'two.qcow2')[:12]}" in plan), plan
    lab.drover("up")
    assert backing(lab, "a") == old and server.paths == ["/one.qcow2"]
    lab.drover("pull")
    plan = lab.drover("plan").out
    assert (f"image: sha256-{digest(server, 'one.qcow2')[:12]} → sha256-{digest(server, 'two.qcow2')[:12]}" in plan), plan
    lab.drover("up", "--fresh", "a", "-y", "-t", "0")
    assert backing(lab, "a").endswith(digest(server, "two.qcow2"))
    lab.assert_satisfied()


def test_pull_never(world, server):
    lab = make_lab(world, f'vms: {{a: {{<<: *fake, image: "{url(server, "one.qcow2")}"}}}}')
    done = lab.drover("up", "--pull", "never", status=3)
    assert "image 'one.qcow2' was not fetched yet, and is not to be now" in done.err and "'drover pull' fetches it" in done.err
    lab.drover("pull", "a")
    assert "all images are here" in lab.drover("pull", "--policy", "missing").err
    assert lab.vms() == [] or lab.states() == {}, "pull starts nothing"
    lab.drover("up", "--pull", "never")
    assert server.paths == ["/one.qcow2"]


def test_too_small(world, server):
    lab = make_lab(world, f'vms: {{a: {{<<: *fake, image: "{url(server, "one.qcow2")}", disk: 16M}}}}')
    done = lab.drover("up", status=None)
    assert done.status in (1, 3) and "a disk of 16M is smaller than its image (32M)" in done.err, done
    done = lab.drover("up", status=3)  # now that it is here, the plan knows
    assert "drover.yaml" in done.err and "write 32M or more" in done.err, done
    assert host.disk_files(lab.data) == []


def test_hostile_image(world, server):
    """An image that names another file of the host is refused, also after it was fetched."""
    secret = world.path("secret")
    with open(secret, "w", encoding="ascii") as file:
        file.write("secret")
    host.command("qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw",
                 os.path.join(server.directory, "evil.qcow2"), "1M")
    lab = make_lab(world, f'vms: {{a: {{<<: *fake, image: "{url(server, "evil.qcow2")}"}}}}')
    done = lab.drover("up", status=1)
    assert secret in done.err and "if you trust where it comes from" in done.err, done
    assert host.disk_files(lab.data) == []


def test_file_with_checksum(world, server):
    """A file with a checksum, or a packed one, lies in the cache from then on; any other is used where it lies."""
    path = os.path.join(server.directory, "one.qcow2")
    lab = make_lab(world, f"""
images:
  checked: {{file: {path}, sha256: {digest(server, 'one.qcow2')}}}
  plain: {{file: {path}}}
  appliance: {{file: ./one.ova}}
  box: {{file: ./one.box}}
vms:
  a: {{<<: *fake, image: checked}}
  b: {{<<: *fake, image: plain}}
  c: {{<<: *fake, image: appliance}}
  d: {{<<: *fake, image: box}}
  e: {{<<: *fake, image: "file://{path}"}}
""")
    for name, mode in (("one.ova", "w"), ("one.box", "w:gz")):
        with tarfile.open(os.path.join(lab.directory, name), mode) as archive:
            archive.add(lab.file, "../../outside.ovf")  # nothing of an archive is written but the disk's bytes
            archive.add(path, "disk.vmdk" if name == "one.ova" else "box.img")
    lab.drover("up")
    assert all("/images/sha256-" in backing(lab, vm) for vm in "cde") and not os.path.exists(world.path("outside.ovf"))
    assert backing(lab, "a").endswith(f"sha256-{digest(server, 'one.qcow2')}") and backing(lab, "b") == path
    assert os.path.exists(path)


def test_image_removed_by_hand(world, server):
    """The disk is the VM's all the same, and the image can be had again: it is known by its sum, whatever file it is."""
    lab = make_lab(world, f"""
images: {{base: {{url: "{url(server, 'one.qcow2')}", sha256: {digest(server, 'one.qcow2')}}}}}
vms: {{a: {{<<: *fake, image: base}}}}
""")
    lab.drover("up")
    image, disks = backing(lab, "a"), host.disk_files(lab.data)
    os.remove(image)
    assert "image:" not in lab.drover("plan").out, "the file says the same as before"
    lab.drover("stop", "-t", "0")
    done = lab.drover("up", status=3)
    assert f"image '{image}' is gone" in done.err and "'drover pull a' fetches it again" in done.err, done
    with open(image + ".other", "w", encoding="ascii"):
        pass  # so that the next file is not given the number of the one that was removed
    lab.drover("pull", "a")
    lab.drover("up")
    assert lab.states() == {"a": "running"} and host.disk_files(lab.data) == disks
    lab.assert_satisfied()
    lab.drover("stop", "-t", "0")
    os.chmod(image, 0o600)
    with open(image, "ab") as file:
        file.write(b"x")
    done = lab.drover("up", status=3)
    assert f"image '{image}' has changed since disk 'root' was made on it" in done.err, done


def test_prune_waits(world, server):
    """What another drover is about to put a disk on is not removed; what it says beforehand it does."""
    lab = make_lab(world, f'vms: {{a: {{<<: *fake, image: "{url(server, "one.qcow2")}"}}}}')
    lab.drover("pull")
    done = lab.drover("--dry-run", "prune")
    assert "would be removed" in done.err and "image sha256-" in done.err and len(cached(world)) == 1, done
    server.answers.clear()
    up = lab.begin("up", "--pull", "always")
    host.wait_until(lambda: len(server.paths) == 2, "the second request")
    done = lab.drover("--lock-timeout", "100ms", "prune", "-f", status=8)
    assert f"another drover works with images of the cache (pid {up.pid})" in done.err and len(cached(world)) == 1, done
    server.answers.set()
    assert up.wait(60) == 0
    assert "0 images of 1 removed" in lab.drover("prune", "-af").err
    assert lab.states() == {"a": "running"}


def test_down_after_pull(world, server):
    """Nothing but the image is left of a project of which only that was fetched."""
    lab = make_lab(world, f'vms: {{a: {{<<: *fake, image: "{url(server, "one.qcow2")}"}}}}')
    lab.drover("pull", "b", status=6)
    assert not os.path.exists(lab.data)
    lab.drover("pull")
    lab.drover("down", "-v", "-y")
    assert not os.path.exists(lab.data) and not os.path.exists(lab.run_directory)
    assert lab.drover("images", "-q").out == f"sha256-{digest(server, 'one.qcow2')}\n"
