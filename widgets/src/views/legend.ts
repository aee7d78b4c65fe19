// The legend of the colour overlay: the ramp, its ends with units, and whether it is logarithmic.

import { short } from "../core/format.js";
import { type Ramp, viridis } from "../core/scales.js";
import { decades } from "../core/scales.js";
import { s } from "./dom.js";

const WIDTH = 128;

export function legend(ramp: Ramp | null, unit: string, id: string): SVGSVGElement {
  const svg = s("svg", { width: WIDTH + 4, height: 30, role: "img" });
  if (!ramp) {
    svg.append(s("text", { x: 0, y: 18 }, "nothing computed yet"));
    return svg;
  }
  const kind = [unit, ramp.log ? "log" : ""].filter(Boolean).join(", ");
  if (kind) svg.setAttribute("width", String(WIDTH + 14 + 7 * kind.length));
  const ends = ramp.low === ramp.high ? [ramp.low] : [ramp.low, ramp.high];
  const text = (value: number): string => (ramp.cut && value === ramp.low ? "\u2264\u202f" : "") + short(value);
  const label = `colour from ${text(ramp.low)} to ${short(ramp.high)} ${unit}, ${ramp.log ? "logarithmic" : "linear"}`;
  svg.setAttribute("aria-label", label);
  // the anchors between which viridis() interpolates too
  const stops = Array.from({ length: 11 }, (_, i) => s("stop", { offset: i / 10, "stop-color": viridis(i / 10) }));
  const g = s("g", { transform: "translate(2 2)" }, s("title", {}, label), s("linearGradient", { id }, ...stops), s("rect", { width: WIDTH, height: 8, fill: `url(#${id})` }));
  if (ramp.log && ramp.high / ramp.low > 10) {
    for (const value of decades(ramp.low, ramp.high, 12)) {
      const x = (ramp.at(value) ?? 0) * WIDTH;
      g.append(s("path", { d: `M${x.toFixed(1)} 8v3`, stroke: "var(--tx3)" }));
    }
  }
  ends.forEach((value, i) => {
    const x = ends.length === 1 ? WIDTH / 2 : i * WIDTH;
    g.append(s("text", { class: "wb-n", x, y: 22, "text-anchor": ends.length === 1 ? "middle" : i ? "end" : "start" }, text(value)));
  });
  g.append(s("text", { x: WIDTH + 8, y: 8 }, kind));
  svg.append(g);
  return svg;
}
