"""Many small cases in one test, for cases whose separate tests would take longer to begin than to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def each(cases: Iterable[tuple[str, Any]], check: Callable[..., None]) -> None:
    """Check every case, even after a failure; then fail with all failed cases by their names.

    Args:
        cases: names and arguments; a tuple gives several arguments.
        check: the body of the test.

    Raises:
        ExceptionGroup: the exceptions of the failed cases.
    """
    names, failures = [], []
    count = 0
    for count, (name, case) in enumerate(cases, 1):  # noqa: B007
        try:
            check(*case) if isinstance(case, tuple) else check(case)
        except Exception as failure:
            failure.add_note(f"in the case {name!r}")
            names.append(name)
            failures.append(failure)
    assert count, "expected at least one case"
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {count} cases failed: {', '.join(names)}", failures)
