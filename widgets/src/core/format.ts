// Numbers and names as people read them.  What bounds something is rounded outward, never inward.

const MINUS = "\u2212";

/** A number for an axis or a label: at most `digits` significant digits, scientific where that is shorter. */
export function short(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return "\u2013";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : `${MINUS}\u221e`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text: string;
  if (size >= 1e5 || size < 1e-3) {
    text = value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  } else {
    text = String(Number(value.toPrecision(digits)));
  }
  return text.replaceAll("-", MINUS);
}

/** `value` with `digits` significant digits, moved so that the printed number is not below it (or not above it). */
export function outward(value: number, up: boolean, digits = 3): string {
  if (!Number.isFinite(value) || value === 0) return short(value, digits);
  const power = Math.floor(Math.log10(Math.abs(value))) - digits + 1;
  for (let step = 0; step < 3; step++) {
    const scaled = Number((value / 10 ** power).toFixed(0)) + (up ? step : -step);
    const candidate = Number(`${scaled}e${power}`);
    if (up ? candidate >= value : candidate <= value) return short(candidate, digits + 1);
  }
  return up ? short(value + Math.abs(value) * 1e-2, digits) : short(value - Math.abs(value) * 1e-2, digits);
}

/** Every digit, so that it reads back exactly. */
export const exact = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

/** Epsilon: all the digits that are meant, no more (0.02, not 0.020000000000000001). */
export function epsilon(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return short(value, 6);
  return String(Number(value.toPrecision(12)));
}

export const shapeText = (shape: readonly number[]): string => (shape.length ? shape.join("\u00d7") : "scalar");

export const count = (value: number): string => value.toLocaleString("en-US").replaceAll(",", "\u202f");

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (value < 0.9995) return `${value < 0.01 ? (value * 1e3).toPrecision(2) : Math.round(value * 1e3)} ms`;
  return value < 100 ? `${value.toPrecision(3)} s` : `${Math.round(value / 60)} min`;
}

/** `text` at most `limit` characters long, the middle left out: both ends of a name tell nodes apart. */
export function clip(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const tail = Math.ceil((limit - 1) / 2);
  return `${text.slice(0, limit - 1 - tail)}\u2026${text.slice(-tail)}`;
}

export const METHOD_LABELS: Readonly<Record<string, string>> = { ibp: "IBP", "crown-ibp": "CROWN-IBP", crown: "CROWN", "alpha-crown": "\u03b1-CROWN" };
export const methodLabel = (key: string): string => METHOD_LABELS[key] ?? key;

const BALLS: Readonly<Record<string, string>> = { inf: "\u221e", "2": "\u2082", "1": "\u2081" };
export const ball = (norm: string): string => norm === "box" ? "x in a box, half-width" : `\u2016x \u2212 x\u2080\u2016${BALLS[norm] ?? norm}`;

/** A cell of a CSV file. */
export const csvCell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
