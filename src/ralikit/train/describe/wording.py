"""The words of the rule-based describer.

`GRADES`: each measurement has five grades from low to high. `FAULTS`: what is wrong, with no word
of how good the photo is.
"""

from __future__ import annotations

GRADES: dict[str, tuple[tuple[str, ...], ...]] = {
    "sharpness": (
        ("very blurry", "badly out of focus", "heavily blurred, fine detail is lost"),
        ("soft", "somewhat blurred", "lacking fine detail"),
        ("moderately sharp", "of average sharpness", "acceptably focused"),
        ("sharp", "well focused", "rich in detail"),
        ("very sharp", "crisp and finely detailed", "tack sharp with clear texture"),
    ),
    "noise": (
        ("smooth and free of noise", "with clean flat areas", "with no visible grain"),
        ("almost noise-free", "with hardly any grain", "with little noise"),
        ("with slight grain", "with a little noise", "with faint noise"),
        ("noticeably grainy", "with visible noise", "with some texture noise"),
        ("strongly grainy", "very noisy", "with heavy noise"),
    ),
    "brightness": (
        ("much too dark", "badly underexposed", "very dim"),
        ("rather dark", "slightly underexposed", "dim"),
        ("normally exposed", "of balanced brightness", "evenly lit"),
        ("bright", "well lit", "light"),
        ("very bright", "overly light", "strongly exposed"),
    ),
    "contrast": (
        ("flat and hazy", "of very low contrast", "washed out"),
        ("of low contrast", "a little flat", "slightly dull in tone"),
        ("of medium contrast", "of ordinary contrast", "balanced in tone"),
        ("of good contrast", "contrasty", "with a wide tonal range"),
        ("of very strong contrast", "with harsh contrast", "with extreme lights and darks"),
    ),
    "colourfulness": (
        ("nearly colourless", "almost monochrome", "drained of colour"),
        ("muted in colour", "with pale colours", "with subdued colours"),
        ("with natural colours", "moderately colourful", "with ordinary colours"),
        ("colourful", "with lively colours", "with rich colours"),
        ("very colourful", "with vivid colours", "strongly saturated"),
    ),
    "blocking": (
        ("without compression artefacts", "clean of blocks", "free of compression marks"),
        ("almost free of compression artefacts", "with hardly any blocking", "cleanly compressed"),
        ("lightly compressed", "with faint compression artefacts", "with minor blocking"),
        ("visibly compressed", "with some blocky artefacts", "with compression marks"),
        (
            "heavily compressed",
            "with strong blocky artefacts",
            "with obvious compression damage",
        ),
    ),
    "clipping": (
        ("no tone is clipped", "highlights and shadows are kept", "every tone is preserved"),
        (
            "hardly any tone is clipped",
            "highlights and shadows are nearly whole",
            "clipping is negligible",
        ),
        ("a little tone is clipped", "some highlights or shadows are lost", "clipping is slight"),
        (
            "noticeable areas are clipped",
            "parts of the highlights or shadows are lost",
            "clipping is visible",
        ),
        ("large areas are clipped", "highlights or shadows are lost widely", "clipping is severe"),
    ),
}

LEVELS: tuple[tuple[str, ...], ...] = (
    ("bad", "terrible", "unusable"),
    ("very poor", "awful", "really bad"),
    ("poor", "low", "weak"),
    ("below average", "mediocre", "rather poor"),
    ("fair", "average", "acceptable"),
    ("fairly good", "decent", "above average"),
    ("good", "pleasing", "solid"),
    ("very good", "high", "fine"),
    ("excellent", "outstanding", "superb"),
)
"""Verdicts from the lowest MOS to the highest."""

OPENERS = (
    "The photo is {0}, {1} and {2}.",
    "This image is {0}; it is {1}, and {2}.",
    "It is a picture that is {0}, {1}, {2}.",
    "The picture looks {0}, {1} and also {2}.",
)

VERDICTS = (
    "Overall the quality is {}.",
    "All in all, its image quality is {}.",
    "The overall visual quality is {}.",
    "I would call the quality {}.",
    "Quality: {}.",
)

FAULTS: dict[str, tuple[str, ...]] = {
    "blurred": ("detail is smeared", "edges are soft and out of focus", "texture is blurred away"),
    "noisy": ("grain is visible", "random specks cover plain areas", "noise roughens the surfaces"),
    "dark": ("shadows swallow the subject", "it is too dark to see much", "light is missing"),
    "bright": ("it is too bright", "light washes out the tones", "exposure is too long"),
    "flat": ("light and dark hardly differ", "contrast is missing", "a haze flattens the tones"),
    "colourless": ("colours are pale", "colour is nearly missing", "the colours look faded"),
    "blocky": ("compression blocks show", "block edges are visible", "the codec left its marks"),
    "clipped": ("tones are cut off", "highlights or shadows are lost", "areas are blank"),
}
"""What is wrong, by the rule that finds it."""

PLACES = (
    "upper left",
    "upper part",
    "upper right",
    "left part",
    "middle",
    "right part",
    "lower left",
    "lower part",
    "lower right",
)
"""Nine cells of a photo, row by row."""

EVERYWHERE = ("all over the picture", "from edge to edge", "everywhere", "in the whole photo")

ADDED = ("Also,", "Besides,", "In addition,", "Moreover,")

FLAWLESS = (
    "Edges are narrow and detail is resolved.",
    "Plain areas are smooth, without grain.",
    "Shadows and highlights keep their structure.",
    "Light and dark are well told apart.",
    "Colours are rich and natural.",
    "No block edge is to be seen.",
)
"""What is right with a photo in which no rule finds a fault."""
