"""Records first calls: a question, one with a system prompt, a follow-up, and a stream."""

from __future__ import annotations

import msgflux_nb as mf
from scripts.recordings.place import MODEL, recording

SYSTEM = "You answer in one short sentence."


def main() -> None:
    model = mf.Model.chat_completion(MODEL, temperature=0.0, max_tokens=60)
    with recording("first_call", "A first call: request, answer, bill"):
        model("What is a token?")
        answer = model("What is a token?", system_prompt=SYSTEM)
        history = [mf.ChatBlock.user("What is a token?"), *answer.to_messages()]
        model([*history, mf.ChatBlock.user("Give an example.")], system_prompt=SYSTEM)
        model("What is a token?", system_prompt=SYSTEM, stream=True).consume()


if __name__ == "__main__":
    main()
