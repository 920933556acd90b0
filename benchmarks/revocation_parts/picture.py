"""Draws how long revoked tokens were accepted, as cumulative curves in an SVG that is legible by day and by night."""

import math
import statistics

WIDTH, HEIGHT = 880, 400
LEFT, TOP, PANEL, TALL, GAP = 60, 66, 370, 250, 50
LEAST, MOST = 0.5, 500.0
"""Milliseconds at the two ends of the axis."""
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11.5px; fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .target { stroke: #8c959f; stroke-width: 1.2; stroke-dasharray: 4 4 }
  .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round }
  .c0 { stroke: #0969da } .f0 { fill: #0969da }
  .c1 { stroke: #bc4c00 } .f1 { fill: #bc4c00 }
  .c2 { stroke: #8250df } .f2 { fill: #8250df }
  .card { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9da7b3 } .grid { stroke: #30363d } .target { stroke: #7d8590 }
    .c0 { stroke: #58a6ff } .f0 { fill: #58a6ff }
    .c1 { stroke: #f0883e } .f1 { fill: #f0883e }
    .c2 { stroke: #d2a8ff } .f2 { fill: #d2a8ff }
    .card { fill: #0d1117 }
  }
"""


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def write(path, found):
    """``found``: store -> number of verifiers -> milliseconds, one a revocation."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    upright = f'transform="translate(16 {TOP + TALL / 2}) rotate(-90)" text-anchor="middle"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t">',
        '<title id="t">Milliseconds from the acknowledgement of a revocation to the last acceptance anywhere</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="card" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="26">Revocation acknowledged → last acceptance by any verifier</text>',
        f'<text class="small" {upright}>share of revocations over by then</text>',
    ]
    for number, (store, by_count) in enumerate(found.items()):
        out += panel(LEFT + number * (PANEL + GAP), store, by_count)
    path.write_text("\n".join([*out, "</svg>", ""]))


def panel(left, store, by_count):
    def across(milliseconds):
        place = math.log(min(max(milliseconds, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
        return left + PANEL * place

    def down(share):
        return TOP + TALL * (1 - share)

    out = [f'<text x="{left}" y="{TOP - 14}">{store}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = down(share)
        out.append(f'<line class="grid" x1="{left}" x2="{left + PANEL}" y1="{y}" y2="{y}"/>')
        if left == LEFT:
            out.append(f'<text class="small" x="{left - 8}" y="{y + 4}" text-anchor="end">{share:.0%}</text>')
    for tick in (LEAST, 1, 2, 5, 10, 20, 50, 100, 200, MOST):
        x, label = across(tick), f"≤ {tick:g}" if tick == LEAST else f"{tick:g}"
        out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + TALL}"/>')
        out.append(f'<text class="small" x="{x:.1f}" y="{TOP + TALL + 18}" text-anchor="middle">{label}</text>')
    for target, of in ((20, "p50"), (100, "p99")):
        x = across(target)
        out.append(f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{TOP + TALL}"/>')
        out.append(f'<text class="small" x="{x:.1f}" y="{TOP - 10}" text-anchor="middle">wanted {of}</text>')
    out.append(
        f'<text class="small" x="{left + PANEL / 2}" y="{TOP + TALL + 38}" text-anchor="middle">'
        "milliseconds (logarithmic)</text>"
    )
    for colour, (count, values) in enumerate(by_count.items()):
        out += curve(values, colour, across, down)
        middle, worst = statistics.median(values), quantile(values, 0.99)
        x, y = left + colour * 132, TOP + TALL + 62
        out.append(f'<rect class="f{colour}" x="{x}" y="{y - 9}" width="10" height="10" rx="2"/>')
        out.append(f'<text x="{x + 15}" y="{y}">{count} verifier{"s" * (count > 1)}</text>')
        told = f"p50 {max(middle, 0):.1f}, p99 {max(worst, 0):.0f} ms"
        out.append(f'<text class="small" x="{x}" y="{y + 15}">{told}</text>')
    return out


def curve(values, colour, across, down):
    ordered = sorted(values)
    points = [f"{across(LEAST):.1f},{down(0):.1f}"]
    for number, value in enumerate(ordered):
        x = across(value)
        points.append(f"{x:.1f},{down(number / len(ordered)):.1f}")
        points.append(f"{x:.1f},{down((number + 1) / len(ordered)):.1f}")
    out = [f'<polyline class="curve c{colour}" points="{" ".join(points)}"/>']
    for share, value in ((0.5, statistics.median(values)), (0.99, quantile(values, 0.99))):
        out.append(f'<circle class="f{colour}" cx="{across(value):.1f}" cy="{down(share):.1f}" r="4.5"/>')
    return out
