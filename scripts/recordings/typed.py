"""Records twelve answers to decode to a type: ten good ones and two that are broken on purpose.

``typed.truth.json`` has the question and the right value of each.
"""

from __future__ import annotations

import json

import msgflux_nb as mf
from scripts.recordings.place import FOLDER, MODEL, recording

TASK = 'Answer with JSON only, such as {{"name": "Bo", "age": 5, "city": "Rome"}}. Text: {text}'
AS_PYTHON = "Write a Python dict literal with single quotes and the keys name, age, city. Only the dict. Text: {text}"
PEOPLE = [
    ("Ada", 36, "London"),
    ("Bruno", 41, "Porto"),
    ("Clara", 29, "Lyon"),
    ("David", 52, "Bergen"),
    ("Elif", 33, "Izmir"),
    ("Femi", 27, "Lagos"),
    ("Greta", 61, "Vienna"),
    ("Hugo", 19, "Quito"),
    ("Ines", 45, "Seville"),
    ("Jun", 38, "Osaka"),
    ("Karl", 70, "Graz"),
    ("Lena", 24, "Riga"),
]
BROKEN = {4: "as a Python dict", 9: "cut after fifteen tokens"}


def main() -> None:
    told = []
    with recording("typed", "Twelve answers in JSON, two of them broken on purpose"):
        for number, (name, age, city) in enumerate(PEOPLE):
            text = f"{name} is {age} years old and lives in {city}."
            model = mf.Model.chat_completion(MODEL, temperature=0.0, max_tokens=15 if number == 9 else 50)
            question = (AS_PYTHON if number == 4 else TASK).format(text=text)
            answer = model(question)
            print(number, answer.text)
            truth = {"name": name, "age": age, "city": city}
            told.append({"question": question, "truth": truth, "broken": BROKEN.get(number)})
    (FOLDER / "typed.truth.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
