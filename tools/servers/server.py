"""What all servers have in common: a folder, a port of their own, the programs they need, and how they come and go."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = CHECKOUT / ".services"
#: Seconds that a server may take to start or to stop.
PATIENCE = 60.0


class Trouble(Exception):
    """A server cannot be had; the text says why, and what to do."""


class Server:
    """One server. A subclass says what it is called, what it needs, and how it starts and stops.

    Attributes:
        name: as people call it.
        packages: of Debian, which bring it.
        programs: that have to be there.
        port: that is tried first.
    """

    name = ""
    packages: Sequence[str] = ()
    programs: Sequence[str] = ()
    port = 0

    @property
    def home(self) -> Path:
        """Where its data, its log and its pid lie."""
        return ROOT / self.name

    def up(self) -> None:
        """Install it if need be, and start it, unless it runs."""
        if self.answers():
            return
        self.home.mkdir(parents=True, exist_ok=True)
        missing = [program for program in self.programs if self.program(program) is None]
        if missing and not self._install():
            if self._by_compose("up", "--detach", "--wait"):
                (self.home / "compose").touch()
                return
            raise Trouble(
                f"{', '.join(missing)} not found: install {self.name} so that it is on the PATH (as root on Debian "
                f"this is done here), or docker with its compose plugin"
            )
        self._choose_port()
        self.start()
        wait_until(self.answers, f"it does not answer; see {self.home}/log")

    def down(self) -> None:
        """Stop it in good order; what it holds stays."""
        if (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGINT if self.name == "postgres" else signal.SIGTERM)
            wait_until(lambda: self.pid() is None, f"process {pid} does not end; see {self.home}/log")
        elif self.composed:
            self._by_compose("stop")
            (self.home / "compose").unlink()

    def start(self) -> None:
        """Start it; it need not answer yet when this returns."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it is there and ready, and ours: another checkout may have one at the usual port."""
        return (self.composed or self.pid() is not None) and self.greets()

    def greets(self) -> bool:
        """Whether what listens at the port is ready."""
        raise NotImplementedError

    @property
    def composed(self) -> bool:
        """Whether docker compose started it."""
        return (self.home / "compose").exists()

    def url(self) -> str:
        """What Forebay calls it."""
        raise NotImplementedError

    def pid(self) -> int | None:
        """Its process, if it lives and is ours."""
        raise NotImplementedError

    def program(self, name: str) -> str | None:
        """Where a program is."""
        return shutil.which(name)

    # --- the port ---

    def chosen_port(self) -> int:
        """The port it was given, and keeps."""
        try:
            return int((self.home / "port").read_text())
        except (OSError, ValueError):
            return self.port

    def _choose_port(self) -> None:
        """The one it had, the usual one, or any that is free."""
        for port in (self.chosen_port(), self.port, 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                (self.home / "port").write_text(str(probe.getsockname()[1]))
                return
        raise Trouble("no port is free")

    def talk(self, question: bytes) -> bytes:
        """Ask what listens at its port something; empty without an answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.chosen_port()), 2) as wire:
                wire.sendall(question)
                return wire.recv(64)
        except OSError:
            return b""

    # --- where it comes from ---

    def _install(self) -> bool:
        """From Debian's packages, as root; whether it is there then. The package's own service is not started."""
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            return False
        print(f"{self.name:<10} installing {', '.join(self.packages)} ...", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *self.packages]
        for command in (install, ["apt-get", "update", "-qq"], install):
            done = subprocess.run(
                command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if command is install and done.returncode == 0:
                break
        else:
            raise Trouble(f"apt-get install {' '.join(self.packages)} failed: {_last_line(done.stderr)}")
        return all(self.program(program) for program in self.programs)

    def _by_compose(self, *verb: str) -> bool:
        """By docker compose, where there is one; whether that was done."""
        if shutil.which("docker") is None:
            return False
        command = ["docker", "compose", "--file", str(CHECKOUT / "compose.yaml"), *verb, self.name]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    """Look again and again for a while.

    Raises:
        Trouble: it did not become true.
    """
    give_up = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > give_up:
            raise Trouble(otherwise)
        time.sleep(0.02)


def run(command: list[str], **options: Any) -> None:
    """Run a command to its end.

    Raises:
        Trouble: it failed; its last line says why.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Trouble(f"{Path(words[0]).name}: {_last_line(done.stderr or done.stdout)}")


def living(pid_file: Path, program: str) -> int | None:
    """The process whose number a file begins with, if it lives and runs this program."""
    try:
        pid = int(pid_file.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_text() if Path("/proc/self").exists() else program
    except (OSError, ValueError, IndexError):
        return None
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return pid if program in command else None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
