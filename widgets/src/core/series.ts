// The rows of a training: put together from deltas, and brought into the columns of pixels of a plot.

export interface RowsHeader {
  run: number;
  from: number;
  upto: number;
  count: number;
  every: number;
  columns: string[];
  epochs_from: number;
  epochs: Epoch[];
}
export type Epoch = { at: number } & Record<string, number | null>;

export interface Rows {
  run: number;
  /** how many steps Python has told */
  upto: number;
  /** each row stands for so many steps, at first */
  every: number;
  columns: string[];
  data: number[][];
  epochs: Epoch[];
}

export const emptyRows = (): Rows => ({ run: -1, upto: 0, every: 1, columns: [], data: [], epochs: [] });

/** Adds what is new; false where something is missing in between: then everything has to be asked for again. */
export function addRows(rows: Rows, header: RowsHeader, data: DataView): boolean {
  if (data.byteLength !== 8 * header.count * header.columns.length) return false;
  if (header.from === 0 && header.epochs_from === 0) {
    Object.assign(rows, { ...emptyRows(), run: header.run, every: header.every, columns: header.columns, data: header.columns.map(() => []) });
  } else if (header.run !== rows.run || header.from > rows.upto || header.epochs_from > rows.epochs.length) return false;
  if (header.columns.length !== rows.columns.length) {
    if (rows.upto) return false;
    rows.columns = header.columns;
    rows.data = header.columns.map(() => []);
  }
  const known = Math.max(0, rows.upto - header.from); // two answers may overlap
  if (header.from === 0 || known < header.count) {
    const start = header.from === 0 ? 0 : known;
    header.columns.forEach((_, c) => {
      const column = rows.data[c]!;
      for (let i = start; i < header.count; i++) column.push(data.getFloat64(8 * (c * header.count + i), true));
    });
  }
  rows.upto = Math.max(rows.upto, header.upto);
  rows.epochs.push(...header.epochs.slice(Math.max(0, rows.epochs.length - header.epochs_from)));
  return true;
}

export const column = (rows: Rows, name: string): number[] => rows.data[rows.columns.indexOf(name)] ?? [];

/** Position in a growing list of the number nearest to `x`; -1 in an empty one. */
export function nearest(list: readonly number[], x: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && (low === list.length || x - list[low - 1]! <= list[low]! - x) ? low - 1 : low === list.length ? -1 : low;
}

export interface Extent {
  low: number;
  high: number;
  /** values that a picture of them leaves out: not finite, or not above 0 on a logarithmic axis */
  left: number;
}

export function extent(lists: readonly (readonly (number | null)[])[], log: boolean): Extent | null {
  const found = { low: Infinity, high: -Infinity, left: 0 };
  for (const list of lists) {
    for (const v of list) {
      if (v === null) continue;
      if (!Number.isFinite(v) || (log && v <= 0)) found.left++;
      else {
        if (v < found.low) found.low = v;
        if (v > found.high) found.high = v;
      }
    }
  }
  return found.low <= found.high ? found : null;
}

/** The path of a curve, lowest and highest value of every pixel kept: no spike is drawn away. */
export function curvePath(xs: readonly number[], ys: readonly (number | null)[], X: (x: number) => number, Y: (y: number) => number | null): string {
  let path = "";
  let pen = false;
  const go = (x: number, y: number): void => {
    path += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  };
  const n = Math.min(xs.length, ys.length);
  for (let i = 0; i < n; ) {
    const pixel = Math.floor(X(xs[i]!));
    let [low, high, first, last] = [Infinity, -Infinity, NaN, NaN];
    let broken = false;
    let x = X(xs[i]!);
    for (; i < n && Math.floor(X(xs[i]!)) === pixel; i++) {
      const y = ys[i] === null ? null : Y(ys[i]!);
      x = X(xs[i]!);
      if (y === null || !Number.isFinite(y)) {
        broken = true;
        continue;
      }
      if (Number.isNaN(first)) first = y;
      last = y;
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
    if (low > high) {
      pen = false;
      continue;
    }
    if (low === high) go(x, low);
    else for (const y of first <= last ? [low, high] : [high, low]) go(x, y);
    if (broken) pen = false;
  }
  return path;
}

const cell = (v: number | null | undefined): string => (v === null || v === undefined ? "" : String(v));

export function toCsv(rows: Rows): string {
  const lines = rows.every > 1 ? [`# of each ${rows.every} steps the one with the largest loss`] : [];
  lines.push(rows.columns.join(","));
  const n = rows.data[0]?.length ?? 0;
  for (let i = 0; i < n; i++) lines.push(rows.data.map((list) => cell(list[i])).join(","));
  return `${lines.join("\n")}\n`;
}

export function epochsCsv(rows: Rows): string {
  const columns = [...new Set(rows.epochs.flatMap((row) => Object.keys(row)))];
  return `${[columns.join(","), ...rows.epochs.map((row) => columns.map((c) => cell(row[c])).join(","))].join("\n")}\n`;
}
