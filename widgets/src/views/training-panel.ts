// One panel of a training's curves: a pure drawing of rows, with an axis that says what it leaves out.

import { short } from "../core/format.js";
import { decades, ticks } from "../core/scales.js";
import { column, curvePath, extent, nearest, type Rows } from "../core/series.js";
import { n1, s } from "./dom.js";

/** step: a value a step; epoch: its mean over an epoch; val: on other data; cert: proved. */
export type Look = "step" | "epoch" | "val" | "cert";
export interface Line {
  key: string;
  label: string;
  look: Look;
}
export interface Panel {
  key: string;
  title: string;
  unit?: string;
  lines: Line[];
  /** fixed ends of the axis */
  range?: [number, number];
  /** whether a logarithmic axis makes sense, and is what one begins with */
  log?: "may" | "first";
}

/** The panels for which there are numbers. */
export function panelsOf(rows: Rows, judged: string): Panel[] {
  const by = (...keys: string[]): boolean => keys.some((key) => rows.columns.includes(key));
  const at = (key: string): boolean => rows.epochs.some((row) => row[key] !== undefined && row[key] !== null);
  const own = new Set(["step", "loss", "lr", "grad_norm", "eps"]);
  const rest = rows.columns.filter((key) => !own.has(key));
  const all: Panel[] = [
    { key: "loss", title: "loss", log: "may", lines: [{ key: "loss", label: "each step", look: "step" }, { key: "loss", label: "epoch's mean", look: "epoch" }, ...(at("val_loss") ? [{ key: "val_loss", label: "validation, plain", look: "val" as const }] : [])] },
    { key: "accuracy", title: "accuracy", range: [0, 1], lines: [...(at("clean") ? [{ key: "clean", label: "clean", look: "epoch" as const }] : at("val_accuracy") ? [{ key: "val_accuracy", label: "validation", look: "epoch" as const }] : []), ...(at("certified") ? [{ key: "certified", label: judged, look: "cert" as const }] : [])] },
    { key: "grad_norm", title: "gradient norm", log: "first", lines: by("grad_norm") ? [{ key: "grad_norm", label: "each step", look: "step" }] : [] },
    { key: "lr", title: "learning rate", log: "may", lines: by("lr") ? [{ key: "lr", label: "", look: "step" }] : [] },
    { key: "eps", title: "training radius \u03b5", lines: by("eps") ? [{ key: "eps", label: "", look: "step" }] : [] },
    { key: "shares", title: rest.join(", "), lines: rest.map((key, i) => ({ key, label: key, look: i ? "val" : "step" })) },
  ];
  return all.filter((panel) => panel.lines.length && (rows.data[0]?.length ?? 0) > 0);
}

export interface Drawn {
  svg: SVGSVGElement;
  /** values that are not drawn */
  left: number;
}

const LEFT = 54;
const RIGHT = 10;
const BELOW = 18;

const byStep = (line: Line): boolean => line.look === "step" || !["epoch", "val", "cert"].includes(line.look);
/** Where a line's points are; a share of a loss that changes with the step is a line a step too. */
export function points(rows: Rows, line: Line): { xs: number[]; ys: (number | null)[] } {
  if (byStep(line) || (line.look === "val" && rows.columns.includes(line.key))) return { xs: column(rows, "step"), ys: column(rows, line.key) };
  return { xs: rows.epochs.map((row) => row.at), ys: rows.epochs.map((row) => row[line.key] ?? null) };
}

export const spanOf = (rows: Rows): [number, number] => {
  const steps = column(rows, "step");
  const first = steps[0] ?? 0;
  return [first, Math.max(steps.at(-1) ?? 1, rows.epochs.at(-1)?.at ?? 0, first + 1)];
};

export const xOf = (rows: Rows, width: number): ((x: number) => number) => {
  const [first, last] = spanOf(rows);
  return (x) => LEFT + ((x - first) / (last - first)) * (width - LEFT - RIGHT);
};
export const stepAt = (rows: Rows, width: number, x: number): number => {
  const [first, last] = spanOf(rows);
  return first + ((x - LEFT) / (width - LEFT - RIGHT)) * (last - first);
};

export function drawPanel(rows: Rows, panel: Panel, log: boolean, width: number, height: number, cursor: number | null): Drawn {
  const lines = panel.lines.map((line) => ({ line, ...points(rows, line) }));
  const range = extent(lines.map((l) => l.ys), log);
  const X = xOf(rows, width);
  const svg = s("svg", { class: "wb-c-plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${panel.title}: ${told(rows, panel, null)}` });
  const f = log ? Math.log10 : (v: number): number => v;
  let [low, high] = panel.range ?? (range ? [range.low, range.high] : [0, 1]);
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - (Math.abs(low) * 0.1 || 0.5), high + (Math.abs(high) * 0.1 || 0.5)];
  else if (!panel.range && !log) [low, high] = [low >= 0 && low < 0.4 * high ? 0 : low, high + (high - low) * 0.04];
  const top = 6;
  const Y = (v: number): number | null => (!Number.isFinite(v) || (log && v <= 0) ? null : top + (1 - (f(v) - f(low)) / (f(high) - f(low))) * (height - BELOW - top));
  let marks = log ? decades(low, high, 4) : ticks(low, high, 4);
  if (log && marks.length < 2) marks = [low, high];
  for (const mark of marks) {
    const y = Y(mark);
    if (y === null || y < top - 1 || y > height - BELOW + 1) continue;
    svg.append(s("path", { class: mark === low ? "wb-c-axis" : "wb-c-grid-line", d: `M${LEFT} ${n1(y)}H${width - RIGHT}` }), s("text", { class: "wb-n", x: LEFT - 6, y: n1(y + 3.5), "text-anchor": "end" }, panel.range ? `${short(100 * mark)} %` : short(mark)));
  }
  const [first, last] = spanOf(rows);
  const steps = ticks(first, last, Math.max(2, Math.floor(width / 130))).filter((x) => Number.isInteger(x));
  for (const x of steps) svg.append(s("text", { class: "wb-n", x: n1(X(x)), y: height - 4, "text-anchor": X(x) > width - 40 ? "end" : "middle" }, x === steps[0] ? `step ${x}` : String(x)));
  if (rows.epochs.length <= 60) svg.append(s("path", { class: "wb-c-grid-line", "stroke-dasharray": "1 3", d: rows.epochs.map((row) => `M${n1(X(row.at))} ${top}V${height - BELOW}`).join("") }));
  for (const { line, xs, ys } of lines) {
    svg.append(s("path", { class: `wb-c-${line.look}`, "data-line": line.key, "data-points": xs.length, d: curvePath(xs, ys, X, Y) || "M0 0" }));
    const alone = ys.filter((v) => v !== null).length === 1;
    if ((line.look !== "step" && xs.length <= 80) || alone) for (let i = 0; i < xs.length; i++) dot(svg, line.look, X(xs[i]!), ys[i] === null ? null : Y(ys[i]!));
    const bad = xs.filter((_, i) => ys[i] !== null && ys[i] !== undefined && !Number.isFinite(ys[i]!));
    if (bad.length) svg.append(s("path", { class: "wb-c-bad", d: bad.slice(0, 200).map((x) => `M${n1(X(x) - 3)} ${top}l6 6m0 -6l-6 6`).join("") }));
  }
  if (cursor !== null) svg.append(s("path", { class: "wb-c-cursor", d: `M${n1(X(cursor))} ${top}V${height - BELOW}` }));
  return { svg, left: range?.left ?? 0 };
}

/** The mark of a line, so that no line is told by its colour alone. */
function dot(svg: SVGElement, look: Look, x: number, y: number | null): void {
  if (y === null) return;
  if (look === "cert") svg.append(s("rect", { class: "wb-c-cap", x: n1(x - 3), y: n1(y - 3), width: 6, height: 6 }));
  else svg.append(s("circle", { class: look === "val" ? "wb-c-vdot" : "wb-c-dot", cx: n1(x), cy: n1(y), r: 2.8 }));
}

export function sample(look: Look): SVGSVGElement {
  const svg = s("svg", { width: 22, height: 10, "aria-hidden": "true" }, s("path", { class: `wb-c-${look}`, d: "M1 5H21" }));
  if (look !== "step") dot(svg, look, 11, 5);
  return svg;
}

/** A line's value at a step, or its newest. */
export function valueAt(rows: Rows, line: Line, cursor: number | null): number | null {
  const { xs, ys } = points(rows, line);
  if (cursor === null) return ys.at(-1) ?? null;
  if (byStep(line)) return ys[nearest(xs, cursor)] ?? null;
  // an epoch's number holds from its end on, no earlier
  for (let i = xs.length - 1; i >= 0; i--) if (xs[i]! <= cursor) return ys[i] ?? null;
  return null;
}

export const valueText = (panel: Panel, value: number | null): string => (value === null ? "\u2013" : panel.range ? `${short(100 * value, 4)} %` : short(value, 4));

export const told = (rows: Rows, panel: Panel, cursor: number | null): string => panel.lines.map((line) => `${line.label ? `${line.label} ` : ""}${valueText(panel, valueAt(rows, line, cursor))}`).join(", ");
