"""Tests of the package. The default embedded model is the smallest one here, since it is fast."""

import os

os.environ.setdefault("MSGFLUX_LOCAL_MODEL", "smollm2-135m")
