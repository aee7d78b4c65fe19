"""Installs Coq where that is possible: the tests of certificates before Coq's kernel are skipped without it."""

from __future__ import annotations

import sys

from e2e.chromium import install
from workbench.certificate.coq import find

HELP = "no coqc: the tests that need Coq are skipped. Debian, as root: apt-get update && apt-get install coq"


def main() -> None:
    """Say which coqc the tests use, after installing one if need be; it is no error that there is none."""
    if not find():
        print("no coqc found: asking apt-get for one", file=sys.stderr)
        install(("coq",))
    program = find()
    print(f"tests use {program}" if program else HELP)


if __name__ == "__main__":
    main()
