"""The manifest as a merger leaves it: the application's id in place, what is to be removed gone."""

import sys
from pathlib import Path
from xml.etree import ElementTree

ANDROID = "http://schemas.android.com/apk/res/android"
TOOLS = "{http://schemas.android.com/tools}"


def merged(text: str, application_id: str) -> str:
    """Give the manifest that aapt2 takes.

    Args:
        text: A manifest whose elements may carry `tools:node="remove"`.
        application_id: Package of the application.
    """
    ElementTree.register_namespace("android", ANDROID)
    own = text.replace("${applicationId}", application_id)
    root = ElementTree.fromstring(own)  # noqa: S314 - the project's own file
    root.set("package", application_id)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get(f"{TOOLS}node") == "remove":
                parent.remove(child)
    return ElementTree.tostring(root, encoding="unicode")


if __name__ == "__main__":
    sys.stdout.write(merged(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2]))
