"""Makes a C array out of a text file: text_header.py IN NAME OUT."""
import sys


def main():
    source, name, out = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        lines = f.read().splitlines()
    quoted = ['    "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"' for line in lines]
    with open(out, "w", encoding="utf-8") as f:
        f.write(f"/* Generated from {source.rsplit('/', 1)[-1]}. */\n"
                f"static const char {name}[] =\n" + "\n".join(quoted) + ";\n")


main()
