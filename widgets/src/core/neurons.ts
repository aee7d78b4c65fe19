// The neurons of one node: which interval is drawn, in which phase each is, in which order they stand.

import type { Detail } from "./wire.js";

export type Side = "input" | "output";
export type Phase = "on" | "unstable" | "off";
export type SortKey = "index" | "center" | "width" | "lower";
export type Filter = "all" | "unstable";

export interface Drawn {
  lower: Float64Array;
  upper: Float64Array;
  looseLower: Float64Array | null;
  looseUpper: Float64Array | null;
  center: Float64Array | null;
  samples: Float64Array | null;
}

/** The arrays of one side of an activation: before it ("input", where the sign decides) or after it. */
export function drawn(detail: Detail, side: Side): Drawn | null {
  const a = detail.arrays;
  const pre = side === "input" && a["pre_lower"] && a["pre_upper"];
  const lower = pre ? a["pre_lower"] : a["lower"];
  const upper = pre ? a["pre_upper"] : a["upper"];
  if (!lower || !upper) return null;
  const get = (key: string): Float64Array | null => a[pre ? `pre_${key}` : key] ?? null;
  return {
    lower,
    upper,
    looseLower: get("lower_loose"),
    looseUpper: get("upper_loose"),
    center: get("center"),
    samples: get("samples"),
  };
}

export const hasInput = (detail: Detail): boolean => detail.arrays["pre_lower"] !== undefined;

/** Phase of the neuron at position `i` of the arrays, as Python found it; null where the node has none. */
export function phase(detail: Detail, i: number): Phase | null {
  const found = detail.arrays["phase"]?.[i];
  return found === undefined || Number.isNaN(found) ? null : found > 0 ? "on" : found < 0 ? "off" : "unstable";
}

/** The neuron (flat index in its node) at position `i` of the arrays. */
export const indexAt = (detail: Detail, i: number): number => detail.arrays["index"]?.[i] ?? i;

/** The position of neuron `index`, or -1; in a binned node, only the worst neuron of each bin has one. */
export function positionOf(detail: Detail, index: number | null | undefined): number {
  if (index === null || index === undefined) return -1;
  const list = detail.arrays["index"];
  if (!list) return index >= 0 && index < detail.header.rows ? index : -1;
  let low = 0;
  let high = list.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (list[middle] === index) return middle;
    if (list[middle]! < index) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Positions in the order they stand; what is NaN or infinite comes first by width, because it is the worst. */
export function order(detail: Detail, side: Side, sort: SortKey, filter: Filter): Int32Array {
  const view = drawn(detail, side);
  const rows = detail.header.rows;
  let list = Int32Array.from({ length: rows }, (_, i) => i);
  if (filter === "unstable" && hasInput(detail)) list = list.filter((i) => phase(detail, i) === "unstable");
  if (!view || sort === "index") return list;
  const worst = (v: number): number => (Number.isNaN(v) ? Infinity : v);
  const key =
    sort === "width"
      ? (i: number) => worst(view.upper[i]! - view.lower[i]!)
      : sort === "lower"
        ? (i: number) => view.lower[i]!
        : (i: number) => view.center?.[i] ?? (view.lower[i]! + view.upper[i]!) / 2;
  const keys = Float64Array.from({ length: rows }, (_, i) => worst(key(i)));
  return list.sort((a, b) => (keys[a] === keys[b] ? a - b : keys[b]! > keys[a]! ? 1 : -1));
}

/** The same with each neuron's value at the centre taken for its zero: narrow intervals far apart can be compared so. */
export function aboutCenter(view: Drawn): Drawn {
  const center = view.center;
  if (!center) return view;
  const less = (values: Float64Array | null): Float64Array | null => values && values.map((v, k) => v - center[k % center.length]!);
  return { lower: less(view.lower)!, upper: less(view.upper)!, looseLower: less(view.looseLower), looseUpper: less(view.looseUpper), center: less(center), samples: less(view.samples) };
}

/** Whether half of the intervals are so narrow beside what all of them span that a picture would show a line of dots. */
export function slim(view: Drawn): boolean {
  const whole = range(view);
  const widths = view.lower.map((v, i) => view.upper[i]! - v).filter(Number.isFinite).sort();
  return Boolean(whole && view.center && widths.length > 24 && widths[widths.length >> 1]! < 0.035 * (whole[1] - whole[0]));
}

/**
 * The smallest interval that holds every finite thing worth seeing of all neurons, or of those at `positions`; loose bounds
 * may stretch it to 3 times the tight ones.
 */
export function range(view: Drawn, positions?: readonly number[]): [number, number] | null {
  const rows = view.lower.length;
  let low = Infinity;
  let high = -Infinity;
  const see = (v: number): void => {
    if (!Number.isFinite(v)) return;
    if (v < low) low = v;
    if (v > high) high = v;
  };
  const take = (values: Float64Array | null): void => {
    if (!positions) values?.forEach(see);
    else if (values) for (let from = 0; from < values.length; from += rows) for (const i of positions) see(values[from + i]!);
  };
  take(view.lower);
  take(view.upper);
  take(view.center);
  take(view.samples);
  if (low > high) return null;
  const span = high - low || Math.abs(high) || 1;
  const tight: [number, number] = [low, high];
  take(view.looseLower);
  take(view.looseUpper);
  return [Math.max(low, tight[0] - span), Math.min(high, tight[1] + span)];
}

export interface Picture {
  channels: number;
  height: number;
  width: number;
}

/** The shape as images: C×H×W after leading ones are dropped, or a flat square; null where it does not look like one. */
export function pictures(shape: readonly number[]): Picture | null {
  let dims = [...shape];
  while (dims.length > 1 && dims[0] === 1) dims = dims.slice(1);
  if (dims.length === 3 && dims[1]! > 1 && dims[2]! > 1) return { channels: dims[0]!, height: dims[1]!, width: dims[2]! };
  if (dims.length === 2 && dims[0]! >= 4 && dims[1]! >= 4 && dims[0]! * dims[1]! <= 1e5) {
    return { channels: 1, height: dims[0]!, width: dims[1]! };
  }
  return null;
}

/** A flat square (64 = 8×8) read as an image: only for values, where the eye can judge the guess. */
export function square(shape: readonly number[]): Picture | null {
  const n = shape.reduce((a, b) => a * b, 1);
  const side = Math.round(Math.sqrt(n));
  return side * side === n && side >= 5 && shape.filter((d) => d > 1).length === 1 ? { channels: 1, height: side, width: side } : null;
}
