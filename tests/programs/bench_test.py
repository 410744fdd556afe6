"""Runs `ikebana bench up --json` and bench/rekey: the keys are there, and nothing is left behind, also when interrupted.

bench_test.py PATH-OF-IKEBANA

The figures themselves are asserted nowhere. Needs root and ip(8), else it is skipped (77).
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

IKEBANA = sys.argv.pop(1)
REKEY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/rekey")
BUILD = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(IKEBANA))))


def daemons_of(folder):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if folder.encode() in f.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.env = {**os.environ, "TMPDIR": self.folder, "BUILD": BUILD}

    def tearDown(self):
        self.assertEqual(daemons_of(self.folder), [])
        self.assertEqual(os.listdir(self.folder), [])
        os.rmdir(self.folder)


class BenchUp(Bench):
    def test_it_gives_value_unit_limit_and_share(self):
        run = subprocess.run([IKEBANA, "bench", "up", "--json"], capture_output=True, text=True, env=self.env,
                             timeout=100)
        self.assertEqual(run.returncode, 0, run.stderr)
        answer = json.loads(run.stdout)
        self.assertEqual(answer["name"], "up")
        self.assertEqual(answer["unit"], "ms, median")
        self.assertGreater(answer["value"], answer["wire"])
        self.assertGreater(answer["wire"], 0)
        self.assertAlmostEqual(answer["share"], answer["limit"] / answer["value"])

    def test_an_interruption_ends_its_daemons_too(self):
        run = subprocess.Popen([IKEBANA, "bench", "up"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=self.env)
        began = time.monotonic()
        while not daemons_of(self.folder) and time.monotonic() - began < 20:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=20)
        self.assertEqual(run.returncode, 1)
        self.assertIn("interrupted", errors)


class BenchRekey(Bench):
    def test_rekeys_of_both_sides_succeed_under_traffic(self):
        run = subprocess.run([REKEY, "--json", "--count", "8", "--pps", "50"], capture_output=True, text=True, env=self.env,
                             timeout=100)
        self.assertIn('"name"', run.stdout, run.stderr)
        answer = json.loads(run.stdout)
        self.assertEqual((answer["name"], answer["unit"], answer["limit"]), ("rekey", "packets lost", 0))
        self.assertEqual((answer["rekeys"], answer["failed"], answer["failures"]), (8, 0, []), run.stderr)
        self.assertAlmostEqual(answer["share"], 1 - answer["value"] / answer["packets"])

    def test_an_interruption_ends_daemons_and_traffic_too(self):
        run = subprocess.Popen([REKEY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)
        began = time.monotonic()
        while len(daemons_of(self.folder)) < 3 and time.monotonic() - began < 20:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=20)
        self.assertEqual(run.returncode, 130)


if os.geteuid() != 0 or shutil.which("ip") is None:
    sys.exit(77)
unittest.main()
