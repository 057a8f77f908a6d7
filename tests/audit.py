"""Ask pip-audit whether a locked package has a known vulnerability, and say plainly what could not be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
COMMAND = ("-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")
# The last line of pip-audit's traceback when the advisory service can't be reached.
NO_NETWORK = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")


def verdict(report: str, complaint: str, status: int) -> tuple[list[str], int]:
    """Return the lines to print and the exit status, from what pip-audit wrote and how it ended.

    Only the absence of the service is forgiven, and it is said: any vulnerability and any other failure counts.
    """
    if not report.strip():
        last = complaint.strip().rsplit("\n", 1)[-1]
        if any(name in last.split(":", 1)[0] for name in NO_NETWORK):
            return ["Known vulnerabilities were NOT checked: the advisory service can't be reached from here."], 0
        return [complaint], status or 1
    packages = json.loads(report)["dependencies"]
    unasked = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    flaws = len(lines)
    lines.append(f"Audited {len(packages) - len(unasked)} of {len(packages)} locked packages: {flaws} flaws known.")
    if unasked:
        lines.append(f"{len(unasked)} were NOT checked: the index here has no advisories for them ({unasked[0]}, ...).")
    return lines, int(flaws > 0)


def main() -> int:
    """Run pip-audit over the lock file."""
    command = [sys.executable, *COMMAND, "-r", str(LOCK)]
    audit = subprocess.run(command, capture_output=True, text=True, check=False)
    lines, status = verdict(audit.stdout, audit.stderr, audit.returncode)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
