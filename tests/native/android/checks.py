"""Checks of the app's resources and of its APK; the last line counts them.

checks.py --app android_demo/app/src/main [--apk APK --model MODEL --tools TOOLS --jars JAR...]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import apk as apk_checks
import resources
from resources import RefusedError

CONTRACT = Path(__file__).resolve().parents[3] / "docs/contract.md"


def resource_checks(app: Path) -> dict[str, Callable[[], None]]:
    return {
        "languages": lambda: resources.check_languages(app),
        "strings": lambda: resources.check_strings(app),
        "strings are used": lambda: resources.check_strings_are_used(app),
        "reasons": lambda: resources.check_reasons(app, CONTRACT),
        "contrast": lambda: resources.check_contrast(app),
        "themes": lambda: resources.check_themes(app),
        "targets": lambda: resources.check_targets(app),
        "labels": lambda: resources.check_labels(app),
        "large letters": lambda: resources.check_large_letters(app),
        "directions": lambda: resources.check_directions(app),
        "words are resources": lambda: resources.check_words_are_resources(app),
    }


def manifest_checks(aapt2: Path, apk: Path) -> dict[str, Callable[[], None]]:
    return {
        "permissions": lambda: apk_checks.check_permissions(aapt2, apk),
        "components": lambda: apk_checks.check_components(aapt2, apk),
        "backup": lambda: apk_checks.check_nothing_is_kept_elsewhere(aapt2, apk),
    }


def apk_file_checks(
    apk: Path, model: Path, tools: Path, jars: list[Path]
) -> dict[str, Callable[[], None]]:
    return {
        "alignment": lambda: apk_checks.check_alignment(apk),
        "signature": lambda: apk_checks.check_signature(tools / "bin/apksigner", apk),
        "size": lambda: apk_checks.check_size(apk),
        "model": lambda: apk_checks.check_model(apk, model),
        "API level": lambda: apk_checks.check_api_level(jars),
        "ABIs": lambda: apk_checks.check_abis(apk),
    }


def run(checks: dict[str, Callable[[], None]]) -> list[str]:
    """Run the checks; give the names of those that failed."""
    failed = []
    for name, check in checks.items():
        try:
            check()
        except RefusedError as error:
            print(f"FAILED {name}: {error}")
            failed.append(name)
        else:
            print(f"ok {name}")
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--apk", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tools", type=Path)
    parser.add_argument("--jars", type=Path, nargs="*", default=[], help="the project's own")
    given = parser.parse_args()
    checks = resource_checks(given.app)
    if given.apk:
        checks |= manifest_checks(given.tools / "bin/aapt2", given.apk)
    if given.model:
        checks |= apk_file_checks(given.apk, given.model, given.tools, given.jars)
    failed = run(checks)
    print(f"{len(checks) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
