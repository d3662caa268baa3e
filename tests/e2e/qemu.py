"""qemu.py - how tests ask a VM's QEMU what it has, and change it behind drover's back"""

import json
import os
import socket


class Monitor:
    """The control monitor of a VM, for one conversation at a time."""

    def __init__(self, lab, vm):
        self.directory = os.path.join(lab.run_directory, "vms", vm)

    def call(self, command, arguments=None, event=None):
        """Runs a command; returns its answer, or with `event` what that event says. A refusal is an error."""
        with socket.socket(socket.AF_UNIX) as connection:
            directory = os.open(self.directory, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{directory}/control.sock")
            finally:
                os.close(directory)
            connection.settimeout(20)
            stream = connection.makefile("rw", encoding="utf-8")
            for number, (name, value) in enumerate((("qmp_capabilities", None), (command, arguments))):
                line = {"execute": name, "id": number, **({"arguments": value} if value else {})}
                stream.write(json.dumps(line) + "\n")
            stream.flush()
            for text in stream:
                message = json.loads(text)
                assert "error" not in message, f"QEMU refuses {command}: {message['error']}"
                if event and message.get("event") == event[0] and message["data"].get("device") == event[1]:
                    return message["data"]
                if not event and message.get("id") == 1:
                    return message["return"]
        raise AssertionError(f"QEMU hung up before it answered {command}")

    def unplug(self, device):
        self.call("device_del", {"id": device}, ("DEVICE_DELETED", device))

    def devices(self):
        """The ids of its devices, and of what drives each."""
        return {item["name"]: item["type"] for item in self.call("qom-list", {"path": "/machine/peripheral"})
                if item["type"].startswith("child<")}

    def nodes(self):
        return {node["node-name"]: node for node in self.call("query-named-block-nodes", {"flat": True})}
