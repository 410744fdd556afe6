"""clang-tidy over the sources that changed since they were last clean.

tidy.py SOURCE-ROOT BUILD-ROOT [--analyze]

Prints what clang-tidy says and ends with 1 when it says anything. A file is looked at again when it,
any header of the project or .clang-tidy changed. Without --analyze the static analyzer is left out: it
takes forty times as long as all else, and does not follow counted references.
"""
import concurrent.futures
import glob
import hashlib
import json
import os
import subprocess
import sys

SOURCE, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
ANALYZE = "--analyze" in sys.argv[3:]
CLEAN = os.path.join(BUILD, "analyze-clean.json" if ANALYZE else "tidy-clean.json")


def octets(path):
    with open(path, "rb") as f:
        return f.read()


def sources():
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    paths = {os.path.realpath(os.path.join(e["directory"], e["file"])) for e in entries}
    tops = tuple(os.path.join(SOURCE, top) + os.sep for top in ("src", "lib", "examples"))
    return sorted(path for path in paths if path.startswith(tops))


def tidy(path):
    without = [] if ANALYZE else ["--checks=-clang-analyzer-*"]
    run = subprocess.run(["clang-tidy", "--quiet", "-p", BUILD, *without, path], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def main():
    headers = [path for top in ("src", "include") for path in
               glob.glob(os.path.join(SOURCE, top, "**", "*.h"), recursive=True)]
    common = hashlib.sha256(octets(os.path.join(SOURCE, ".clang-tidy")))
    for path in sorted(headers):
        common.update(octets(path))
    try:
        clean = json.loads(octets(CLEAN))
    except (OSError, ValueError):
        clean = {}
    keys = {path: hashlib.sha256(common.digest() + octets(path)).hexdigest() for path in sources()}
    todo = [path for path, key in keys.items() if clean.get(path) != key]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (code, text) in zip(todo, pool.map(tidy, todo)):
            if code == 0:
                clean[path] = keys[path]
            else:
                bad += 1
                print(text)
    with open(CLEAN, "w", encoding="utf-8") as f:
        json.dump({path: key for path, key in clean.items() if keys.get(path) == key}, f)
    print(f"clang-tidy: {len(todo)} files looked at, {len(keys) - len(todo)} unchanged, {bad} with complaints")
    return 1 if bad else 0


sys.exit(main())
