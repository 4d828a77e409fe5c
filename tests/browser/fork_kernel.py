"""A process that has imported the packages of notebooks and forks a kernel for each, so that no kernel imports them.

``fork_kernel.py serve NUMBER`` is this process; it listens at an open socket. ``fork_kernel.py ask ADDRESS FILE``, the
command of a kernelspec, asks it for a kernel with a connection file, passes interrupts to the kernel, and ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from typing import Any


def ask(address: str, file: str) -> None:
    """Ask for a kernel, and wait for its end."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        asked = {"file": file, "folder": os.getcwd(), "environment": dict(os.environ)}
        line.sendall(json.dumps(asked).encode() + b"\n")
        kernel = int(line.recv(20))
        signal.signal(signal.SIGINT, lambda number, _frame: os.kill(kernel, number))
        line.recv(1)


def serve(number: str) -> None:
    """Fork a kernel for each request, until this process is ended."""
    from ipykernel.kernelapp import IPKernelApp

    import msgflux_nb as mf

    _ = (mf.Model, mf.Playground)  # loaded when they are named
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the process waits for no kernel
    listening = socket.socket(fileno=int(number))
    while True:
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _dress(line)
            IPKernelApp.launch_instance()
            return
        line.close()


def _dress(line: socket.socket) -> None:
    """Take over the folder and the environment of the asking process; end when that process ends."""
    asked: dict[str, Any] = json.loads(line.makefile().readline())
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["ipykernel_launcher", "-f", asked["file"]]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line.sendall(str(os.getpid()).encode())
    threading.Thread(target=lambda: (line.recv(1), os._exit(1)), daemon=True).start()


if __name__ == "__main__":
    del sys.path[0]  # this folder
    {"ask": ask, "serve": serve}[sys.argv[1]](*sys.argv[2:])
