"""test_disks.py - overlays on images, growing, fresh disks, and images that must not be used"""

import hashlib
import json
import os
import subprocess

import host

LAB = """
disks:
  keep: {size: 16M}
vms:
  one: {<<: *guest, image: ./base.qcow2, disk: 64M, disks: [keep]}
"""


def make_image(lab, name="base.qcow2", size="32M", *options):
    path = os.path.join(lab.directory, name)
    host.command("qemu-img", "create", "-q", "-f", "qcow2", *options, path, size)
    return path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def look(path):
    return json.loads(host.command("qemu-img", "info", "-U", "--output=json", path))


def test_overlay(world):
    """The image stays as it is, the overlay has the file's size and keeps what was written; --fresh replaces it alone."""
    lab = world.lab(LAB)
    image = make_image(lab)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 0x41 0 512", image], check=True, timeout=30)
    before = digest(image)
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert lab.shell("one", "dd if=/dev/vda bs=4 count=1 2>/dev/null; echo") == "AAAA\n"
    assert lab.shell("one", "cat /sys/block/vda/size") == f"{64 << 11}\n"
    lab.shell("one", "echo mine | dd of=/dev/vda bs=512 seek=1 2>/dev/null; sync")
    (keep, root) = host.disk_files(lab.data)
    info = look(root)
    assert info["virtual-size"] == 64 << 20 and info["backing-filename-format"] == "qcow2"
    assert info["full-backing-filename"] == image
    kept_inode = os.stat(keep).st_ino

    lab.replace("disk: 64M", "disk: 96M")
    assert "disk.size: 64M → 96M" in lab.drover("plan").out.replace("disk: 64M", "disk.size: 64M")
    pids = lab.pids()
    lab.drover("up")
    assert lab.shell("one", "cat /sys/block/vda/size") == f"{96 << 11}\n" and lab.pids() == pids
    assert lab.shell("one", "dd if=/dev/vda bs=512 skip=1 count=1 2>/dev/null | head -n 1") == "mine\n"

    plan = lab.drover("plan", "--fresh")
    assert "restart vm one" in plan.out, plan
    lab.drover("up", "--fresh", "one", "-t", "0")
    lab.console("one").ready()
    assert lab.shell("one", "dd if=/dev/vda bs=512 skip=1 count=1 2>/dev/null | tr -d '\\0'") == ""
    assert lab.shell("one", "dd if=/dev/vda bs=4 count=1 2>/dev/null; echo") == "AAAA\n"
    assert os.stat(keep).st_ino == kept_inode and not os.path.exists(root)
    assert digest(image) == before
    lab.drover("down", "-t", "0", "--fresh")
    assert host.disk_files(lab.data) == [keep] and digest(image) == before


def test_image_that_changed(world):
    """An image that changed below an overlay stops the start, with the way out; nothing is written to either."""
    lab = world.lab(LAB.replace("*guest", "*fake"), fake=True)
    image = make_image(lab)
    lab.drover("up")
    lab.drover("stop", "-t", "0")
    overlay = digest(host.disk_files(lab.data)[1])
    with open(image, "r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"\0" * 65536)
    for verb in ("plan", "up", "start"):
        refused = lab.drover(verb, status=3)
        assert f"image '{image}' has changed since disk 'root' was made on it" in refused.err, refused
        assert "drover up --fresh one" in refused.err and "drover.yaml:" in refused.err, refused
    assert digest(host.disk_files(lab.data)[1]) == overlay
    lab.drover("up", "--fresh", "one")
    assert lab.states() == {"one": "running"}
    lab.drover("stop", "-t", "0")
    os.unlink(image)
    assert image in lab.drover("up", status=None).err


def test_new_image_waits_for_fresh(world):
    """Another image in the file leaves the old disk in use until --fresh names the VM."""
    lab = world.lab(LAB.replace("*guest", "*fake"), fake=True)
    make_image(lab)
    other = make_image(lab, "other.qcow2")
    lab.drover("up")
    lab.replace("./base.qcow2", "./other.qcow2")
    plan = lab.drover("plan", "--exit-code", status=2)
    assert "fresh required vm one" in plan.out and other in plan.out, plan
    up = lab.drover("up", "--restart")
    assert "drover up --fresh VM" in up.err, up
    lab.drover("up", "--fresh", "one", "-t", "0")
    assert look(host.disk_files(lab.data)[1])["full-backing-filename"] == other
    lab.assert_satisfied()


def test_images_that_are_refused(world):
    """A backing file, an external data file, a disk smaller than its image: refused before anything is made."""
    lab = world.lab(LAB.replace("*guest", "*fake"), fake=True)
    make_image(lab, "parent.qcow2")
    image = make_image(lab, "base.qcow2", "32M", "-b", os.path.join(lab.directory, "parent.qcow2"), "-F", "qcow2")
    cases = [("stands on another file", None)]
    external = os.path.join(lab.directory, "data.raw")
    cases.append(("keeps its data in another file", ["-o", f"data_file={external}"]))
    for text, options in cases:
        if options:
            os.unlink(image)
            make_image(lab, "base.qcow2", "32M", *options)
        for verb in ("plan", "up"):
            refused = lab.drover(verb, status=3)
            assert image in refused.err and text in refused.err and "drover.yaml:" in refused.err, refused
    os.unlink(image)
    make_image(lab, "base.qcow2", "128M")
    assert "a disk of 64M is smaller than its image" in lab.drover("up", status=3).err
    assert host.disk_files(lab.data) == []
    assert not os.path.exists(lab.vm_data("one", "spec.json")), "the refused VM was recorded"


def test_file_disk_and_cdrom(world):
    """A file that is used in place is never made, changed in format or removed; what is read-only is, what is freed goes."""
    lab = world.lab("""
vms:
  one:
    <<: *guest
    disk: {file: ./mine.raw}
    disks: [{file: ./cd.iso, media: cdrom}, {file: ./kept.raw, discard: ignore}, {file: ./fixed.raw, read_only: true}]
""")
    refused = lab.drover("up", status=3)
    assert "mine.raw" in refused.err and "cd.iso" in refused.err, refused
    for name, size in (("mine.raw", 8 << 20), ("cd.iso", 1 << 20), ("kept.raw", 8 << 20), ("fixed.raw", 1 << 20)):
        with open(os.path.join(lab.directory, name), "wb") as file:
            file.write(name.encode() + b"\n")
            file.truncate(size)
        os.chmod(os.path.join(lab.directory, name), 0o600)
    mode = os.stat(os.path.join(lab.directory, "mine.raw"))
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert lab.shell("one", "head -n 1 /dev/vda") == "mine.raw\n"
    assert lab.shell("one", "cat /sys/block/vd?/ro") == "0\n0\n1\n"
    assert lab.shell("one", "echo changed > /dev/vdc || echo refused").endswith("refused\n")
    lab.shell("one", "for d in a b; do dd if=/dev/urandom of=/dev/vd$d bs=1M seek=2 count=1; done; sync; "
              "for d in a b; do blkdiscard -o 2097152 -l 1048576 /dev/vd$d; done")
    taken = [os.stat(os.path.join(lab.directory, name)).st_blocks for name in ("mine.raw", "kept.raw")]
    assert taken[0] < 1 << 11 <= taken[1], taken
    lab.shell("one", "echo changed | dd of=/dev/vda bs=512 seek=1 2>/dev/null; sync")
    lab.drover("down", "-v", "-y", "-t", "0")
    after = os.stat(os.path.join(lab.directory, "mine.raw"))
    assert (after.st_uid, after.st_mode, after.st_size) == (mode.st_uid, mode.st_mode, mode.st_size)
    with open(os.path.join(lab.directory, "mine.raw"), "rb") as file:
        assert file.read()[512:520] == b"changed\n"


def test_uefi(world):
    """UEFI variables are a disk of the VM's own, kept over down."""
    lab = world.lab("vms:\n  one: {memory: 128M, firmware: uefi}\n")
    lab.drover("up")
    assert lab.states() == {"one": "running"}
    (path,) = host.disk_files(lab.data)
    assert os.path.basename(path).startswith("_vars.") and look(path)["format"] == "qcow2"
    lab.drover("down", "-t", "0")
    assert os.path.exists(path)
    os.utime(path, ns=(1, 1))
    lab.drover("up", "--paused")
    lab.drover("up", "--paused", "--force-recreate", "-t", "0")
    assert os.stat(path).st_mtime_ns == 1
    lab.drover("up", "--paused", "--fresh", "one", "-t", "0")  # what it says of the disks goes with the disks
    assert host.disk_files(lab.data) == [path] and os.stat(path).st_mtime_ns != 1
    assert lab.states() == {"one": "starting"}


def test_making(world):
    """Room taken in advance, and clusters as the file says, of a disk of the project and of the VM's own."""
    lab = world.lab("""
disks: {keep: {size: 8M, preallocation: full, cluster_size: 128K, compression_type: zstd}}
vms: {one: {<<: *fake, disks: [keep, {name: own, size: 8M, format: raw, preallocation: falloc}]}}
""", fake=True)
    plan = lab.drover("plan").out
    assert "of disk, 16M of it at once (" in plan and lab.plan()["cost"]["disk_taken_bytes"] == 16 << 20, plan
    lab.drover("up")
    own, keep = sorted(host.disk_files(lab.data), key=lambda path: not path.endswith(".raw"))
    assert os.stat(own).st_blocks * 512 >= 8 << 20 and os.stat(keep).st_blocks * 512 >= 8 << 20
    assert look(keep)["cluster-size"] == 128 << 10
    assert look(keep)["format-specific"]["data"]["compression-type"] == "zstd"
    lab.replace("128K", "64K")
    lab.assert_satisfied()


ENCRYPTED = """
disks:
  keep: {size: 16M, encryption: {key_file: ./keep.key, iter_time: 10ms}}
vms:
  one:
    <<: *guest
    networks: []
    image: ./base.qcow2
    disk: {size: 64M, encryption: {key_file: ./root.key, iter_time: 10ms}}
"""


def write_key(lab, name, text, mode=0o600):
    path = os.path.join(lab.directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def test_encryption(world):
    """LUKS below an overlay and a disk that is plugged in; nobody else sees the keys, and a wrong one opens nothing."""
    lab = world.lab(ENCRYPTED)
    make_image(lab)
    keys = [write_key(lab, name + ".key", f"key-of-{name}-0123\n") for name in ("root", "keep")]
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    lab.shell("one", "echo in-plain-sight | dd of=/dev/vda bs=4096 seek=1 2>/dev/null; sync")
    (root,) = host.disk_files(lab.data)
    assert look(root)["encrypted"] and look(root)["full-backing-filename"] == os.path.join(lab.directory, "base.qcow2")
    lab.replace("size: 64M, encryption", "size: 96M, encryption")
    lab.replace("    networks: []\n", "    networks: []\n    disks: [keep]\n")
    pids = lab.pids()
    lab.drover("up")
    assert lab.pids() == pids
    host.wait_until(lambda: lab.shell("one", "cat /sys/block/vd?/size") == f"{96 << 11}\n{16 << 11}\n", "the guest has both")
    lab.shell("one", "echo in-plain-sight | dd of=/dev/vdb 2>/dev/null; sync")
    keep, root = host.disk_files(lab.data)
    for path in (root, keep):
        with open(path, "rb") as file:
            assert b"in-plain-sight" not in file.read()
    with open(f"/proc/{pids['one']}/cmdline", "rb") as file:
        assert b"key-of" not in file.read()
    assert "key-of" not in lab.drover("config").out + lab.drover("inspect", "one").out
    assert subprocess.run(["grep", "-rq", "key-of", lab.data], timeout=30).returncode == 1
    for fd, target in host.links_in(pids["one"], "fd").items():  # what it was handed the key in is empty
        if target.startswith("pipe:"):
            with open(f"/proc/{pids['one']}/fd/{fd}", "rb") as file:
                os.set_blocking(file.fileno(), False)
                assert not (file.read() or b"")
    lab.assert_satisfied()

    lab.replace("size: 96M", "size: 128M")
    lab.drover("stop", "-t", "0")
    write_key(lab, "keep.key", "key-of-another\n")
    refused = lab.drover("up", status=1)
    assert "cannot unlock any keyslot" in refused.err and "another key than the one that 'key_file' names" in refused.err
    write_key(lab, "keep.key", "key-of-keep-0123\n", 0o644)
    up = lab.drover("up", "--paused")
    assert f"everybody on this host can read the key of disk 'keep': 'chmod 600 {keys[1]}'" in up.err, up
    assert look(root)["virtual-size"] == 128 << 20
    lab.drover("stop", "-t", "0")
    write_key(lab, "keep.key", "")
    refused = lab.drover("plan", status=3)
    assert f"the key of disk 'keep' cannot be used: '{keys[1]}' is empty" in refused.err and "drover.yaml:" in refused.err
    write_key(lab, "keep.key", "key-of-keep-0123\n")
    lab.replace("  keep: {size: 16M, encryption: {key_file: ./keep.key, iter_time: 10ms}}", "  keep: 16M")
    refused = lab.drover("up", status=3)
    assert "disk 'keep' is encrypted, and the file names no key" in refused.err, refused
    lab.replace("    disks: [keep]\n", "")
    lab.replace("disk: {size: 128M, encryption: {key_file: ./root.key, iter_time: 10ms}}", "disk: 128M")
    refused = lab.drover("up", status=3)
    assert "drover up --fresh one" in refused.err, refused
    lab.drover("up", "--paused", "--fresh", "one")
    assert [bool(look(path).get("encrypted")) for path in host.disk_files(lab.data)] == [True, False]
