"""A bar chart as SVG, readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

WIDTH, LEFT, BAR, GAP, TOP = 720, 190, 18, 8, 44
STYLE = """
text { font: 13px sans-serif; fill: #24292f; }
.title { font-weight: bold; }
.reference { fill: #8c959f; }
.bar { fill: #0969da; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .bar { fill: #4493f8; } .reference { fill: #6e7681; } }
"""


def bars(title: str, groups: Mapping[str, Mapping[str, float]], reference: str) -> str:
    """`groups`: heading -> name -> length. The bars called `reference` are grey; each has its length as a number."""
    longest = max(length for group in groups.values() for length in group.values())
    scale = (WIDTH - LEFT - 60) / longest
    parts, y = [f'<text class="title" x="10" y="22">{escape(title)}</text>'], TOP
    for heading, group in groups.items():
        parts.append(f'<text x="10" y="{y + BAR}">{escape(heading)}</text>')
        y += BAR + GAP
        for name, length in group.items():
            kind, width = ("reference" if name == reference else "bar"), length * scale
            parts += [
                f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}"/>',
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 14}">{length:.2f}</text>',
            ]
            y += BAR + GAP
        y += GAP
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    label = f'role="img" aria-label="{escape(title)}"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>\n<style>{STYLE}</style>\n{body}\n</svg>\n'
