"""Two unrelated packages on the public index own the import names `adapters` and `mpi`: are ours the ones that answer?"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hie.errors import ConfigurationError


def check_packages() -> None:
    """Raises ConfigurationError where `adapters` or `mpi` does not lie beside `hie`."""
    here = Path(__file__).resolve().parent.parent
    for name in ("adapters", "mpi"):
        spec = find_spec(name)
        origin = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if origin != here:
            raise ConfigurationError(
                f"the package {name!r} that Python finds is not ours (it lies in {origin}, hie in {here})",
                code="package-clash",
                hint=f"another distribution installed a package called {name!r}: give hie an environment of its own",
            )
