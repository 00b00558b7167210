"""The app's vector icons as SVG, to be looked at: icons.py DRAWABLES OUT

A vector drawable's paths are SVG's own, so only the frame changes. Fails where an icon draws
nothing, leaves its frame, or says something that this does not know.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

A = "{http://schemas.android.com/apk/res/android}"
PATH = {"fillColor", "pathData", "fillType"}
NUMBER = re.compile(r"-?\d*\.?\d+")


def svg(vector: ElementTree.Element) -> str:
    """The drawing.

    Raises:
        ValueError: If it has no path, or holds more than paths with a fill.
    """
    width, height = (float(vector.attrib[f"{A}viewport{side}"]) for side in ("Width", "Height"))
    paths = []
    for path in vector:
        given = {name.removeprefix(A): value for name, value in path.attrib.items()}
        if path.tag != "path" or not given.keys() <= PATH:
            raise ValueError(
                f"expected paths of {sorted(PATH)}, found {path.tag} with {sorted(given)}"
            )
        check_start(given["pathData"], width, height)
        colour = given["fillColor"]
        rule = "evenodd" if given.get("fillType") == "evenOdd" else "nonzero"
        paths.append(f'<path fill="#{colour[3:]}" fill-rule="{rule}" d="{given["pathData"]}"/>')
    if not paths:
        raise ValueError("it has no path")
    view = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{"".join(paths)}</svg>\n'


def check_start(data: str, width: float, height: float) -> None:
    """Each contour begins inside the frame."""
    for start in re.findall(r"M([^A-Za-z]+)", data):
        x, y = (float(n) for n in NUMBER.findall(start)[:2])
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(f"a contour begins at {x:g}, {y:g}, outside the frame")


def main() -> None:
    drawables, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    drawn, failed = 0, 0
    for file in sorted(drawables.glob("*.xml")):
        root = ElementTree.parse(file).getroot()  # noqa: S314 - the project's own files
        if root.tag != "vector":
            continue
        try:
            (out / f"{file.stem}.svg").write_text(svg(root), encoding="utf-8")
            drawn += 1
        except (ValueError, KeyError) as error:
            print(f"FAILED {file.name}: {error}")
            failed += 1
    print(f"{drawn} passed, {failed} failed")
    sys.exit(1 if failed or not drawn else 0)


if __name__ == "__main__":
    main()
