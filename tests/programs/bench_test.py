"""Runs `ikebana bench up --json`: the keys are there, and nothing is left behind, also when interrupted.

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


class BenchUp(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.env = {**os.environ, "TMPDIR": self.folder}

    def tearDown(self):
        self.assertEqual(daemons_of(self.folder), [])
        self.assertEqual(os.listdir(self.folder), [])
        os.rmdir(self.folder)

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


if os.geteuid() != 0 or shutil.which("ip") is None:
    sys.exit(77)
unittest.main()
