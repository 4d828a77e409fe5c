"""Texts longer than a context: cut at paragraphs and sentences, read in pieces, joined, and found in the store."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.content.tokens import text_tokens
from msgflux_nb.tables.cells import CellError
from msgflux_nb.tables.chunks.cut import cut
from msgflux_nb.tables.chunks.merge import Answered, merged
from msgflux_nb.tables.chunks.pdf_text import paged_text
from msgflux_nb.tables.run import known_runs
from tests.scripted import Reply, Server, completion, error, model_at, running
from tests.tables.scripted_model import Scripted


class Fact(msgspec.Struct):
    code: str
    grams: int


class Found(msgspec.Struct):
    title: str | None
    facts: list[Fact]


FACT = re.compile(r"Sample (S-\d{4}) weighs (\d+) grams\.")
FILLER = "The committee met again and nothing was decided about the matter at hand. " * 3


def page(number: int) -> str:
    """Return a page with one fact and much other text."""
    return f"Page {number}. {FILLER}\n\n{FILLER}Sample S-{number:04d} weighs {number * 7} grams. {FILLER}\n\n{FILLER}"


def document(pages: int) -> str:
    return "Annual report\n\n" + "\n\n".join(page(number) for number in range(1, pages + 1))


def facts_in(text: str) -> Found:
    title = "Annual report" if "Annual report" in text else None
    return Found(title, [Fact(code, int(grams)) for code, grams in FACT.findall(text)])


def told(message: str) -> Reply:
    return completion(msgspec.json.encode(facts_in(message)).decode())


class Reading(Server):
    """Answers with the facts in the text that it gets."""

    def __init__(self, answer: Callable[[str], Reply], delay: float = 0.0) -> None:
        super().__init__([])
        self.answer, self.delay = answer, delay

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        time.sleep(self.delay)
        with self.lock:
            self.bodies.append(body)
        return self.answer(body["messages"][-1]["content"])


@contextmanager
def reading(answer: Callable[[str], Reply] = told, delay: float = 0.0) -> Iterator[Reading]:
    with running(Reading(answer, delay)) as server:
        yield server


def sent(server: Server) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.bodies]


# -- cutting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [document(20), "word " * 4_000, "x" * 5_000, "一二三四五。" * 600, "One. Two! Three?\n" * 500, "😀" * 900],
    ids=["pages", "words", "one word", "Chinese", "lines", "emoji"],
)
@pytest.mark.parametrize("chunk", [mf.Chunk(300, 30), mf.Chunk(64, 0), mf.Chunk(50, 24)], ids=str)
def test_pieces_are_short_enough_cover_the_text_and_overlap(text: str, chunk: mf.Chunk) -> None:
    pieces = cut(text, chunk)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == len(text.rstrip())
    for start, end in pieces:
        assert 0 < text_tokens(text[start:end]) <= chunk.tokens
        assert text[start:end] == text[start:end].strip()
    for (before, end), (start, _) in itertools.pairwise(pieces):
        assert before < start
        assert not text[end:start].strip()  # nothing is left out
        assert text_tokens(text[start:end]) <= chunk.overlap + 1


def test_pieces_end_with_a_paragraph_where_one_ends_late_enough_and_else_with_a_sentence() -> None:
    text = document(12)
    ends = [text[end - 1 : end + 2] for _, end in cut(text, mf.Chunk(400, 40))[:-1]]
    assert set(ends) == {". \n"}
    sentences = "A short sentence stands here. " * 100
    assert all(sentences[start:end].endswith(".") for start, end in cut(sentences, mf.Chunk(60, 10)))


def test_a_text_that_is_short_enough_is_one_piece() -> None:
    assert cut("a short text ", mf.Chunk()) == [(0, 13)]


@pytest.mark.parametrize("given", [{"tokens": 0}, {"tokens": 1.5}, {"overlap": -1}, {"tokens": 100, "overlap": 50}])
def test_a_chunk_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Chunk"):
        mf.Chunk(**given)


# -- merging -------------------------------------------------------------------------------------------------------


def pieces_of(text: str, *parts: tuple[int, int], values: list[Any], sure: list[Any] | None = None) -> list[Answered]:
    given = zip(parts, values, sure or [{}] * len(parts), strict=True)
    return [Answered(number, place, value, one) for number, (place, value, one) in enumerate(given)]


def test_a_double_of_the_overlap_is_taken_once_and_a_repeated_fact_twice() -> None:
    text = "tea 5; cup 2; | tea 5; pot 9;"
    overlap = pieces_of(
        text, (0, 14), (7, 29), values=[[Fact("tea", 5), Fact("cup", 2)], [Fact("cup", 2), Fact("tea", 5)]]
    )
    found = merged(text, overlap)
    assert found.value == [Fact("tea", 5), Fact("cup", 2), Fact("tea", 5)]
    assert found.origins == {"": [0, 0, 1]}


def test_pieces_that_have_nothing_in_common_keep_every_item() -> None:
    apart = pieces_of("tea 5\ntea 5", (0, 5), (6, 11), values=[["tea"], ["tea"]])
    assert merged("tea 5\ntea 5", apart).value == ["tea", "tea"]


def test_other_fields_come_from_the_first_piece_that_has_them_or_from_the_surest() -> None:
    class Letter(msgspec.Struct):
        sender: str
        year: int | None
        tags: dict[str, int]

    values = [Letter("", None, {"a": 1}), Letter("Bo", 1999, {"a": 2, "b": 3}), Letter("Ida", 2001, {})]
    places = [(0, 5), (5, 9), (9, 12)]
    plain = merged("x" * 12, pieces_of("", *places, values=values))
    assert plain.value == Letter("Bo", 1999, {"a": 1, "b": 3})
    assert plain.origins == {"sender": 1, "year": 1}
    sure = [{"sender": 1.0, "year": 0.9}, {"sender": 0.4, "year": 0.8}, {"sender": 0.9, "year": 0.8}]
    surest = merged("x" * 12, pieces_of("", *places, values=values, sure=sure))
    assert surest.value == Letter("Ida", 1999, {"a": 1, "b": 3})
    assert (surest.sure["sender"], surest.sure["year"]) == (0.9, 0.8)


def test_a_nested_record_is_merged_field_by_field() -> None:
    class Report(msgspec.Struct):
        inner: Found

    values = [Report(Found(None, [Fact("a", 1)])), Report(Found("T", [Fact("b", 2)]))]
    found = merged("a 1 b 2", pieces_of("", (0, 3), (3, 7), values=values))
    assert found.value == Report(Found("T", [Fact("a", 1), Fact("b", 2)]))
    assert found.origins == {"inner.title": 1, "inner.facts": [0, 1]}


# -- a batch -------------------------------------------------------------------------------------------------------

CHUNK = mf.Chunk(tokens=700, overlap=120)


def test_a_document_of_300_pages_every_fact_once_with_its_place() -> None:
    text = document(300)
    with reading() as server:
        options: dict[str, Any] = {"model": model_at(server.url), "chunk": CHUNK, "progress": False, "store": False}
        result = mf.extract([text, "Sample S-9999 weighs 1 grams.", ""], Found, **options)
        assert len(server.bodies) > 140
        assert sum(len(facts_in(message).facts) for message in sent(server)) > 301  # some stand in two pieces
        assert all(text_tokens(message) < 760 for message in sent(server))
    assert result["_status"].tolist() == ["ok", "ok", "skipped"]
    facts = result["facts"][0]
    assert [fact["code"] for fact in facts] == [f"S-{number:04d}" for number in range(1, 301)]
    assert [fact["grams"] for fact in facts] == [number * 7 for number in range(1, 301)]
    assert result["title"].tolist()[0] == "Annual report"
    assert result["_attempts"].tolist()[:2] == [len(server.bodies) - 1, 1]
    assert result["_prompt_tokens"].tolist()[0] == 4 * (len(server.bodies) - 1)
    places = result.mf.spans()
    assert (places["title_start"][0], places["title_end"][0]) == (0, 13)


def assert_exact(text: str, result: pd.DataFrame) -> None:
    """Check that every fact of the text was found once, and that its span is right."""
    spans = result.mf.spans(fields=["facts.code"])
    assert spans["facts.code_start"].tolist() == [match.start(1) for match in FACT.finditer(text)]
    columns = spans[["facts.code_start", "facts.code_end", "facts.code"]]
    assert all(text[start:end] == code for start, end, code in columns.itertuples(index=False))


def test_spans_of_300_exploded_facts_are_of_the_whole_text() -> None:
    text = document(300).replace("S-0031", "S-0002")  # the same words in another piece
    with reading() as server:
        result = mf.extract(
            pd.Series([text], index=["report"]),
            Found,
            model=model_at(server.url),
            chunk=CHUNK,
            explode="facts",
            progress=False,
        )
    assert result.index.tolist() == ["report"] * 300
    assert_exact(text, result)


def test_a_kill_in_the_middle_pays_for_nothing_twice(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text(document(300), encoding="utf-8")
    with reading(delay=0.02) as server:
        script = tmp_path / "script.py"
        script.write_text(
            "import sys; from pathlib import Path\n"
            "import msgflux_nb as mf; from tests.scripted import model_at\n"
            "from tests.tables.test_chunks import CHUNK, Found\n"
            "text, url, store = Path(sys.argv[1]).read_text(), sys.argv[2], sys.argv[3]\n"
            "options = {'chunk': CHUNK, 'store': store, 'max_concurrency': 2, 'progress': False}\n"
            "r = mf.extract([text], Found, model=model_at(url), **options)\n"
            "print(len(r['facts'][0]), r['_status'][0])\n"
        )
        command = [sys.executable, str(script), str(tmp_path / "report.txt"), server.url, str(tmp_path / "a.sqlite")]
        first = subprocess.Popen(command)
        while len(server.bodies) < 60 and first.poll() is None:
            time.sleep(0.02)
        first.kill()
        first.wait()
        before = len(server.bodies)
        assert 60 <= before < 140
        again = subprocess.run(command, capture_output=True, text=True, check=True)
        counts = Counter(sent(server))
        options: dict[str, Any] = {"model": model_at(server.url), "store": tmp_path / "a.sqlite", "progress": False}
        found = mf.extract([document(300)], Found, chunk=CHUNK, explode="facts", **options)
        assert Counter(sent(server)) == counts
    assert again.stdout == "300 ok\n"
    assert_exact(document(300), found)
    assert sum(count - 1 for count in counts.values()) <= 2  # what was in flight when it was killed
    assert len(counts) > 140


def bad_on(word: str, reply: Reply) -> Callable[[str], Reply]:
    return lambda message: reply if word in message else told(message)


def test_one_bad_piece_is_one_bad_piece_and_is_asked_again_alone() -> None:
    text = document(40)
    with reading(bad_on("S-0020", error(400, "content management policy"))) as server:
        model = model_at(server.url)
        result = mf.extract([text], Found, model=model, chunk=CHUNK, progress=False)
        codes = [fact["code"] for fact in result["facts"][0]]
        assert "S-0020" not in codes
        assert len(codes) >= 36
        assert result["_status"][0] in ("refused", "failed")
        assert re.match(r"piece \d+ of \d+ \(characters [\d,]+ to [\d,]+\): ", result["_error"][0])
        explained = result.mf.explain(0)
        assert "S-0020" in explained.turns[-1][1]
        assert re.match(r"piece \d+ of", explained.note or "")
        assert "Page 1." in result.mf.explain(0, piece=0).turns[-1][1]
        before = len(server.bodies)
        server.answer = told
        again = result.mf.retry(progress=False)
        assert len(server.bodies) - before <= 2  # the pieces that hold it
    assert again["_status"].tolist() == ["ok"]
    assert [fact["code"] for fact in again["facts"][0]] == [f"S-{number:04d}" for number in range(1, 41)]


def told_from_a_cache(message: str) -> Reply:
    body = json.loads(bytes(told(message).pieces[0]))
    body["usage"] = {"prompt_tokens": 1_200, "completion_tokens": 3, "total_tokens": 1_203}
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 1_024}
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def test_the_report_counts_the_cached_tokens_of_every_piece() -> None:
    with reading(told_from_a_cache) as server:
        options: dict[str, Any] = {"model": model_at(server.url), "chunk": CHUNK, "progress": False}
        result = mf.extract([document(12), document(5)], Found, **options)
        count = len(server.bodies)
        assert count > 4
        assert result.attrs["report"]["cached_tokens"] == 1_024 * count
        run = known_runs()[-1]
        assert run.report(run.batch.ledger)["cached_tokens"] == 1_024 * count  # as a view reads it while it runs


def test_the_same_call_again_costs_nothing() -> None:
    with reading() as server:
        options: dict[str, Any] = {"model": model_at(server.url), "chunk": CHUNK, "progress": False}
        mf.extract([document(10)], Found, **options)
        before = len(server.bodies)
        again = mf.extract([document(10)], Found, **options)
        assert len(server.bodies) == before
    assert again["_status"].tolist() == ["cached"]
    assert again["_cost"].tolist() == [0.0]
    assert len(again["facts"][0]) == 10


def test_the_longest_column_is_cut_and_the_others_stand_in_every_piece() -> None:
    data = pd.DataFrame({"title": ["Report of Ghent"], "body": [document(6)]}, index=[7])
    model = Scripted(facts_in)
    result = mf.extract(data, Found, model=model, prompt="{title}\n{body}", chunk=CHUNK, progress=False)
    assert len(model.sent) >= 3
    assert all("Report of Ghent" in str(message) for message in model.sent)
    assert result.index.tolist() == [7]
    assert len(result["facts"].iloc[0]) == 6


@pytest.mark.parametrize("made", [None, 3, "title"])
def test_a_merge_function_has_to_return_an_answer(made: Any) -> None:
    options: dict[str, Any] = {"model": Scripted(facts_in), "chunk": CHUNK, "store": False, "progress": False}
    result = mf.extract([document(9)], Found, merge=lambda values: made, **options)
    assert result["_status"].tolist() == ["invalid"]
    assert "merge: TypeError: expected one Found, or a dict of its fields, got" in result["_error"][0]


def test_merge_takes_a_function_and_its_failure_is_the_rows() -> None:
    options: dict[str, Any] = {"model": Scripted(facts_in), "chunk": CHUNK, "progress": False}
    result = mf.extract([document(9)], Found, merge=lambda values: Found(str(len(values)), []), **options)
    assert int(result["title"][0]) > 3

    def broken(values: list[Any]) -> Any:
        raise KeyError("no")

    bad = mf.extract([document(9)], Found, merge=broken, **options)
    assert bad["_status"].tolist() == ["invalid"]
    assert "KeyError" in bad["_error"][0]
    with pytest.raises(TypeError, match="together with chunk="):
        mf.extract(["a"], Found, model=Scripted(facts_in), merge=broken, progress=False)


def test_a_correction_belongs_to_the_row_and_not_to_a_piece() -> None:
    options: dict[str, Any] = {"model": Scripted(facts_in), "chunk": CHUNK, "progress": False}
    result = mf.extract([document(8)], Found, **options).mf.correct(0, "title", "Right")
    assert result["title"].tolist() == ["Right"]
    assert mf.extract([document(8)], Found, **options)["title"].tolist() == ["Right"]


def test_a_text_whose_last_pieces_were_not_asked_is_pending_with_what_it_has() -> None:
    def dies(text: str) -> Any:
        if "S-0005" in text:
            raise mf.QuotaError("no money", status=402)
        return facts_in(text)

    model = Scripted(dies, parallel=1)
    result = mf.extract([document(12)], Found, model=model, chunk=CHUNK, max_concurrency=1, progress=False)
    assert result["_status"].tolist() == ["pending"]
    assert "pieces have no answer yet" in result["_error"][0]
    assert [fact["code"] for fact in result["facts"][0]][:2] == ["S-0001", "S-0002"]


# -- PDF files -----------------------------------------------------------------------------------------------------


def pdf(pages: list[str]) -> bytes:
    """Return a PDF with one line of Helvetica on each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 40 700 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        resources = "<< /Font << /F1 3 0 R >> >>"
        parts = f"/MediaBox [0 0 9000 800] /Contents {len(objects)} 0 R /Resources {resources}"
        objects.append(f"<< /Type /Page /Parent 2 0 R {parts} >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    body, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    return body + f"{end}startxref\n{len(body)}\n%%EOF\n".encode()


@pytest.mark.parametrize("cell", ["/dev/zero", "/proc/kmsg", "pipe.pdf", "https://example.org/a.pdf"])
def test_a_path_to_something_other_than_a_file_is_not_waited_for(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pypdf")
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.pdf")
    with pytest.raises(CellError, match="a PDF that cannot be read"):
        str(paged_text(cell, None))


def test_the_text_of_a_pdf_is_read_by_page_with_the_page_in_the_spans(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    numbers = range(1, 301)
    pages = [f"Leaf {number}. {FILLER}Sample S-{number:04d} weighs {number * 7} grams. {FILLER}" for number in numbers]
    (tmp_path / "a.pdf").write_bytes(pdf(pages))
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    data = pd.DataFrame({"scan": ["a.pdf", "bad.pdf", None, str(tmp_path / "a.pdf")]})
    with reading() as server:
        result = mf.extract(
            data,
            Found,
            model=model_at(server.url),
            files="scan",
            folder=tmp_path,
            chunk=CHUNK,
            explode="facts",
            progress=False,
        )
        assert all("file" not in str(body["messages"][-1]["content"])[:5] for body in server.bodies)
    assert result.loc[0, "_status"].tolist()[0] == "ok"
    assert result.loc[1, "_status"] == "failed"
    assert result.loc[1, "_error"].startswith("column 'scan' holds a PDF that cannot be read: ")
    assert result.loc[2, "_status"] == "skipped"
    assert_exact(str(paged_text(tmp_path / "a.pdf", None)), result.loc[[0]])
    spans = result.loc[[0]].mf.spans(fields=["facts.code"])
    assert spans["facts.code_page"].tolist() == list(numbers)
    assert spans["facts.code"].tolist() == [f"S-{number:04d}" for number in numbers]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.4 nothing", "a PDF that cannot be read"),
        (b"hello", "does not begin with %PDF"),
        ("none.pdf", "does not exist"),
    ],
)
def test_a_file_that_cannot_be_read_fails_its_row_which_can_be_reviewed(data: Any, said: str) -> None:
    pytest.importorskip("pypdf")
    table = pd.DataFrame({"scan": pd.Series([data, pdf(["Sample S-0001 weighs 7 grams."])], dtype=object)})
    result = mf.extract(table, Found, model=Scripted(facts_in), files="scan", chunk=CHUNK, progress=False)
    assert result["_status"].tolist() == ["failed", "ok"]
    assert said in result["_error"][0]
    assert len(result.mf.spans()) == 2
    review = mf.ReviewView(result).review
    review.reject(0)
    assert set(mf.ReviewView(result).review.decided) == {0}


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "a.pdf").write_bytes(pdf(["Sample S-0001 weighs 7 grams."]))
    model = Scripted(facts_in)
    data = pd.DataFrame({"scan": [str(tmp_path / "a.pdf"), "../a.pdf"]})
    result = mf.extract(data, Found, model=model, files="scan", folder=inside, chunk=CHUNK, progress=False)
    assert result["_status"].tolist() == ["failed", "failed"]
    assert model.sent == []


def test_a_prompt_without_the_file_is_refused() -> None:
    data = pd.DataFrame({"scan": ["a.pdf"], "name": ["a"]})
    with pytest.raises(ValueError, match=r"\{scan\}"):
        mf.extract(data, Found, model=Scripted(facts_in), prompt="{name}", files="scan", chunk=CHUNK, progress=False)


def test_confidence_of_pieces_is_that_of_what_was_taken() -> None:
    def answer(message: str) -> Reply:
        found = facts_in(message)
        text = msgspec.json.encode(found).decode()
        listed = [
            {"token": text, "logprob": -0.5 if found.title else -1.0, "bytes": list(text.encode()), "top_logprobs": []}
        ]
        choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": listed}}
        return Reply([json.dumps({"choices": [choice]}).encode()], headers={"Content-Type": "application/json"})

    with reading(answer) as server:
        model = model_at(server.url)
        result = mf.extract(
            [document(8)], Found, model=model, chunk=CHUNK, confidence=True, store=False, progress=False
        )
    sure = result.mf.confidence().iloc[0]
    assert sure["title"] == pytest.approx(2.718281828**-0.5)
    assert sure["facts"] == pytest.approx(2.718281828**-1.0)


def test_a_run_goes_on_piece_by_piece_and_wants_its_merge_again(tmp_path: Path) -> None:
    store = tmp_path / "a.sqlite"

    def last(values: list[Any]) -> Any:
        return values[-1]

    text = document(10)
    with reading(bad_on("S-0005", error(500))) as server:
        model = model_at(server.url)
        options: dict[str, Any] = {"model": model, "chunk": CHUNK, "store": store, "progress": False}
        first = mf.extract([text], Found, merge=last, **options)
        assert first["_status"].tolist() == ["failed"]
        before, server.answer = len(server.bodies), told
        again = mf.resume(first, progress=False)
        assert again["_status"].tolist() == ["ok"]
        assert 1 <= len(server.bodies) - before <= 2
        with pytest.raises(TypeError, match="merge: expected a function"):
            mf.resume(first, [text], Found, model=model, store=store, progress=False)
        whole = mf.resume(first, [text], Found, model=model, store=store, merge=last, progress=False)
        assert whole["facts"].tolist() == again["facts"].tolist()


def test_dask_reads_pieces_and_says_how_sure_they_are() -> None:
    dd = pytest.importorskip("dask.dataframe")
    data = pd.DataFrame({"body": [document(6), "Sample S-0100 weighs 5 grams."]}, index=["a", "b"])
    with reading() as server:
        lazy = mf.extract(
            dd.from_pandas(data, npartitions=2),
            Found,
            model=model_at(server.url),
            prompt="{body}",
            chunk=CHUNK,
            confidence=2,
            store=False,
        )
        assert "_confidence" in lazy.columns
        result = lazy.compute(scheduler="synchronous")
    assert list(result.columns) == list(lazy.columns)
    assert [len(facts) for facts in result["facts"]] == [6, 1]
    assert result["_confidence"].tolist() == [1.0, 1.0]
