"""Draws the app's icon: three photos in order, the best one in front. Run it again to change it.

python ios_demo/tools/icon.py    # needs Pillow; writes into the asset catalog
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 1024
OVER = 2  # drawn larger, then made smaller: smooth edges
CATALOG = Path(__file__).parent.parent / "Shared" / "Assets.xcassets" / "AppIcon.appiconset"
CARDS = (  # centre x, centre y, width, height, degrees, frame colour
    (360, 430, 400, 500, 14, "#8fa3c7"),
    (664, 430, 400, 500, -14, "#b9c7e2"),
    (512, 540, 460, 560, 0, "#ffffff"),
)


def card(width: int, height: int, colour: str) -> Image.Image:
    """One photo: a frame around a sky, a hill and a sun."""
    picture = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius=width // 10, fill=colour)
    edge, foot = width // 12, height - height // 5
    draw.rectangle((edge, edge, width - edge, foot), fill="#5aa9e6")
    sun = width // 7
    right, top = width - edge - sun // 2, edge + sun // 2
    draw.ellipse((right - sun, top, right, top + sun), fill="#ffd166")
    middle = (edge + foot) // 2
    hill = [(edge, foot), (width * 2 // 5, middle), (width * 3 // 5, foot - height // 12)]
    draw.polygon(
        [*hill, (width * 3 // 4, middle + height // 10), (width - edge, foot)], fill="#2d6a4f"
    )
    return picture


def tick(draw: ImageDraw.ImageDraw, x: int, y: int, radius: int) -> None:
    """The mark of the best one."""
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#0b6e4f")
    line = [
        (x - radius // 2, y),
        (x - radius // 8, y + radius * 2 // 5),
        (x + radius // 2, y - radius // 3),
    ]
    draw.line(line, fill="#ffffff", width=radius // 4, joint="curve")


def icon(background: str) -> Image.Image:
    """The whole icon, square: the system rounds its corners."""
    big = Image.new("RGB", (SIDE * OVER, SIDE * OVER), background)
    for x, y, width, height, degrees, colour in CARDS:
        turned = card(width * OVER, height * OVER, colour).rotate(
            degrees, expand=True, resample=Image.Resampling.BICUBIC
        )
        big.paste(turned, (x * OVER - turned.width // 2, y * OVER - turned.height // 2), turned)
    tick(ImageDraw.Draw(big), 740 * OVER, 800 * OVER, 100 * OVER)
    return big.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    icon("#1d3557").save(CATALOG / "icon.png", optimize=True)
    icon("#0b1526").save(CATALOG / "icon-dark.png", optimize=True)
