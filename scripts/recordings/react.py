"""Records three runs of ``mf.plan.react`` with two tools, by two embedded models; the small one wastes its budget.

Both have to call a tool in each turn (``answer_tool=True``): otherwise they write about the tools instead of calling
them. No task was changed after a model had seen it, and each run is its task's first one.
"""

from __future__ import annotations

import msgflux_nb as mf
from msgflux_nb.course.materials import TASKS, price, solver, to_dollars
from scripts.recordings.place import recording

TITLE = "Three runs that think and use tools; one of them wastes its budget"


def main() -> None:
    with recording("react", TITLE):
        for task, budget in TASKS.items():
            result = mf.plan.react(solver(task), task, tools=[price, to_dollars], answer_tool=True, **budget)
            print(task, "->", result.final_answer, result.stopped, result.calls, flush=True)
            print(result.to_frame().to_string(max_colwidth=60), flush=True)


if __name__ == "__main__":
    main()
