"""A room sees only the rooms below it: a wrong include does not compile.

layers_test.py SOURCE-ROOT BUILD-ROOT

Compiles with the very commands of the build (compile_commands.json): for every room, a file that
includes a header of every other room. What may be seen is written here once more, apart from
src/meson.build, so that a hole made there is found.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1], sys.argv[2]

BELOW = {
    "base": "",
    "finding": "base",
    "wire": "base finding",
    "crypto": "base finding wire",
    "policy": "base finding wire crypto",
    "child": "base finding wire crypto policy",
    "step": "base finding wire crypto policy child",
    "auth": "base finding wire crypto policy",
    "ike2": "base finding wire crypto policy child step auth",
    "engine": "base finding wire crypto policy child step auth ike2",
    "diagnose": "base finding wire crypto policy child step engine",
    "esp": "base finding wire crypto policy child",
    "edge": "base finding wire crypto policy child step engine diagnose esp",
}


def commands():
    """room → (folder, arguments without input and output) of one of its files."""
    found = {}
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        for entry in json.load(f):
            room = re.search(r"libikebana-(\w+)\.a\.p/", entry.get("output", ""))
            if not room or room[1] in found:
                continue
            args, kept = shlex.split(entry["command"]), []
            while args:
                arg = args.pop(0)
                if arg in ("-o", "-MF", "-MQ", "-MT", "-c"):
                    args.pop(0)
                elif arg != "-MD":
                    kept.append(arg)
            found[room[1]] = (entry["directory"], kept, os.path.join(entry["directory"], entry["file"]))
    return found


def headers(room, of_others=True):
    """Those that other rooms may include; of_others=False: all. What a room's own files share is in inside.h."""
    folder = os.path.join(SOURCE, "src", room)
    return sorted(name for name in os.listdir(folder)
                  if name.endswith(".h") and not (of_others and name == "inside.h"))


def compile_text(command, text):
    """Empty when the text compiles, else what the compiler says."""
    folder, args, _ = command
    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write(text)
        f.flush()
        run = subprocess.run(args + ["-fdiagnostics-color=never", "-fsyntax-only", f.name], cwd=folder, capture_output=True, text=True, check=False)
    return run.stderr if run.returncode != 0 else ""


class Layers(unittest.TestCase):
    commands = commands()

    def test_the_build_knows_the_rooms_of_the_design(self):
        with open(os.path.join(SOURCE, "src", "meson.build"), encoding="utf-8") as f:
            text = f.read()
        table = re.search(r"^rooms = \{(.*?)^\}", text, re.M | re.S)[1]
        named = {room: " ".join(re.findall(r"'(\w+)'", below))
                 for room, below in re.findall(r"'(\w+)': \[(.*?)\]", table, re.S)}
        self.assertEqual(named, BELOW)
        self.assertTrue({"base", "finding"} <= set(self.commands))

    def test_headers_of_rooms_below_can_be_included(self):
        for room, command in self.commands.items():
            for seen in BELOW[room].split() + [room]:
                with self.subTest(room=room, includes=seen):
                    text = "".join(f'#include "{seen}/{h}"\n' for h in headers(seen)) + "extern int nothing;\n"
                    self.assertEqual(compile_text(command, text), "")

    def test_headers_of_other_rooms_cannot_be_included(self):
        refused = 0
        for room, command in self.commands.items():
            for other in BELOW:
                if other == room or other in BELOW[room].split() or not headers(other):
                    continue
                with self.subTest(room=room, includes=other):
                    said = compile_text(command, f'#include "{other}/{headers(other)[0]}"\nextern int nothing;\n')
                    self.assertRegex(said, "No such file|file not found")
                    refused += 1
        self.assertGreater(refused, 10)

    def test_siblings_do_not_know_each_other(self):
        for room, sibling in (("esp", "ike2"), ("esp", "engine"), ("diagnose", "ike2"), ("auth", "child")):
            if room in self.commands and headers(sibling):
                said = compile_text(self.commands[room], f'#include "{sibling}/{headers(sibling)[0]}"\n')
                self.assertRegex(said, "No such file|file not found")

    def test_a_real_file_with_one_wrong_include_fails_to_compile(self):
        for room, wrong in (("base", "finding/finding.h"), ("finding", "wire/wire.h"), ("wire", "policy/policy.h"),
                            ("policy", "engine/engine.h")):
            if room not in self.commands:
                continue
            with open(self.commands[room][2], encoding="utf-8") as f:
                text = f.read()
            with self.subTest(room=room):
                self.assertEqual(compile_text(self.commands[room], text), "")
                self.assertIn(wrong, compile_text(self.commands[room], f'#include "{wrong}"\n{text}'))

    def test_each_header_compiles_alone(self):
        for room, command in self.commands.items():
            for header in headers(room, of_others=False):
                with self.subTest(header=f"{room}/{header}"):
                    self.assertEqual(compile_text(command, f'#include "{room}/{header}"\nextern int nothing;\n'), "")

    def test_no_include_climbs_out_of_its_folder(self):
        for top in ("src", "include", "lib", "examples", "bench"):
            for folder, _, names in os.walk(os.path.join(SOURCE, top)):
                for name in names:
                    if not name.endswith((".c", ".h")):
                        continue
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        climbing = re.findall(r'^\s*#\s*include\s*["<][^">]*\.\./.*', f.read(), re.M)
                    self.assertEqual(climbing, [], os.path.join(folder, name))


unittest.main(argv=sys.argv[:1], verbosity=2)
