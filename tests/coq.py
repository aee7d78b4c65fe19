"""Installs Coq where that is possible: the tests of certificates before Coq's kernel are skipped without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from workbench.certificate.coq import find

HELP = "no coqc: the tests that need Coq are skipped. Debian, as root: apt-get update && apt-get install coq"


def install() -> None:
    """Ask apt-get for Coq, as root or with sudo where that needs no password; silent where there is neither."""
    apt, sudo = shutil.which("apt-get"), shutil.which("sudo")
    if not apt:
        return
    as_root: list[str] = []
    if os.geteuid() != 0:
        if not sudo or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode:
            return
        as_root = [sudo, "-n"]
    command = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-qq", "-y"]
    for step in (["update"], ["install", "--no-install-recommends", "coq"]):
        subprocess.run([*command, *step], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def main() -> None:
    """Say which coqc the tests use, after installing one if need be; it is no error that there is none."""
    if not find():
        print("no coqc found: asking apt-get for one", file=sys.stderr)
        install()
    program = find()
    print(f"tests use {program}" if program else HELP)


if __name__ == "__main__":
    main()
