// Run pytest on the pure rooms under Python 3.14, which pyodide has as WebAssembly: node scripts/python314.mjs PYODIDE SITE [args of pytest]
// PYODIDE is the folder of npm's pyodide, SITE a folder with the packages that the tests import.
import { pathToFileURL } from "node:url";
import { join, resolve } from "node:path";

const [pyodide, site, ...args] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(resolve(pyodide), "pyodide.mjs")));
const python = await loadPyodide({ env: { HOME: "/tmp", PYTHONDONTWRITEBYTECODE: "1" } });
python.mountNodeFS("/project", process.cwd());
python.mountNodeFS("/site", resolve(site));
python.globals.set("args", python.toPy(args));
const status = await python.runPythonAsync(`
import os, sys

sys.path[:0] = ["/project", "/site"]
os.chdir("/project")
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("slow machine", max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)
print("Python", sys.version)
int(pytest.main(["--hypothesis-profile=slow machine", *args]))
`);
process.exit(status);
