#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""tar2git.py REF MESSAGE [--strip N] [--edit-gitignore] < TAR | git fast-import

Turn a tar archive into one commit without unpacking it: 85000 files on a disk
take minutes where a pack takes seconds. Author, committer and date are fixed,
so that the same archive always gives the same commit.
"""
import argparse
import sys
import tarfile

WHO = b"kvm-snp-vmsa <kvm-snp-vmsa@localhost> 946684800 +0000"  # 2000-01-01

parser = argparse.ArgumentParser()
parser.add_argument("ref")
parser.add_argument("message")
parser.add_argument("--strip", type=int, default=0, help="leading parts of each path to drop")
parser.add_argument("--edit-gitignore", action="store_true",
                    help="drop the lines by which a distribution ignores all but its own files")
args = parser.parse_args()

out = sys.stdout.buffer


def quoted(path):
    """A path as fast-import wants it."""
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def data(content):
    out.write(b"data %d\n%s\n" % (len(content), content))


out.write(b"feature done\ncommit %s\nauthor %s\ncommitter %s\n"
          % (args.ref.encode(), WHO, WHO))
data(args.message.encode() + b"\n")
out.write(b"deleteall\n")
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
    for member in tar:
        parts = [p for p in member.name.split("/") if p not in ("", ".")][args.strip:]
        if not parts or ".git" in parts:
            continue
        path = "/".join(parts)
        if member.issym():
            mode, content = b"120000", member.linkname.encode()
        elif member.isfile() or member.islnk():
            mode = b"100755" if member.mode & 0o100 else b"100644"
            if member.islnk():
                sys.exit("tar2git: hard link " + member.name)
            content = tar.extractfile(member).read()
        else:
            continue
        if args.edit_gitignore and path == ".gitignore":
            content = b"".join(line for line in content.splitlines(True)
                               if line.strip() not in (b"/*", b"!/debian/"))
        out.write(b"M %s inline %s\n" % (mode, quoted(path.encode("utf-8", "surrogateescape"))))
        data(content)
out.write(b"done\n")
