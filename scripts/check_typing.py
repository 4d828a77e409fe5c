"""Check ``tests/typing`` with pyright, as a user's type checker would; the unit tests do this with mypy.

``python scripts/check_typing.py [file ...]``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scripts.check_pages import FOLDER, install, node  # noqa: E402 - needs the line above

TYPING = ROOT / "tests" / "typing"


def pyright(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run pyright on some files, strict about a wrong ``assert_type`` and unknown names."""
    folder = FOLDER / "pyright"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "include": [os.path.relpath(file, folder) for file in files],
        "extraPaths": [str(ROOT)],
        "stubPath": str(ROOT / "typings"),
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(options))
    program = FOLDER / "node_modules" / "pyright" / "index.js"
    command = [node(), str(program), "--project", str(folder), "--pythonpath", sys.executable]
    return subprocess.run(  # noqa: S603 - node, with our arguments
        command, capture_output=True, text=True, timeout=300, cwd=folder
    )


def main(files: list[str]) -> int:
    """Check the files that are named, or all; 1 if something is wrong."""
    install()
    done = pyright(*map(Path, files or sorted(map(str, TYPING.glob("check_*.py")))))
    print(done.stdout, end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
