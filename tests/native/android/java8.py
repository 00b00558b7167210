"""Java 8's own API as a jar, from the signatures that every JDK keeps for `javac --release 8`.

    java8.py JDK OUT.jar

R8 wants the Java classes that a phone has; a later JDK's hold records, which R8 3.3 stumbles over.
"""

import sys
import zipfile
from pathlib import Path


def main() -> None:
    home, out = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(home / "lib/ct.sym") as signatures, zipfile.ZipFile(out, "w") as jar:
        for name in sorted(signatures.namelist()):
            # A folder's name is the releases that its signatures hold for, a letter each.
            releases, _, rest = name.partition("/")
            if "8" in releases and name.endswith(".sig"):
                path = rest.partition("/")[2] if rest.startswith(("java.", "jdk.")) else rest
                jar.writestr(path.removesuffix(".sig") + ".class", signatures.read(name))


if __name__ == "__main__":
    main()
