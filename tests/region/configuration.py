"""The region's configuration: six ways in, ten ways out, all with their own counterparts in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hie.simulation.process import free_port

NORTH, RIVER, LAB, ARCHIVE = "NORTH", "RIVER", "LABCO", "OLDHIS"
AUTHORITIES = {name: f"urn:oid:2.16.840.1.113883.3.9999.{n}" for n, name in enumerate((NORTH, RIVER, LAB, ARCHIVE), 1)}
V2_EVENTS = '["ADT^*", "ORU^*"]'
BROKER = "amqp://guest@127.0.0.1:5672/%2F"


@dataclass(frozen=True)
class Places:
    """Ports, folders and queue names of one run."""

    directory: Path
    run: str
    database: str
    engines: int
    http: int
    north: int
    river: int
    mllp: tuple[int, ...]
    fhir: tuple[int, ...]

    @classmethod
    def choose(cls, directory: Path, run: str, database: str, engines: int) -> Places:
        for folder in ("archive", "warehouse"):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        ports = [free_port() for _ in range(10)]
        return cls(directory, run, database, engines, *ports[:3], tuple(ports[3:6]), tuple(ports[6:10]))

    @property
    def archive(self) -> Path:
        return self.directory / "archive"

    @property
    def warehouse(self) -> Path:
        return self.directory / "warehouse"

    def queue(self, name: str) -> str:
        return f"hie.region.{self.run}.{name}"

    def write(self) -> Path:
        file = self.directory / "hie.yaml"
        file.write_text(self._head() + self._feeds() + self._subscribers())
        return file

    def _head(self) -> str:
        names = ("north", "river", "labco", "archive", "harbor", "apps", *self.recipients)
        participants = "".join(f"  - {{name: {name}, references: [Organization/{name}]}}\n" for name in names)
        return (
            f'name: region\nvar: var\ndatabase: "{self.database}"\nhttp: {{port: {self.http}}}\n'
            f"workers: {{pool: 1, engines: {self.engines}}}\nparticipants:\n{participants}"
        )

    @property
    def recipients(self) -> tuple[str, ...]:
        return (
            *(f"ward-{n}" for n in range(len(self.mllp))),
            *(f"practice-{n}" for n in range(len(self.fhir))),
            "warehouse",
            "bus",
            "registry",
        )

    def _feeds(self) -> str:
        def feed(name: str, participant: str, source: str, more: str = "") -> str:
            authorities = ", ".join(f'{short}: "{uri}"' for short, uri in AUTHORITIES.items())
            return (
                f"  - {{name: {name}, participant: {participant}, timezone: America/Chicago, expected_interval: 1h, "
                f"authorities: {{{authorities}}}, source: {source}{more}}}\n"
            )

        broker = f'url: "{BROKER}", password_env: HIE_REGION_BROKER, declare: true'
        return "feeds:\n" + "".join(
            (
                feed("north", "north", f"{{kind: mllp, port: {self.north}}}"),
                feed("river", "river", f"{{kind: mllp, port: {self.river}}}"),
                feed("labco", "labco", f"{{kind: queue, {broker}, queue: {self.queue('in')}}}"),
                feed(
                    "archive",
                    "archive",
                    f'{{kind: files, folder: "{self.archive}", settle_seconds: 0.2, poll_seconds: 0.5}}',
                    ", priority: backfill",
                ),
                feed("harbor", "harbor", "{kind: http}", ", format: ccda"),
                feed("apps", "apps", "{kind: http}"),
            )
        )

    def _subscribers(self) -> str:
        retry = "retry: {first: 100ms, longest: 2s, give_up: 1h}"

        def subscriber(name: str, encoder: str, sink: str) -> str:
            events = "" if encoder == "bundle" else f", subscriptions: [{{events: {V2_EVENTS}}}]"
            return (
                f"  - {{name: {name}, participant: {name}, purpose: TREAT, encoder: {encoder}, connections: 2, "
                f"{retry}, sink: {sink}{events}}}\n"
            )

        broker = f'url: "{BROKER}", password_env: HIE_REGION_BROKER, declare: true'
        lines = [
            subscriber(
                f"ward-{n}", "rendered" if n == 2 else "original", f"{{kind: mllp, host: 127.0.0.1, port: {port}}}"
            )
            for n, port in enumerate(self.mllp)
        ]
        lines += [
            subscriber(f"practice-{n}", "bundle", f'{{kind: fhir, url: "http://127.0.0.1:{port}/fhir"}}')
            for n, port in enumerate(self.fhir)
        ]
        lines.append(subscriber("warehouse", "original", f'{{kind: files, folder: "{self.warehouse}"}}'))
        lines.append(subscriber("bus", "original", f"{{kind: queue, {broker}, queue: {self.queue('bus')}}}"))
        lines.append(subscriber("registry", "bundle", f"{{kind: queue, {broker}, queue: {self.queue('registry')}}}"))
        return "subscribers:\n" + "".join(lines)
