"""What `make install` puts down can be used: headers, pkg-config, shared and static library, man page.

install_test.py SOURCE-ROOT BUILD-ROOT
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1], sys.argv[2]


def run(*command, env=None):
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="ikebana-install-")
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.root)
        found = [os.path.join(folder, name) for folder, _, names in os.walk(cls.root) for name in names]
        cls.files = {os.path.basename(path): path for path in found}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def test_headers_library_pkg_config_and_manual_are_there(self):
        for name in ("status.h", "finding.h", "causes.h", "api.h", "libikebana.a", "libikebana.so.0", "libikebana.pc",
                     "libikebana.3"):
            self.assertIn(name, self.files)

    def test_the_shared_library_exports_nothing_but_its_own_names(self):
        names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", self.files["libikebana.so.0"]).splitlines()]
        self.assertGreater(len(names), 10)
        self.assertEqual([name for name in names if not name.startswith("ikebana_")], [])

    def test_every_exported_function_is_in_the_manual(self):
        with open(os.path.join(SOURCE, "man", "libikebana.3"), encoding="utf-8") as f:
            manual = f.read()
        for line in run("nm", "-D", "--defined-only", self.files["libikebana.so.0"]).splitlines():
            self.assertIn(".Fn " + line.split()[-1], manual)

    def test_a_program_builds_with_pkg_config_and_runs(self):
        if "__asan" in run("nm", self.files["libikebana.a"]):
            self.skipTest("a library with sanitizers needs their flags")
        pc = os.path.dirname(self.files["libikebana.pc"])
        env = dict(os.environ, PKG_CONFIG_PATH=pc, PKG_CONFIG_SYSROOT_DIR=self.root)
        flags = run("pkg-config", "--cflags", "--libs", "libikebana", env=env).split()
        program = os.path.join(self.root, "status")
        run(os.environ.get("CC", "cc"), os.path.join(SOURCE, "examples", "status.c"), "-o", program, *flags)
        library = os.path.dirname(self.files["libikebana.so.0"])
        said = run(program, "0x35EA", env=dict(os.environ, LD_LIBRARY_PATH=library))
        self.assertIn("13802 0x35EA ERROR_IPSEC_IKE_ATTRIB_FAIL", said)


unittest.main(argv=sys.argv[:1], verbosity=2)
