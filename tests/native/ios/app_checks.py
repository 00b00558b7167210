"""Checks of the iOS demo that need no Mac, and faults that they must find.

    PYTHONPATH=tests python -m native.ios.app_checks IOS_DEMO NODE_MODULES [--record FILE]
    PYTHONPATH=tests python -m native.ios.app_checks IOS_DEMO NODE_MODULES --faults

Prints a line a check: ``ok NAME`` or ``FAILED NAME`` with what is wrong. app_checks.sh makes
the environment, counts the lines and adds the Swift side.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from native.ios import app_faults, app_project, app_record, app_resources, app_strings


def problems(demo: Path, modules: Path) -> dict[str, list[str]]:
    """All checks of files, by name."""
    return {
        **app_project.check(demo, modules),
        **app_resources.check(demo),
        **app_strings.check(demo),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("modules", type=Path)
    parser.add_argument("--record", type=Path, help="a record file that the app's logic wrote")
    parser.add_argument("--faults", action="store_true", help="plant faults instead")
    given = parser.parse_args()
    if given.faults:
        found = app_faults.check(given.demo, lambda demo: problems(demo, given.modules))
    else:
        found = problems(given.demo, given.modules)
        if given.record:
            found |= app_record.check(given.record)
    for name, wrong in found.items():
        print(f"{'FAILED' if wrong else 'ok'} {name}")
        for line in wrong:
            print(f"    {line}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
