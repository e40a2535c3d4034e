#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""mail.py FILE: of a mail, what its reader sees, for comparison.

Without when and by what it was sent, and without the signature that b4 adds.
"""
import email
import email.policy
import sys

with open(sys.argv[1], "rb") as mail:
    data = mail.read()
if data.startswith(b"From "):
    data = data.split(b"\n", 1)[1]
message = email.message_from_bytes(data, policy=email.policy.default)
for header in ("From", "Subject", "To", "Cc"):
    print(header + ":", ", ".join(sorted(str(message[header]).split(", "))))
print()
print(message.get_content().split("\n-- \n")[0].strip())
