"""test_debian.py - one boot of a real Debian: what cloud-init made of the seed, and all the ways in

Two cores take most of a minute to emulate this boot, so there is one, and every question is asked of it.
"""

import os
import subprocess

from host import command

DEBIAN = """\
networks: {{lan: {{subnet: 10.62.0.0/24}}, side: {{subnet: 10.63.0.0/24, dhcp: false}}}}
vms:
  deb:
    image: {image}
    disk: 1G
    memory: 512M
    cpus: 2
    boot: {{kernel: {guest}/vmlinuz, initrd: {guest}/initrd.gz, cmdline: "console=ttyS0 quiet no_timer_check drover.root=vda"}}
    networks: {{lan: {{}}, side: {{ip: 10.63.0.10}}}}
    hostname: sheep
    mounts: ["./src:/srv/src", {{source: ./src, target: /old, type: 9p}}]
    ssh: {{user: ann}}
    credentials: {{token: no secret, some.bytes: {{file: ./bytes}}}}
    cloud_init: {{user_data: {{runcmd: [echo theirs >>/root/ran]}}}}
    files:
      - {{path: /etc/motd, content: "hello there\\n"}}
      - {{path: /home/ann/hers, content: hers, owner: "ann:ann", mode: "0600"}}
    run: [echo ours >>/root/ran, [touch, "/root/a b"]]
"""

BOOT_S = 600  # under TCG, beside whatever else this machine does


class Debian:
    """The guest, set up."""

    def __init__(self, lab):
        self.lab = lab

    def run(self, *words, status=0, data=b"", options=()):
        """drover exec, with bytes in and out; returns what it printed."""
        done = subprocess.run(self.lab.argv("exec", "-T", *options, "deb", "--", *words), env=self.lab.environment, input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=BOOT_S, cwd=self.lab.directory)
        assert done.returncode == status, done
        self.said = done.stderr.decode()
        return done.stdout

    def shell(self, text, **options):
        return self.run("sh", "-c", text, **options).decode()


def check_seed(guest):
    """Each part of the seed as it is seen from inside."""
    assert guest.shell("id -un; hostname; cat /etc/motd; sudo -n cat /root/ran") == "ann\nsheep\nhello there\ntheirs\nours\n"
    assert guest.said.startswith("note: over the network, as ann at 10.62.0."), guest.said
    assert guest.shell("sudo -n ls '/root/a b'; stat -c '%U %a' ~/hers; cat ~/hers") == "/root/a b\nann 600\nhers"
    addresses = guest.shell("ip -4 -o addr")
    assert "10.63.0.10/24" in addresses and "10.62.0." in addresses, addresses
    instance = f'{guest.lab.spec("deb")["uuid"]}-0'
    assert guest.shell("cloud-init query instance_id; cloud-init status --long").startswith(f"{instance}\nstatus: done\n")
    assert "DataSourceNoCloud [seed=/dev/sr0]" in guest.shell("cat /run/cloud-init/result.json")
    assert int(guest.shell("df -m --output=size / | tail -n 1")) > 800, "the root file system has not grown with its disk"


def check_mounts(guest):
    """By cloud-init, at its first boot; Debian's cloud kernel has no 9p, which is told and holds nothing up."""
    with open(os.path.join(guest.lab.directory, "src", "theirs"), "w", encoding="utf-8") as file:
        file.write("from the host")
    assert guest.shell("sudo -n sh -c 'cat /srv/src/theirs; echo -n from the guest >/srv/src/ours'") == "from the host"
    with open(os.path.join(guest.lab.directory, "src", "ours"), encoding="utf-8") as file:
        assert file.read() == "from the guest"
    assert "drover: cannot mount '/old': mount: /old: unknown filesystem type '9p'" in guest.lab.console("deb").text()


def check_credentials(guest, every_byte):
    """From the firmware to systemd, which hands them to services; never as an argument of QEMU."""
    listed = guest.shell("sudo -n systemd-creds --system list --no-legend --no-pager")
    assert "token" in listed and "some.bytes" in listed, listed
    assert guest.run("sudo", "-n", "systemd-creds", "--system", "cat", "some.bytes") == every_byte[:2900]
    assert guest.shell("sudo -n systemd-creds --system --newline=no cat token") == "no secret"
    with open(f'/proc/{guest.lab.pids()["deb"]}/cmdline', "rb") as file:
        words = file.read()
    assert b"-smbios" in words and b"secret" not in words and b"bm8gc2VjcmV0" not in words


def check_exec(guest, every_byte):
    assert guest.run("cat", data=every_byte) == every_byte
    guest.run("sh", "-c", "exit 42", status=42)
    assert guest.run("printf", "%s|", "a b", "$HOME", "'").decode() == "a b|$HOME|'|"
    assert guest.shell("pwd; id -un; echo $NAME", options=["-w", "/tmp", "-u", "root", "-e", "NAME=v w"]) == "/tmp\nroot\nv w\n"
    typed = guest.lab.drover("ssh", "deb", "--", "cd /tmp && pwd && exit 3", status=3)
    assert typed.out == "/tmp\n", typed


def check_copies(guest, every_byte):
    lab = guest.lab
    here, back = os.path.join(lab.directory, "here"), os.path.join(lab.directory, "back")
    with open(here, "wb") as file:
        file.write(every_byte)
    lab.drover("cp", here, "deb:there")
    lab.drover("cp", "deb:there", back)
    with open(back, "rb") as file:
        assert file.read() == every_byte
    config = os.path.join(lab.directory, "lab.ssh")
    with open(config, "w", encoding="utf-8") as file:
        file.write(lab.drover("ssh-config").out)
    os.unlink(back)
    command("scp", "-q", "-F", config, "deb:there", back, timeout=BOOT_S)
    command("rsync", "-e", f"ssh -F {config}", "--checksum", "deb:there", back, timeout=BOOT_S)
    with open(back, "rb") as file:
        assert file.read() == every_byte
    answer = command("ansible", "-i", "deb,", "all", "-m", "ping", "--ssh-common-args", f"-F {config}",
                     env={"PATH": os.environ["PATH"], "HOME": lab.directory, "LC_ALL": "C.UTF-8",
                          "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}, timeout=BOOT_S)
    assert '"ping": "pong"' in answer, answer


def check_agent(guest, every_byte):
    """Without an ssh server the guest agent does it, and it says so."""
    guest.run("sudo", "-n", "systemctl", "stop", "ssh")
    assert guest.run("cat", data=every_byte, options=["-i"]) == every_byte
    assert guest.said.startswith("note: through the guest agent, as root: no ssh ("), guest.said
    guest.run("sh", "-c", "exit 42", status=42)
    assert guest.shell("id -un; pwd", options=["-u", "ann", "-w", "/tmp"]) == "ann\n/tmp\n"
    here, back = os.path.join(guest.lab.directory, "here"), os.path.join(guest.lab.directory, "agent")
    guest.lab.drover("cp", here, "deb:/root/there")
    guest.lab.drover("cp", "deb:/root/there", back)
    with open(back, "rb") as file:
        assert file.read() == every_byte


def test_debian(world, debian):
    every_byte = bytes(range(256)) * 300
    lab = world.lab(DEBIAN.format(image=debian, guest=world.programs.guest))
    os.mkdir(os.path.join(lab.directory, "src"))
    with open(os.path.join(lab.directory, "bytes"), "wb") as file:
        file.write(every_byte[:2900])
    lab.drover("up")
    lab.console("deb").wait(r"Cloud-init .* finished at", BOOT_S)
    guest = Debian(lab)
    check_seed(guest)
    check_mounts(guest)
    check_credentials(guest, every_byte)
    check_exec(guest, every_byte)
    check_copies(guest, every_byte)
    check_agent(guest, every_byte)
