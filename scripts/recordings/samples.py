"""Records forty samples of one prompt at three temperatures, with the twenty likeliest tokens at each place."""

from __future__ import annotations

import msgflux_nb as mf
from scripts.recordings.place import MODEL, recording

PROMPT = "Name one animal. Answer with one word only."
SENTENCE = "Write one short sentence about the sea."


def main() -> None:
    with recording("samples", "Forty samples of one prompt at three temperatures, and one sentence, with candidates"):
        for temperature in (0.0, 0.7, 1.2):
            model = mf.Model.chat_completion(
                MODEL, temperature=temperature, max_tokens=6, logprobs=True, top_logprobs=20
            )
            for number in range(40):
                model.numbered(number)(PROMPT)
        for temperature in (0.0, 0.7):
            model = mf.Model.chat_completion(
                MODEL, temperature=temperature, max_tokens=24, logprobs=True, top_logprobs=20
            )
            model(SENTENCE, stream=True).consume()


if __name__ == "__main__":
    main()
