"""test_shell.py - what helps a person at a shell: doctor and completion"""

import grp
import os
import shlex
import subprocess
import sys

import host
import systemd

PAIR = """
networks:
  lan: {subnet: 10.62.0.0/24}
vms:
  web: {<<: *fake, networks: [lan]}
  db: {<<: *fake, networks: [lan]}
"""


def doctor(lab, status=0, **environment):
    """The checks by name; the exit status has to be what their levels say."""
    done = lab.drover("doctor", "--format", "json", status=status, environment=environment)
    checks = {check["name"]: check for check in done.json()["checks"]}
    assert (done.status == 1) == any(check["level"] == "fail" for check in checks.values())
    return checks


def test_doctor(world):
    """On a host that can do all it fails nothing; what is missing is named, with what to type. Nothing is changed."""
    lab = world.lab(PAIR)
    checks = doctor(lab)
    assert {check["level"] for check in checks.values()} <= {"ok", "warn"}
    assert {"qemu", "qemu-img", "dnsmasq", "kvm", "tun", "nftables", "user", "data", "memory", "disk"} <= set(checks)
    assert "QEMU emulator version" in checks["qemu"]["text"]
    assert not os.path.exists(lab.roots["data"]) and not os.path.exists(lab.roots["run"])

    text = lab.drover("doctor").out
    assert [line.split()[1] for line in text.splitlines() if not line.startswith(" ")] == list(checks)

    assert doctor(lab, 1, DROVER_QEMU="/nowhere/qemu")["qemu"]["text"] == "/nowhere/qemu is not installed"
    user = doctor(lab, 1, DROVER_QEMU_USER="nobody-has-it")["user"]
    assert user["text"] == "QEMU never runs as root: there is no user 'nobody-has-it'"
    assert user["fix"] == "let DROVER_QEMU_USER name a user of this host"
    data = doctor(lab, 1, DROVER_DATA_DIR=f"{lab.file}/data")["data"]
    assert data["level"] == "fail" and data["text"].startswith(f"'{lab.file}' cannot be written")


# A user namespace with all numbers of root's, in which no further one may be made.
WITHOUT_NAMESPACES = """
import ctypes, os, sys
made, mapped, mapper = os.pipe(), os.pipe(), os.fork()
if mapper == 0:
    os.read(made[0], 1)
    for kind in "uid", "gid":
        with open(f"/proc/{os.getppid()}/{kind}_map", "w") as file:
            file.write("0 0 65536")
    os._exit(os.write(mapped[1], b"x") != 1)
ctypes.CDLL(None).unshare(0x10000000)
os.write(made[1], b"x")
os.read(mapped[0], 1)
os.waitpid(mapper, 0)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execvp(sys.argv[1], sys.argv[1:])
"""


# As other kernels have it, and distributions: the switches of these folders.
MOUNT = 'mount --bind "$0" /proc/sys/kernel && mount --bind "$1" /proc/sys/user && shift && exec "$@"'


def test_doctor_of_a_user(world):
    """Without rights on the host the tun device and user namespaces matter, QEMU's user does not."""
    user = world.user()
    checks = doctor(world.lab(PAIR, prefix=user.prefix), None)
    assert checks["namespaces"]["level"] == "ok" and "user" not in checks
    without = [sys.executable, "-c", WITHOUT_NAMESPACES, *user.prefix]
    check = doctor(world.lab(PAIR, name="w", prefix=without), 1)["namespaces"]
    assert (check["level"], check["fix"]) == ("fail", "sysctl -w user.max_user_namespaces=10000"), check
    for name, value in ("unprivileged_userns_clone", 0), ("apparmor_restrict_unprivileged_userns", 1):
        switches = [world.make_directory(name, "kernel"), world.make_directory(name, "user")]
        with open(os.path.join(switches[0], name), "w", encoding="ascii") as file:
            file.write(f"{value}\n")
        mounts = ["unshare", "--mount", "sh", "-c", MOUNT, *switches]
        check = doctor(world.lab(PAIR, name=name[:4], prefix=[*without[:3], *mounts, *user.prefix]), 1)["namespaces"]
        assert (check["level"], check["fix"]) == ("fail", f"sysctl -w kernel.{name}={1 - value}"), check
    assert checks["tun"]["level"] == ("ok" if os.stat("/dev/net/tun").st_mode & 0o006 == 0o006 else "fail")
    devices = world.devices()
    assert doctor(world.lab(PAIR, name="b", prefix=devices.prefix + user.prefix), None)["tun"]["level"] == "ok"


def test_doctor_of_kvm(world):
    """Who may not open /dev/kvm is told which group may, or to give it one; a member of that group can."""
    group, user = grp.getgrnam("games"), world.user()
    devices = world.devices(kvm_group=group.gr_gid)
    lab = world.lab(PAIR, prefix=devices.prefix + user.prefix)
    refused = "/dev/kvm cannot be opened: Permission denied"
    check = doctor(lab, None, DROVER_ACCEL="auto")["kvm"]
    assert (check["level"], check["fix"]) == ("warn", "usermod -aG games $USER, then log in again"), check
    assert check["text"].startswith(refused), check
    host.command(*devices.prefix, "chmod", "600", "/dev/kvm")
    check = doctor(lab, None, DROVER_ACCEL="auto")["kvm"]
    assert check["fix"].startswith("chgrp kvm /dev/kvm; chmod 660 /dev/kvm; usermod -aG kvm "), check
    host.command(*devices.prefix, "chmod", "660", "/dev/kvm")
    lab.prefix = devices.prefix + [f"--groups={group.gr_gid}" if word == "--clear-groups" else word for word in user.prefix]
    assert refused not in doctor(lab, None, DROVER_ACCEL="auto")["kvm"]["text"]
    assert doctor(lab, None, DROVER_ACCEL="tcg")["kvm"]["fix"] == "unset DROVER_ACCEL"


def test_doctor_under_systemd(world):
    """Whether VMs outlive the login: root's always, a user's when it lingers."""
    assert "logout" not in doctor(world.lab(PAIR)) or os.path.exists("/run/systemd/system")
    manager, user = systemd.Systemd(world.path("systemd")), world.user()
    world.closers.append(manager.close)
    world.ignore.add(manager.holder.pid)
    assert doctor(world.lab(PAIR, name="r", prefix=manager.prefix))["logout"]["level"] == "ok"
    lab = world.lab(PAIR, name="u", prefix=manager.prefix + user.prefix)
    check = doctor(lab, None)["logout"]
    assert (check["level"], check["fix"]) == ("warn", "loginctl enable-linger")
    manager.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib")
    manager.run("mkdir", "-p", "/var/lib/systemd/linger")
    manager.run("touch", f"/var/lib/systemd/linger/{user.name}")
    assert doctor(lab, None)["logout"]["level"] == "ok"
    assert not manager.asked


def complete(lab, *words):
    """What bash offers for the last of these words, with the script that drover prints."""
    script = f"""
        source <({shlex.quote(lab.world.programs.drover)} completion bash) || exit
        COMP_WORDS=({' '.join(map(shlex.quote, (lab.world.programs.drover, *words)))})
        COMP_CWORD={len(words)}
        _drover
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-u", "-c", script], cwd=lab.directory, env=lab.environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


def test_completion(world):
    """Verbs, options, the words of an option, and the VMs of the file, also of one that -f names."""
    lab = world.lab(PAIR)
    assert complete(lab, "res") == ["restart"]
    assert {"up", "down", "ps", "doctor"} <= set(complete(lab, ""))
    assert complete(lab, "ps", "--f") == ["--file", "--format"]
    assert complete(lab, "ps", "--format", "") == ["table", "json"]
    assert complete(lab, "kill", "-s", "r") == ["reset"]
    assert complete(lab, "stop", "") == ["web", "db"]
    assert complete(lab, "stop", "w") == ["web"]
    assert complete(lab, "--progress", "plain", "stop", "d") == ["db"]
    assert complete(lab, "ls", "") == []
    assert complete(lab, "help", "uns") == [] and complete(lab, "help", "unp") == ["unpause"]
    os.rename(lab.file, lab.file + ".other")
    assert complete(lab, "stop", "") == []
    assert complete(lab, "-f", lab.file + ".other", "stop", "") == ["web", "db"]
    assert complete(lab, "up", "-t", "") == []
    with open(os.path.join(lab.directory, "x.yaml"), "w", encoding="ascii"):
        assert complete(lab, "-f", "x.") == ["x.yaml"]
    assert "bash is the one" in lab.drover("completion", "fish", status=4).err
