"""``python -m msgflux_nb``: the command ``msgflux-nb``, where it is not on the path."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
