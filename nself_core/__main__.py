"""``python -m nself_core`` is ``nself``."""

import sys

from nself_core.cli.main import main

sys.exit(main())
