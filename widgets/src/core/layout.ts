// Where boxes go.  Small graphs: dagre.  Large ones: longest-path layers and barycentre sweeps, linear in the edges.

import dagre from "@dagrejs/dagre";

export const BOX = { width: 236, height: 38, row: 20, gap: 28 } as const;
export const DAGRE_LIMIT = 500;
export const DRAW_LIMIT = 500;

export interface Placed {
  /** centre of each box */
  x: Float64Array;
  y: Float64Array;
  /** layer of each box, and its boxes from left to right */
  rank: Int32Array;
  rows: number[][];
  /** x and y of the beginning and of the end of each edge */
  ends: Float64Array;
  /** all points of each edge, where it is not straight */
  routes: Float64Array[] | null;
  width: number;
  height: number;
}

/** Longest-path rank of each box; edges that would go back are ignored, which breaks cycles between groups. */
export function ranks(n: number, edges: readonly (readonly [number, number])[]): Int32Array {
  const { first, other: target } = linked(n, edges, 0, 1);
  const indegree = new Int32Array(n);
  for (const edge of edges) indegree[edge[1]]!++;
  const rank = new Int32Array(n);
  const done = new Uint8Array(n);
  const queue = new Int32Array(n);
  let head = 0;
  let tail = 0;
  let scan = 0;
  for (let i = 0; i < n; i++) if (indegree[i] === 0) queue[tail++] = i;
  for (let placed = 0; placed < n; placed++) {
    if (head === tail) {
      // only a cycle is left: open it at its earliest box
      while (done[scan]) scan++;
      indegree[scan] = 0;
      queue[tail++] = scan;
    }
    const a = queue[head++]!;
    done[a] = 1;
    for (let k = first[a]!; k < first[a + 1]!; k++) {
      const b = target[k]!;
      if (done[b] || indegree[b] === 0) continue;
      rank[b] = Math.max(rank[b]!, rank[a]! + 1);
      if (--indegree[b]! === 0) queue[tail++] = b;
    }
  }
  return rank;
}

/** The layout of large graphs: layers top to bottom, ordered by four barycentre sweeps. */
export function layered(n: number, edges: readonly (readonly [number, number])[], horizontal: boolean): Placed {
  const rank = ranks(n, edges);
  const deepest = n ? rank.reduce((a, b) => Math.max(a, b), 0) : -1;
  const rows: number[][] = Array.from({ length: deepest + 1 }, () => []);
  for (let i = 0; i < n; i++) rows[rank[i]!]!.push(i);
  const place = new Float64Array(n);
  const spread = (row: readonly number[]): void => {
    for (let i = 0; i < row.length; i++) place[row[i]!] = i - (row.length - 1) / 2;
  };
  rows.forEach(spread);
  const sum = new Float64Array(n);
  const seen = new Int32Array(n);
  const flows = [linked(n, edges, 1, 0), linked(n, edges, 0, 1)];
  for (let sweep = 0; sweep < 4; sweep++) {
    const down = sweep % 2 === 0;
    const { first, other } = flows[sweep % 2]!;
    for (let r = 0; r < rows.length; r++) {
      const row = rows[down ? r : rows.length - 1 - r]!;
      if (row.length < 2) continue;
      for (const box of row) {
        sum[box] = 0;
        seen[box] = first[box + 1]! - first[box]!;
        for (let k = first[box]!; k < first[box + 1]!; k++) sum[box]! += place[other[k]!]!;
      }
      row.sort((a, b) => (seen[a] ? sum[a]! / seen[a]! : place[a]!) - (seen[b] ? sum[b]! / seen[b]! : place[b]!));
      spread(row);
    }
  }
  const along = horizontal ? BOX.width + 56 : BOX.height + BOX.row;
  const across = horizontal ? BOX.height + 14 : BOX.width + BOX.gap;
  const widest = rows.reduce((most, row) => Math.max(most, row.length), 1);
  const x = new Float64Array(n);
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const a = rank[i]! * along + (horizontal ? BOX.width : BOX.height) / 2 + 12;
    const b = (place[i]! + widest / 2) * across + 12;
    x[i] = horizontal ? a : b;
    y[i] = horizontal ? b : a;
  }
  const length = (deepest + 1) * along + 12;
  const breadth = widest * across + 24;
  return { x, y, rank, rows, ends: ends(x, y, edges, horizontal), routes: null, width: horizontal ? length : breadth, height: horizontal ? breadth : length };
}

/** The boxes linked to each box, as one array with the place where each box's part begins. */
function linked(n: number, edges: readonly (readonly [number, number])[], own: 0 | 1, far: 0 | 1): { first: Int32Array; other: Int32Array } {
  const first = new Int32Array(n + 1);
  for (const edge of edges) first[edge[own] + 1]!++;
  for (let i = 0; i < n; i++) first[i + 1]! += first[i]!;
  const next = first.slice(0, n);
  const other = new Int32Array(edges.length);
  for (const edge of edges) other[next[edge[own]]!++] = edge[far];
  return { first, other };
}

/** From where to where each edge goes, four numbers an edge. */
function ends(x: Float64Array, y: Float64Array, edges: readonly (readonly [number, number])[], horizontal: boolean): Float64Array {
  const dx = horizontal ? BOX.width / 2 : 0;
  const dy = horizontal ? 0 : BOX.height / 2;
  const found = new Float64Array(4 * edges.length);
  for (let i = 0; i < edges.length; i++) {
    const [a, b] = edges[i]!;
    found[4 * i] = x[a]! + dx;
    found[4 * i + 1] = y[a]! + dy;
    found[4 * i + 2] = x[b]! - dx;
    found[4 * i + 3] = y[b]! - dy;
  }
  return found;
}

/** The layout of small graphs; `parents` keeps the members of an open group together. */
export function layoutDagre(
  n: number,
  edges: readonly (readonly [number, number])[],
  horizontal: boolean,
  parents: readonly (string | null)[] = [],
  above: ReadonlyMap<string, string | null> = new Map(),
): Placed {
  const g = new dagre.graphlib.Graph({ compound: above.size > 0 });
  g.setGraph({
    rankdir: horizontal ? "LR" : "TB",
    ranksep: horizontal ? 48 : above.size ? 13 : BOX.row,
    nodesep: horizontal ? 14 : BOX.gap,
    marginx: 12,
    marginy: 12,
    ranker: n > 150 ? "longest-path" : "network-simplex",
  });
  g.setDefaultEdgeLabel(() => ({}));
  for (const path of above.keys()) g.setNode(`g${path}`, {});
  for (const [path, parent] of above) if (parent !== null && above.has(parent)) g.setParent(`g${path}`, `g${parent}`);
  for (let i = 0; i < n; i++) {
    g.setNode(`b${i}`, { width: BOX.width, height: BOX.height });
    const parent = parents[i];
    if (parent !== null && parent !== undefined && above.has(parent)) g.setParent(`b${i}`, `g${parent}`);
  }
  for (const [a, b] of edges) g.setEdge(`b${a}`, `b${b}`);
  dagre.layout(g);
  const x = new Float64Array(n);
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const box = g.node(`b${i}`) as { x: number; y: number };
    x[i] = box.x;
    y[i] = box.y;
  }
  const direct = ends(x, y, edges, horizontal);
  const routes = edges.map(([a, b], i) => {
    const points = (g.edge(`b${a}`, `b${b}`) as { points?: { x: number; y: number }[] }).points ?? [];
    return points.length ? Float64Array.from(points.flatMap((p) => [p.x, p.y])) : direct.subarray(4 * i, 4 * i + 4);
  });
  const along = horizontal ? x : y;
  const across = horizontal ? y : x;
  const levels = [...new Set([...along].map((v) => Math.round(v)))].sort((a, b) => a - b);
  const level = new Map(levels.map((v, i) => [v, i]));
  const rank = Int32Array.from(along, (v) => level.get(Math.round(v))!);
  const rows: number[][] = levels.map(() => []);
  for (let i = 0; i < n; i++) rows[rank[i]!]!.push(i);
  for (const row of rows) row.sort((a, b) => across[a]! - across[b]!);
  const size = g.graph() as { width?: number; height?: number };
  return { x, y, rank, rows, ends: direct, routes, width: size.width ?? 0, height: size.height ?? 0 };
}

/** Which box an arrow key leads to from `from`, or null: along an edge forward and back, to the neighbour sideways. */
export function neighbour(
  placed: Placed,
  edges: readonly (readonly [number, number])[],
  from: number,
  key: string,
  horizontal: boolean,
): number | null {
  const forward = horizontal ? "ArrowRight" : "ArrowDown";
  const back = horizontal ? "ArrowLeft" : "ArrowUp";
  const across = horizontal ? placed.y : placed.x;
  if (key === forward || key === back) {
    const linked = edges.filter(([a, b]) => (key === forward ? a : b) === from).map(([a, b]) => (key === forward ? b : a));
    linked.sort(
      (a, b) =>
        Math.abs(placed.rank[a]! - placed.rank[from]!) - Math.abs(placed.rank[b]! - placed.rank[from]!) ||
        Math.abs(across[a]! - across[from]!) - Math.abs(across[b]! - across[from]!),
    );
    return linked[0] ?? null;
  }
  const row = placed.rows[placed.rank[from]!] ?? [];
  const step = key === (horizontal ? "ArrowDown" : "ArrowRight") ? 1 : -1;
  return row[row.indexOf(from) + step] ?? null;
}
