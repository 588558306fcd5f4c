"""`python -m hie` is the `hie` command."""

import sys

from hie.cli import main

sys.exit(main())
