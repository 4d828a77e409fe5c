"""Records a question with and without the start of its answer."""

from __future__ import annotations

import msgflux_nb as mf
from scripts.recordings.place import MODEL, recording

TASK = "Where does Ada Lovelace come from, and when was she born? Answer as JSON with the fields place and year."
STARTS = (None, "{", '{"place": "', "Sorry, but")


def main() -> None:
    model = mf.Model.chat_completion(MODEL, temperature=0.0, max_tokens=60)
    with recording("prefill", "One question, begun for the model in four ways"):
        for start in STARTS:
            model(TASK, prefilling=start)
            model(TASK, prefilling=start, stream=True).consume()


if __name__ == "__main__":
    main()
