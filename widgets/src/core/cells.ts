// The cells of a tensor's heat map, and their colours: diverging where both signs occur, else viridis.

import { viridisRGB } from "./scales.js";

export interface CellsHeader {
  rows: number;
  cols: number;
  row: number;
  col: number;
  h: number;
  w: number;
  bin: [number, number];
  channels: number;
  whole: [number, number];
  /** of which tensor, and at which indices of its other axes */
  key?: string;
  fixed?: number[];
}
export interface Cells {
  header: CellsHeader;
  /** by channel, row and column */
  values: Float64Array;
  /** flat index in the tensor of the element that a cell shows */
  flat: Int32Array;
}

export function decodeCells(header: Partial<CellsHeader> | undefined, data: DataView | null | undefined): Cells | null {
  if (!header || header.rows === undefined || !data) return null;
  const whole = header as CellsHeader;
  const n = whole.rows * whole.cols;
  if (data.byteLength !== n * (8 * whole.channels + 4)) return null;
  const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;
  return { header: whole, values: new Float64Array(bytes.slice(0, 8 * n * whole.channels)), flat: new Int32Array(bytes.slice(8 * n * whole.channels)) };
}

// blue, white, orange: told apart with every common kind of colour blindness, and in grey by lightness from the middle
const DIVERGING: readonly (readonly [number, number, number])[] = [
  [0, 47, 92], [0, 92, 150], [64, 146, 198], [160, 205, 230], [246, 246, 244],
  [250, 205, 150], [232, 142, 58], [190, 90, 8], [112, 46, 0],
];

export function divergingRGB(t: number): [number, number, number] {
  const x = Math.min(Math.max(t, 0), 1) * (DIVERGING.length - 1);
  const i = Math.min(Math.floor(x), DIVERGING.length - 2);
  const [a, b] = [DIVERGING[i]!, DIVERGING[i + 1]!];
  return [0, 1, 2].map((k) => Math.round(a[k]! + (b[k]! - a[k]!) * (x - i))) as [number, number, number];
}

export interface Colours {
  kind: "diverging" | "sequential" | "grey";
  low: number;
  high: number;
  rgb(value: number): [number, number, number];
}

/** Symmetric about 0 where both signs occur, so that white is 0; `grey` for pictures. */
export function coloursOf(low: number, high: number, picture: boolean): Colours {
  const diverging = low < 0 && high > 0;
  const most = Math.max(-low, high);
  const [a, b] = picture || !diverging ? [low, high] : [-most, most];
  const place = (v: number): number => (b > a ? (v - a) / (b - a) : 0.5);
  if (picture) {
    return { kind: "grey", low: a, high: b, rgb: (v) => Array(3).fill(Math.round(255 * Math.min(Math.max(place(v), 0), 1))) as [number, number, number] };
  }
  return { kind: diverging ? "diverging" : "sequential", low: a, high: b, rgb: (v) => (diverging ? divergingRGB(place(v)) : viridisRGB(place(v))) };
}

/** Pixels of the cells, red, green, blue and alpha; null entries where a cell is no finite number. */
export function pixels(cells: Cells, colours: Colours): { data: Uint8ClampedArray; bad: [number, number][] } {
  const { rows, cols, channels } = cells.header;
  const n = rows * cols;
  const data = new Uint8ClampedArray(4 * n);
  const bad: [number, number][] = [];
  for (let i = 0; i < n; i++) {
    const parts = Array.from({ length: channels }, (_, c) => cells.values[c * n + i]!);
    if (!parts.every(Number.isFinite)) bad.push([Math.floor(i / cols), i % cols]);
    else {
      const rgb = channels === 3 ? parts.map((v) => colours.rgb(v)[0]) : colours.rgb(parts[0]!);
      data.set([...rgb, 255] as number[], 4 * i);
    }
  }
  return { data, bad };
}
