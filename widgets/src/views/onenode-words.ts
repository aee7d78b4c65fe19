// What Python says of one operator over a box, and how it is put in words.

import { exact, outward, short } from "../core/format.js";

export interface Plane {
  slopes: number[];
  offset: number;
  chosen: boolean;
}
export interface Shown {
  seq: number;
  op: string;
  low: number[];
  high: number[];
  cut: number | null;
  lower: Plane | null;
  upper: Plane | null;
  best_lower: Plane | null;
  best_upper: Plane | null;
  image: (number | null)[];
  room: { shown: number | null; best: number | null; box: number | null };
  curve: [number, number][];
  said: string;
}
/** "0.5 x + 0.25", its offset rounded so that the line still holds. */
export function term(plane: Plane, side: "lower" | "upper"): string {
  const names = ["x", "y"];
  const parts = plane.slopes.map((v, k) => (v === 0 ? "" : `${v === 1 ? "" : v === -1 ? "\u2212" : `${short(v, 4)}\u2009`}${names[k]}`)).filter(Boolean);
  const sum = parts.reduce((all, part) => (all ? (part.startsWith("\u2212") ? `${all} \u2212 ${part.slice(1)}` : `${all} + ${part}`) : part), "");
  if (plane.offset === 0) return sum || "0";
  const rounded = outward(plane.offset, side === "upper", 4);
  if (!sum) return rounded;
  return plane.offset < 0 ? `${sum} \u2212 ${rounded.replace("\u2212", "")}` : `${sum} + ${rounded}`;
}

/** The line that a plane is on the slice y = cut: slope and offset. */
export const slice = (plane: Plane, cut: number | null): [number, number] => [plane.slopes[0] ?? 0, plane.offset + (plane.slopes.length > 1 ? plane.slopes[1]! * (cut ?? 0) : 0)];

/** A plane's height on the slice y = cut. */
export function height(plane: Plane, x: number, cut: number | null): number {
  const [slope, offset] = slice(plane, cut);
  return slope * x + offset;
}

/** What the picture teaches, in a sentence. */
export function teach(now: Shown): string {
  const share = now.room.shown !== null && now.room.box ? now.room.shown / now.room.box : null;
  if (now.low.some((l, k) => l === now.high[k])) return "An interval of one point: nothing is lost.";
  if (now.room.shown !== null && now.room.shown < 1e-12 * (now.room.box || 1)) return "On this interval the operator is a straight line: nothing is lost.";
  if (share !== null && share < 1) return `A proof may use any two lines that hold on the whole box. These leave ${short(100 * share, 3)} % of the room that the interval alone leaves.`;
  if (share !== null) return `These lines leave more room than the interval alone; still, lines keep how the result depends on x, which the interval forgets.`;
  return "A proof may use any two lines that hold on the whole box.";
}

const list = (values: number[]): string => (values.length === 1 ? exact(values[0]!) : `(${values.map(exact).join(", ")})`);
/** The Python that shows the same. */
export function codeOf(now: Shown | null, origin: { node?: string; index?: number }): string {
  if (!now) return "";
  if (now.op.startsWith("node:")) {
    return `model.selection = (${JSON.stringify(origin.node ?? null)}, ${origin.index ?? "None"})\nmodel.relaxation_explorer()`;
  }
  const chosen = (["lower", "upper"] as const).filter((k) => now[k]?.chosen).map((k) => `, ${k}=${list(now[k]!.slopes)}`).join("");
  const base = `import workbench as wb\n\nview = wb.relaxation_explorer(${JSON.stringify(now.op)}, ${list(now.low)}, ${list(now.high)})`;
  return chosen ? `${base}\nview.explore(${JSON.stringify(now.op)}, ${list(now.low)}, ${list(now.high)}${chosen})` : `${base}\nview`;
}
