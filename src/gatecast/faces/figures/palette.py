"""The colours of every figure, and their counterparts on a dark page."""

from __future__ import annotations

INK = "#1b2330"
MUTED = "#6a7385"
GRID = "#e8ebf1"
SURFACE = "#ffffff"
ACCENT = "#2f5fe0"
ACCENT_SOFT = "rgba(47,95,224,0.30)"
# Outermost first; drawn over each other, they add up.
BANDS = ("rgba(47,95,224,0.11)", "rgba(47,95,224,0.13)", "rgba(47,95,224,0.16)")
SECOND_BAND = "rgba(183,121,31,0.17)"  # of a second forecast beside the first
QUIET = "#c3cad6"  # bars that are not the subject
SHADE = "#a9bff5"  # a surface where it is highest
RIVALS = ("#1f8a84", "#b7791f", "#8a4fa3", "#4f8a3c", "#c2546b", "#5f7291", "#8c6a4f", "#2a86b0", "#7d7f2a")
_LIGHTER = ("#5cc4bd", "#e0b15c", "#c490dd", "#93c97e", "#ee92a5", "#9fb0cc", "#c6a58a", "#72c0e4", "#bdc063")

# The counterpart of each colour on a dark page; the page swaps them when it draws.
DARK = {
    INK: "#e8ebf2",
    MUTED: "#98a1b3",
    GRID: "#272d38",
    SURFACE: "#171b22",
    ACCENT: "#86a8ff",
    ACCENT_SOFT: "rgba(134,168,255,0.32)",
    BANDS[0]: "rgba(134,168,255,0.12)",
    BANDS[1]: "rgba(134,168,255,0.15)",
    BANDS[2]: "rgba(134,168,255,0.19)",
    SECOND_BAND: "rgba(224,177,92,0.20)",
    QUIET: "#475064",
    SHADE: "#34497d",
    **dict(zip(RIVALS, _LIGHTER, strict=True)),
}

Scale = list[tuple[float, str]]
OPEN: Scale = [(0.0, SURFACE), (0.6, ACCENT), (1.0, INK)]  # a gate: closed to open
TOUCH: Scale = [(0.0, SURFACE), (1.0, SHADE)]  # a chance
SIGNED: Scale = [(0.0, RIVALS[4]), (0.5, SURFACE), (1.0, ACCENT)]  # a state: negative, zero, positive
ZERO_LINE = {"zeroline": True, "zerolinecolor": QUIET}
