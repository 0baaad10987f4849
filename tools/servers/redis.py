"""Redis, or Valkey where that is what is installed: appends to its file before it answers, and evicts nothing."""

from server import Server, living, run


class Redis(Server):
    """A server of one database."""

    name = "redis"
    packages = ("redis-server",)
    programs = ("redis-server",)
    port = 26379

    def program(self, name: str) -> str | None:
        """Valkey does as well."""
        return super().program(name) or super().program(name.replace("redis", "valkey"))

    def start(self) -> None:
        """In the background."""
        options = {
            "port": self.chosen_port(), "bind": "127.0.0.1", "dir": self.home, "daemonize": "yes",
            "pidfile": self.home / "pid", "logfile": self.home / "log", "appendonly": "yes", "appendfsync": "everysec",
            "save": "", "maxmemory-policy": "noeviction",
        }  # fmt: skip
        run(
            [
                self.program("redis-server"),
                *(word for key, value in options.items() for word in (f"--{key}", str(value))),
            ]
        )

    def greets(self) -> bool:
        """It may still be loading what it holds."""
        return self.talk(b"PING\r\n").startswith(b"+PONG")

    def url(self) -> str:
        """Its first database."""
        return f"redis://127.0.0.1:{self.chosen_port()}/0"

    def pid(self) -> int | None:
        """From its own file."""
        return living(self.home / "pid", "-server")
