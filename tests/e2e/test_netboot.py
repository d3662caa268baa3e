"""test_netboot.py - a machine without a disk loads its kernel from the lab"""

import os
import shutil

SCRIPT = """\
#!ipxe
kernel vmlinuz console=ttyS0 quiet no_timer_check initrd=initrd.gz
initrd initrd.gz
boot
"""


def test_network_boot(world):
    """DHCP names a script, iPXE in the NIC's ROM runs it, and kernel and initrd come by TFTP."""
    lab = world.lab("""
networks:
  lan: {subnet: 10.20.0.0/24, mode: isolated, dhcp: {boot: {file: boot.ipxe, tftp_root: ./tftp}}}
vms:
  one: {memory: 192M, boot: {order: [network]}, networks: {lan: {ip: 10.20.0.30}}}
""")
    folder = os.path.join(lab.directory, "tftp")
    os.mkdir(folder, 0o700)
    for name in ("vmlinuz", "initrd.gz"):
        shutil.copy(os.path.join(world.programs.guest, name), folder)
    with open(os.path.join(folder, "boot.ipxe"), "w", encoding="utf-8") as file:
        file.write(SCRIPT)
    up = lab.drover("up", status=5)
    assert "cannot serve files to network 'lan': dnsmasq's user" in up.err and f"chmod o+x {folder}" in up.err, up
    os.chmod(folder, 0o755)
    lab.drover("up")
    ready = lab.console("one").ready(120)
    assert ready["address"] == "10.20.0.30" and ready["hostname"] == "one", ready
    lab.assert_satisfied()
