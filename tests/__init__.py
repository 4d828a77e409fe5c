"""Tests of the package; whoever names no embedded model gets the smallest here, since it is quick."""

import os

os.environ.setdefault("MSGFLUX_LOCAL_MODEL", "smollm2-135m")
