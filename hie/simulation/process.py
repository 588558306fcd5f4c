"""Starting and ending a node as an operator would: a process of its own, told by its configuration file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from hie.simulation.usage import tree


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def listening(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


class NodeProcess:
    """A running `hie run --config FILE`. Its output goes to a file, so that nothing blocks on a pipe."""

    def __init__(self, config: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        self.config = config
        self.log = log
        self.environment = environment or {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, ports: list[int], seconds: float = 30.0) -> float:
        """Starts and waits until all `ports` accept; answers the seconds it took. Raises TimeoutError with the log's end."""
        started = time.perf_counter()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hie", "run", "--config", str(self.config)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(listening(port) for port in ports):
                return time.perf_counter() - started
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise TimeoutError(self.log.read_text("utf-8", "replace")[-2000:])

    def child(self, var: Path, name: str) -> int:
        """Process id of one of the node's processes (`intake`, `engine`, `pool-0`, `web`)."""
        return int((var / "run" / f"{name}.pid").read_text())

    def kill(self) -> None:
        """SIGKILL for the whole tree: what a power cut looks like from inside."""
        for pid in tree(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert self.process is not None
        self.process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM, then waits for the drain; answers the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)
