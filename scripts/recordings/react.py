"""Three runs of ``mf.plan.react`` with two tools; the last one wastes its budget on what they cannot answer."""

from __future__ import annotations

import sys

import msgflux_nb as mf
from msgflux_nb.course.materials import TASKS, price, to_dollars
from scripts.recordings.place import recording

MODEL = "local/qwen2.5-coder-1.5b"


def main(first: int = 0, end: int = len(TASKS)) -> None:
    model = mf.Model.chat_completion(MODEL, temperature=0.0, max_tokens=70)
    title = "Three runs that think and use tools; one of them wastes its budget"
    with recording("react", title, add=first > 0):
        for task, budget in list(TASKS.items())[first:end]:
            result = mf.plan.react(model, task, tools=[price, to_dollars], **budget)
            print(task, "->", result.final_answer, result.stopped, result.calls, flush=True)
            print(result.to_frame().to_string(max_colwidth=40), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
