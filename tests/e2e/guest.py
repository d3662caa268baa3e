"""guest.py - how tests listen to the tiny guest (its console log) and talk to it (a shell on its console socket)"""

import os
import re
import socket
import time


class Console:
    """The console log of a VM, followed: each wait goes on behind the last match."""

    def __init__(self, lab, vm):
        self.lab, self.vm = lab, vm
        self.path = lab.vm_data(vm, "console.log")
        self.position = 0

    def text(self):
        try:
            with open(self.path, "rb") as file:
                return file.read().decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    def skip(self):
        """Forget what has been printed so far."""
        self.position = len(self.text())

    def wait(self, pattern, timeout=60):
        """Waits for a regular expression; returns the match."""
        end = time.monotonic() + timeout
        while True:
            text = self.text()
            match = re.compile(pattern, re.MULTILINE).search(text, self.position)
            if match:
                self.position = match.end()
                return match
            if time.monotonic() > end:
                raise AssertionError(f"after {timeout} s, no '{pattern}' on the console of '{self.vm}', which ends:\n"
                                     f"{text[-2000:]}\n{self.lab.drover('ps', '-a', status=None)}")
            time.sleep(0.02)

    def ready(self, timeout=60):
        """Waits for the next interface that has an address; returns what the guest says of it."""
        line = self.wait(r"READY (hostname=.*)\n", timeout).group(1)
        return dict(word.split("=", 1) for word in line.split())


def _receive(connection, pattern, end, what, nudge=None):
    text = ""
    while True:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return match
        if time.monotonic() > end:
            raise AssertionError(f"{what}: no answer from the guest's shell, only {text[-500:]!r}")
        try:
            piece = connection.recv(4096)
        except TimeoutError:
            if nudge:
                connection.sendall(nudge)
            continue
        if not piece:
            raise AssertionError(f"{what}: the console was closed after {text[-500:]!r}")
        text += piece.decode(errors="replace").replace("\r", "")


def shell(path, command, timeout=30):
    """Types a command into the shell on a console; returns what it printed. A status other than 0 is an error.

    The marks are written with quotes inside, so that the echo of the command line is not taken for its output.
    """
    end = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX) as connection:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        try:
            connection.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        finally:
            os.close(directory)
        connection.settimeout(0.5)
        connection.sendall(b"\n")
        _receive(connection, "guest# ", end, "prompt", nudge=b"\n")
        connection.sendall(f"echo be'gi'n; {command}; echo en'd' $?\n".encode())
        match = _receive(connection, r"begin\n(.*)end (\d+)\n", end, command)
        assert match.group(2) == "0", f"in the guest, '{command}' ended with {match.group(2)}: {match.group(1)}"
        return match.group(1)
