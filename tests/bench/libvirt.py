"""libvirt.py - libvirtd and virtlogd inside the namespaces of the bench, and the same VMs as domains

Directories of their own lie over those of the system, so that neither a libvirt of the host nor its configuration is seen.
It is spared what drover does not do either: cgroups, security labels, a /dev of each domain's own.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time

from host import Failed, note, parent, processes, run

PLACES = ("/etc/libvirt", "/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")

DOMAIN = """<domain type='{type}'>
  <name>vm-{number}</name>
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{files}/vmlinuz</kernel>
    <initrd>{files}/initrd.gz</initrd>
    <cmdline>console=ttyS0 quiet</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <source bridge='{bridge}'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'><log file='{disk}.log' append='on'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""


class Libvirt:
    def __init__(self, scratch, user, bridge, kvm):
        self.directory = os.path.join(scratch, "libvirt")
        self.scratch, self.user, self.bridge, self.kvm = scratch, user, bridge, kvm
        self.servers = []
        os.makedirs(self.directory)
        for program in "libvirtd", "virtlogd", "virsh":
            if not shutil.which(program):
                raise Failed(f"there is no {program}; run 'make bench-virsh', which installs it")

    def start(self):
        for place in PLACES:
            os.makedirs(place, exist_ok=True)
            run(["mount", "-t", "tmpfs", "-o", "mode=0755", "bench", place])
        run(["mount", "-t", "sysfs", "bench", "/sys"])  # that of our network namespace
        if not self.kvm and os.path.exists("/dev/kvm"):
            # A device that only root can open makes libvirt ask QEMU for its capabilities anew before every start.
            nothing = os.path.join(self.directory, "kvm")
            with open(nothing, "wb"):
                os.chmod(nothing, 0o600)
            run(["mount", "--bind", nothing, "/dev/kvm"])
        self.add_user()
        with open("/etc/libvirt/libvirtd.conf", "w", encoding="ascii") as file:
            file.write('auth_unix_rw = "none"\nauth_unix_ro = "none"\n')
        with open("/etc/libvirt/qemu.conf", "w", encoding="ascii") as file:
            file.write(f'user = "{self.user}"\ngroup = "{self.user}"\nsecurity_driver = "none"\n'
                       'cgroup_controllers = []\nnamespaces = []\n')
        self.serve(["virtlogd"], "/run/libvirt/virtlogd-sock")
        self.serve(["libvirtd"], "/run/libvirt/libvirt-sock")
        run(["virsh", "list"])

    def add_user(self):
        """libvirt insists on the user that it was built with, even when another is configured: an alias, seen only here."""
        user = pwd.getpwnam(self.user)
        for path, line in (("/etc/passwd", f"libvirt-qemu:x:{user.pw_uid}:{user.pw_gid}::/nonexistent:/usr/sbin/nologin"),
                           ("/etc/group", f"libvirt-qemu:x:{user.pw_gid}:")):
            copy = os.path.join(self.directory, os.path.basename(path))
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if "libvirt-qemu:" in text:
                continue
            with open(copy, "w", encoding="utf-8") as file:
                file.write(f"{text}{line}\n")
            run(["mount", "--bind", copy, path])

    def serve(self, argv, socket):
        with open(os.path.join(self.directory, f"{argv[0]}.log"), "wb") as log:
            server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.servers.append(server)
        deadline = time.monotonic() + 30
        while not os.path.exists(socket):
            if server.poll() is not None or time.monotonic() > deadline:
                with open(log.name, encoding="utf-8", errors="replace") as text:
                    raise Failed(f"{argv[0]} does not start: {text.read()[-2000:]}")
            time.sleep(0.02)  # it takes no descriptor that could tell

    def stop(self):
        for server in reversed(self.servers):
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                note(f"{server.args[0]} did not end")
                server.kill()
                server.wait()
        self.servers = []

    def kept(self):
        """The servers and their helpers; domains are process 1's."""
        servers = [server.pid for server in self.servers]
        return [pid for pid in processes() if pid in servers or parent(pid) in servers]

    def write_domains(self, count, template):
        """The files for xargs: one with paths of XML, one with names. The disks are copies of one overlay, made beforehand."""
        paths, names = os.path.join(self.directory, "paths"), os.path.join(self.directory, "names")
        with open(paths, "w", encoding="utf-8") as path_file, open(names, "w", encoding="utf-8") as name_file:
            for number in range(1, count + 1):
                disk = os.path.join(self.directory, f"{number}.qcow2")
                shutil.copyfile(template, disk)
                path = os.path.join(self.directory, f"{number}.xml")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(DOMAIN.format(type="kvm" if self.kvm else "qemu", number=number, files=self.scratch, disk=disk,
                                             bridge=self.bridge))
                print(path, file=path_file)
                print(f"vm-{number}", file=name_file)
        return paths, names
