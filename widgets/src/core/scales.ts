// Scales, ticks and colours.

// eleven anchors of viridis, evenly spaced
const VIRIDIS: readonly (readonly [number, number, number])[] = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];

export function viridisRGB(t: number): [number, number, number] {
  const x = Math.min(Math.max(Number.isNaN(t) ? 0 : t, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(x), VIRIDIS.length - 2);
  const a = VIRIDIS[i]!;
  const b = VIRIDIS[i + 1]!;
  return [0, 1, 2].map((k) => Math.round(a[k]! + (b[k]! - a[k]!) * (x - i))) as [number, number, number];
}

export const viridis = (t: number): string => `rgb(${viridisRGB(t).join(",")})`;

export interface Ramp {
  low: number;
  high: number;
  log: boolean;
  /** smaller values exist, and share the colour of `low` */
  cut: boolean;
  /** Position in [0, 1], or null where the value cannot be placed. */
  at(value: number | null | undefined): number | null;
}

/** The colour ramp of an overlay: between the smallest and the largest finite value, logarithmic where asked. */
export function ramp(values: Iterable<number | null | undefined>, log: boolean): Ramp | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  // a constant's rounding (1e-15) beside widths near 1 would leave those one colour
  const cut = log && low < high * 1e-6;
  if (cut) low = high * 1e-6;
  const f = log ? Math.log10 : (v: number) => v;
  const span = f(high) - f(low);
  return {
    low,
    high,
    log,
    cut,
    at(value) {
      if (value === null || value === undefined || Number.isNaN(value)) return null;
      if (log && value <= 0) return 0;
      if (span === 0) return 0.5;
      return Math.min(Math.max((f(value) - f(low)) / span, 0), 1);
    },
  };
}

/** About `target` round numbers that lie inside [low, high]. */
export function ticks(low: number, high: number, target = 6): number[] {
  if (!(high > low) || !Number.isFinite(high - low)) return Number.isFinite(low) ? [low] : [];
  const raw = (high - low) / target;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9 && found.length < 50; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

/** Powers of ten inside [low, high], thinned to at most `most`. */
export function decades(low: number, high: number, most = 7): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  const found: number[] = [];
  for (let p = first; p <= last; p += every) found.push(Number(`1e${p}`));
  return found;
}

/** Grows at once and shrinks only when much room is empty, so that an axis does not swim while a slider is dragged. */
export function sticky(old: readonly [number, number] | null, next: readonly [number, number]): [number, number] {
  const [low, high] = next;
  const pad = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1;
  const padded: [number, number] = [low - pad, high + pad];
  if (!old || low < old[0] || high > old[1] || high - low < 0.55 * (old[1] - old[0])) return padded;
  return [old[0], old[1]];
}

// The slider: a straight part near zero (so that 0 can be reached) and finer steps where epsilons are small.
const POWER = 2.5;
export const sliderToEps = (t: number, max: number): number => Number((max * t ** POWER).toPrecision(3));
export const epsToSlider = (eps: number, max: number): number => (max > 0 ? Math.min(Math.max(eps / max, 0), 1) ** (1 / POWER) : 0);
