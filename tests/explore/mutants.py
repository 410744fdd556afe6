#!/usr/bin/env python3
"""mutants.py TABLE MISSING UNIT-FOLDER EXPLORE [--find]

Every deliberate fault of mutants.tsv must be caught by what its row names: a unit test of the room
(unit:collide) or a case of the exploration (explore:CASE, explore:CASE:1 with one loss or double). With
--find: which of all they are. Without a fault the unit tests must pass.
"""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mutate import read_table  # noqa: E402

UNITS = ("collide", "race", "window")


def command(catcher, units, explore):
    kind, _, rest = catcher.partition(":")
    if kind == "unit":
        return [os.path.join(units, "mutant-unit-" + rest)]
    case, _, faults = rest.partition(":")
    return [explore, "--jobs", "1", "--case", case, "--faults", faults or "0"]


def is_caught(number, catcher, units, explore):
    env = dict(os.environ, IKEBANA_MUTANT=str(number), CMOCKA_MESSAGE_OUTPUT="stdout")
    try:
        run = subprocess.run(command(catcher, units, explore), env=env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return False
    return run.returncode != 0


def find(number, units, explore):
    """All that catch it among the unit tests, and the first cases that do."""
    found = ["unit:" + u for u in UNITS if is_caught(number, "unit:" + u, units, explore)]
    env = dict(os.environ, IKEBANA_MUTANT=str(number))
    for faults, more in (("0", []), ("0", ["--deep"]), ("1", [])):
        run = subprocess.run([explore, "--stop", "--jobs", "1", "--faults", faults] + more, env=env,
                             stdout=subprocess.PIPE, text=True, check=False)
        wrong = [line.split()[0] for line in run.stdout.splitlines() if line.endswith("WRONG")]
        if wrong:
            return found + [f"explore:{wrong[0]}" + (":1" if faults == "1" else "")]
    return found


def main():
    table, missing, units, explore = sys.argv[1:5]
    rows = read_table(table)
    with open(missing, encoding="utf-8") as f:
        gone = f.read().splitlines()
    for line in gone:
        print(f"no longer applies: {line}")
    if "--find" in sys.argv:
        for row in rows:
            print(f'{row["number"]:3} {row["name"]:48} {" ".join(find(row["number"], units, explore))}',
                  flush=True)
        return 0
    wanted = [(row["number"], row["name"], row["caught by"]) for row in rows]
    # The test `explore` shows that the cases pass without a fault.
    sound = [(0, "no fault", "unit:" + unit) for unit in UNITS]
    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(lambda w: is_caught(w[0], w[2], units, explore), wanted + sound))
    bad = len(gone)
    for (number, name, catcher), is_bad in zip(wanted + sound, caught):
        good = is_bad == (number != 0)
        bad += not good
        if number != 0:
            print(f'{number:3} {name:44} {"caught by" if is_bad else "NOT CAUGHT by"} {catcher}')
        elif not good:
            print(f"without a fault, {catcher} fails")
    print(f"{len(rows)} deliberate faults, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
