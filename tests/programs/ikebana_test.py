"""Runs the command ikebana without a daemon: exit codes, what wrong use is told, JSON.

ikebana_test.py PATH-OF-IKEBANA
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

IKEBANA = sys.argv.pop(1)
NOWHERE = "unix:///nonexistent/ikebana.vici"


def run(*args, **env):
    return subprocess.run([IKEBANA, *args], capture_output=True, text=True, timeout=20,
                          env={**os.environ, "IKEBANA_VICI": NOWHERE, **env})


class Command(unittest.TestCase):
    def wrong(self, *args, says):
        result = run(*args)
        self.assertEqual(result.returncode, 2, args)
        self.assertIn(says, result.stderr)
        self.assertEqual(result.stdout, "")

    def test_wrong_use_is_2_and_says_what_was_expected(self):
        self.wrong(says="usage: ikebana")
        self.wrong("lsit", says="did you mean list?")
        self.wrong("frobnicate", says="expected one of")
        self.wrong("up", says="expected: ikebana up NAME")
        self.wrong("list", "--jsno", says="did you mean --json?")
        self.wrong("up", "x", "--all", says="up does not take --all")
        self.wrong("why", "--limit", "none", says="expected a number")
        self.wrong("why", "--limit", says="expected N behind it")
        self.wrong("list", "--json=1", says="takes no value")
        self.wrong("list", "--vici", "/run/x", says="unix:///PATH")
        self.wrong("load", "a", "--file", "b", says="expected one file")
        self.wrong("bench", "speed", says="handshake")
        self.wrong("explain", "no such thing", says="accepted")

    def test_no_daemon_is_3(self):
        for args in (["up", "x"], ["down", "x"], ["rekey", "x"], ["list"], ["why"], ["log"]):
            result = run(*args)
            self.assertEqual(result.returncode, 3, args)
            self.assertIn("cannot be reached at " + NOWHERE, result.stderr)
            result = run(*args, "--json")
            self.assertEqual(result.returncode, 3, args)
            self.assertFalse(json.loads(result.stdout)["ok"])

    def test_what_needs_no_daemon_is_0(self):
        self.assertIn("usage", run("--help").stdout)
        self.assertIn("ikebana 0", run("--version").stdout)
        self.assertIn("no daemon answers", run("version").stdout)
        self.assertIsNone(json.loads(run("version", "--json").stdout)["daemon"])
        self.assertIn("_ikebana", run("completion", "bash").stdout)

    def test_a_status_is_explained_in_every_spelling(self):
        for what in ("13868", "0x362C", "-2147011028", "ERROR_IPSEC_IKE_POLICY_MATCH"):
            answer = json.loads(run("explain", "--json", what).stdout)
            self.assertTrue(answer["known"], what)
            self.assertEqual(answer["status"]["code"], 13868, what)

    def test_a_file_that_cannot_be_parsed_is_1_and_names_the_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write("connections {\n  office {\n    version = 2\n")
            f.flush()
            result = run("load", f.name)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f.name + ":", result.stderr)
            errors = json.loads(run("load", "--json", "--file", f.name).stdout)["errors"]
            self.assertEqual(errors[0]["cause"], "conf.syntax")

    def test_no_colour_where_there_is_no_terminal(self):
        self.assertNotIn("\033", run("explain", "13868").stdout)


unittest.main()
