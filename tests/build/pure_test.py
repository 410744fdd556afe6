"""Below the edge nothing asks the outside and nothing is kept in globals (STYLE: pure below the edge).

pure_test.py BUILD-ROOT

Looks into the objects of the build: the functions that they call and their writable sections.
"""
import glob
import os
import re
import subprocess
import sys
import unittest

BUILD = sys.argv[1]

PURE = ["base", "finding", "wire", "crypto", "policy", "child", "step", "auth", "ike2", "engine", "diagnose", "esp"]

OUTSIDE = re.compile(r"""^(
    time|gettimeofday|clock|clock_gettime|localtime(_r)?|gmtime(_r)?|strftime|nanosleep|usleep|sleep
    |rand|random|srand|srandom|getrandom|getentropy|arc4random\w*|RAND_\w+
    |socket|bind|connect|send(to|msg|mmsg)?|recv(from|msg|mmsg)?|poll|select|epoll_\w+|getaddrinfo|gethostby\w+|ioctl
    |f?open(at|64)?|fopen64|creat|read|write|stat|lstat|opendir|unlink|mmap|system|popen|fork|exec\w+|kill|signal|sigaction
    |printf|puts|putchar|perror|vprintf|syslog
    |getenv|secure_getenv|setenv|setlocale
    |pthread_\w+|thrd_\w+|uv_\w+
    |strtok|strerror|inet_ntoa
)$""", re.X)

# crypto keeps what OpenSSL hands out once per process, and scratch contexts per thread
# (crypto/fetched.h): nothing that the core could observe. esp is shared by the workers: its writers
# take a lock, its packets do not.
ALLOWED = {
    "crypto": {"pthread_once", "pthread_key_create", "pthread_setspecific", "pthread_getspecific"},
    "esp": {"pthread_mutex_init", "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_mutex_destroy"},
}
WITH_GLOBALS = {"crypto"}


def objects(room):
    return sorted(glob.glob(os.path.join(BUILD, "src", f"libikebana-{room}.a.p", "*.o")))


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Pure(unittest.TestCase):
    def test_no_pure_room_calls_time_random_sockets_files_environment_or_threads(self):
        seen = 0
        for room in PURE:
            for path in objects(room):
                seen += 1
                called = [line.split()[-1].split("@")[0] for line in output("nm", "-u", path).splitlines()]
                with self.subTest(object=os.path.basename(path)):
                    self.assertEqual([name for name in called
                                      if OUTSIDE.match(name) and name not in ALLOWED.get(room, ())], [])
        self.assertGreater(seen, 5)

    def test_no_pure_room_has_a_mutable_global(self):
        for room in [room for room in PURE if room not in WITH_GLOBALS]:
            for path in objects(room):
                if "__asan" in output("nm", path) or "__sanitizer" in output("nm", path):
                    self.skipTest("the sanitizers add globals of their own")
                sizes = {line.split()[0]: int(line.split()[1])
                         for line in output("size", "-A", path).splitlines() if line.startswith((".data", ".bss"))}
                writable = {name: size for name, size in sizes.items() if size and not name.startswith(".data.rel.ro")}
                with self.subTest(object=os.path.basename(path)):
                    self.assertEqual(writable, {})


unittest.main(argv=sys.argv[:1], verbosity=2)
