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


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects(room):
    return sorted(glob.glob(os.path.join(BUILD, "src", f"libikebana-{room}.a.p", "*.o")))


class Pure(unittest.TestCase):
    def test_no_pure_room_calls_time_random_sockets_files_environment_or_threads(self):
        for room in PURE:
            called = set()
            for line in output("nm", "-A", "-u", *objects(room)).splitlines():
                path, name = line.split(":")[0], line.split()[-1].split("@")[0]
                if OUTSIDE.match(name) and name not in ALLOWED.get(room, ()):
                    called.add((os.path.basename(path), name))
            with self.subTest(room=room):
                self.assertEqual(called, set())

    def test_no_pure_room_has_a_mutable_global(self):
        for room in PURE:
            if room in WITH_GLOBALS:
                continue
            if re.search("__asan|__ubsan|__sanitizer", output("nm", *objects(room))):
                self.skipTest("the sanitizers add globals of their own")
            writable, path = set(), ""
            for line in output("size", "-A", *objects(room)).splitlines():
                words = line.split()
                if len(words) > 1 and words[1] == ":":
                    path = os.path.basename(words[0])
                elif (line.startswith((".data", ".bss")) and not line.startswith(".data.rel.ro")
                      and words[1] != "0"):
                    writable.add((path, words[0], words[1]))
            with self.subTest(room=room):
                self.assertEqual(writable, set())


unittest.main(argv=sys.argv[:1], verbosity=2)
