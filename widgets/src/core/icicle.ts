// A proof's tree as rows of boxes: a part is as wide as the leaves below it, and stands below what it is a part of.

/** parent, side, depth, first and last of its own steps, how it is split ("" for a leaf) */
export type Row = [number, number, number, number, number, string];
export type PartState = "waiting" | "open" | "now" | "proved" | "failed";

export interface Icicle {
  rows: Row[];
  /** where a part begins, in leaves */
  left: Float64Array;
  /** how many leaves it has */
  leaves: Float64Array;
  /** the last step of all that lies below it */
  end: Int32Array;
  depth: number;
}

export function icicle(rows: Row[]): Icicle {
  const n = rows.length;
  const leaves = new Float64Array(n);
  const end = new Int32Array(n);
  const left = new Float64Array(n);
  const used = new Float64Array(n);
  let depth = 0;
  const parents = new Uint8Array(n);
  for (const [parent] of rows) if (parent >= 0) parents[parent] = 1;
  for (let i = n - 1; i >= 0; i--) {
    const [parent, , own, , last] = rows[i]!;
    if (!parents[i]) leaves[i] = 1;
    end[i] = Math.max(end[i]!, last);
    depth = Math.max(depth, own);
    if (parent >= 0) {
      leaves[parent]! += leaves[i]!;
      end[parent] = Math.max(end[parent]!, end[i]!);
    }
  }
  for (let i = 0; i < n; i++) {
    const parent = rows[i]![0];
    if (parent < 0) continue;
    left[i] = left[parent]! + used[parent]!;
    used[parent]! += leaves[i]!;
  }
  return { rows, left, leaves, end, depth };
}

export interface Progress {
  state?: string;
  at?: [number, number] | null;
  place?: [number, number] | null;
}

/** How far the checker has come with a part: it judges steps in order, so one step says it of all parts. */
export function stateOf(tree: Icicle, i: number, which: number, checking: Progress): PartState {
  if (checking.state === "accepted") return "proved";
  const failed = checking.state === "rejected";
  const place = failed ? checking.place : checking.at;
  if (!place || checking.state === "idle") return "waiting";
  const [at, step] = place;
  if (which !== at) return which < at ? "proved" : "waiting";
  const [, , , first, last] = tree.rows[i]!;
  if (first <= step && step <= last) return failed ? "failed" : checking.state === "checking" ? "now" : "open";
  if (tree.end[i]! < step) return "proved";
  return first > step ? "waiting" : "open";
}

/** Where an arrow key leads: up to the whole, down to a half, sideways to what stands beside. */
export function walk(tree: Icicle, i: number, key: string): number {
  const { rows } = tree;
  if (!rows[i]) return 0;
  const parent = rows[i]![0];
  if (key === "ArrowUp") return Math.max(0, parent);
  if (key === "ArrowDown") {
    const child = rows.findIndex((r) => r[0] === i);
    return child < 0 ? i : child;
  }
  const level = rows[i]![2];
  const step = key === "ArrowRight" ? 1 : -1;
  for (let k = i + step; k >= 0 && k < rows.length; k += step) if (rows[k]![2] === level) return k;
  return i;
}
