"""Microsoft's own checks of the project: the JSON schemas, the checker of reports, the parser of M.

They are downloaded once into `.lab/powerbi-checks`, in the versions of the lock files here.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin

import filelock
import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from lab_utils.settings import ROOT

HERE = Path(__file__).parent
DOWNLOADS = ROOT / ".lab" / "powerbi-checks"
DOWNLOAD_SECONDS = 300
CACHES = {name: str(DOWNLOADS / "cache" / name) for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache")}
"""Nothing is written to the home folder."""


def need(program: str) -> str:
    """Where a program is; without it the test is skipped, and on CI it fails."""
    return shutil.which(program) or _give_up(f"{program} is not installed, and so the Power BI project is not checked")


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def download(name: str, lock: Path, command: list[str], *files: Path) -> Path:
    """The folder into which `command` downloads what `lock` says; done once, by one process.

    Without internet the test is skipped, and on CI it fails.
    """
    folder, stamp = DOWNLOADS / name, DOWNLOADS / f"{name}.stamp"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(DOWNLOADS / f"{name}.lock"):
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in (lock, *files):
                shutil.copy(file, folder)
            done = subprocess.run(
                command,
                cwd=folder,
                env=os.environ | CACHES,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_SECONDS,
                check=False,
            )
            if done.returncode:
                _give_up(f"what checks the Power BI project could not be downloaded: {done.stdout}{done.stderr}")
            stamp.write_text(wanted)
    return folder


# --- JSON schemas -------------------------------------------------------------------------------------------


def schemas() -> dict[str, Any]:
    """Microsoft's schemas by their address: nine kinds of files, without what four of them refer to."""
    uv = shutil.which("uv")
    installer = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", "package", "-r", "schemas.lock"]
    folder = download("schemas", HERE / "schemas.lock", [*installer, *options])
    kept = folder / "package" / "powerbi_mcp" / "validation" / "schemas"
    index = json.loads((kept / "INDEX.json").read_text(encoding="utf-8"))
    return {address: json.loads((kept / name).read_text(encoding="utf-8")) for address, name in index.items()}


def _without_missing(schema: Any, base: str, known: Mapping[str, Any]) -> Any:
    """The schema with `{}`, which allows all, where it refers to a document that is not there."""
    if isinstance(schema, list):
        return [_without_missing(each, base, known) for each in schema]
    if not isinstance(schema, dict):
        return schema
    target = urljoin(base, str(schema.get("$ref", ""))).partition("#")[0]
    if "$ref" in schema and target != base and target not in known:
        return {}
    return {name: _without_missing(each, base, known) for name, each in schema.items()}


def schema_problems(project: Path, known: Mapping[str, Any]) -> list[str]:
    """Where the files that name a schema are not as it says."""
    usable = {address: _without_missing(schema, address, known) for address, schema in known.items()}
    registry: Registry[Any] = Registry().with_resources(
        (address, Resource.from_contents(schema, default_specification=DRAFT7)) for address, schema in usable.items()
    )
    found = []
    for file in sorted(project.rglob("*")):
        if file.suffix in {".json", ".pbip", ".pbir", ".pbism"} or file.name == ".platform":
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.get("$schema") not in usable:
                found.append(f"{file.name} names the schema {content.get('$schema')}")
                continue
            validator = Draft7Validator({"$ref": content["$schema"]}, registry=registry)
            found += [f"{file.name}: {error.message}" for error in validator.iter_errors(content)]
    return found


# --- The programs from npm ----------------------------------------------------------------------------------


def npm_folder() -> Path:
    """The folder with Microsoft's programs."""
    npm = need("npm")
    need("node")
    # Their own install scripts are not run: there are none that matter.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    return download("npm", HERE / "package-lock.json", command, HERE / "package.json", HERE / "parse_m.cjs")


def report_problems(project: Path, npm: Path) -> list[str]:
    """Errors and warnings of Microsoft's checker of reports, each as `CODE: message`."""
    checker = npm / "node_modules" / "@microsoft" / "powerbi-report-authoring-cli" / "dist" / "cli.js"
    # Without --no-schema it would fetch the schemas from the internet.
    done = _node(npm, str(checker), "validate", str(project / "market.pbip"), "--no-schema")
    answer = json.loads(done.stdout)["data"]
    assert (done.returncode == 0) == (answer["result"] != "failed"), done.stdout
    found = [
        f"{code}: {item['message']}" for code, group in answer.get("diagnostics", {}).items() for item in group["items"]
    ]
    assert len(found) == answer["errorCount"] + answer["warningCount"], done.stdout
    return found


def m_problems(texts: Mapping[str, str], npm: Path) -> list[str]:
    """What Microsoft's parser says against M texts, each as `name: message`."""
    done = _node(npm, str(npm / "parse_m.cjs"), stdin=json.dumps(dict(texts)))
    assert done.returncode == 0, done.stderr
    return [f"{name}: {message}" for name, message in json.loads(done.stdout).items() if message]


def _node(folder: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [need("node"), *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
