// A proof tree as the front end holds it: put together from deltas, laid out so that leaves stand in a row.

export const STATUSES = ["open", "proved", "empty", "unsafe", "stuck", "split"] as const;
export type Status = (typeof STATUSES)[number];
// what a subtree drawn as one mark shows: the worst that is in it
const WORST: Readonly<Record<Status, number>> = { unsafe: 5, stuck: 4, open: 3, proved: 1, empty: 0, split: 2 };

export interface TreeNode {
  id: number;
  parent: number;
  side: number;
  depth: number;
  status: Status;
  bound: number;
  /** how it was cut: nothing, at an input, by a neuron's sign */
  kind: "" | "input" | "sign";
  index: number;
  at: number;
  left: number;
  right: number;
  /** its halves; null of a leaf */
  low: TreeNode | null;
  high: TreeNode | null;
  /** of the two inputs that vary: low, high, low, high; null where not two vary */
  box: readonly [number, number, number, number] | null;
  /** leaves to the left of its middle, and the ends of its subtree in leaves */
  x: number;
  from: number;
  to: number;
  /** position behind its subtree in `order` */
  end: number;
  /** the worst leaf below: its status and its bound */
  worst: Status;
  least: number;
}

export interface ProofTree {
  nodes: Map<number, TreeNode>;
  serial: number;
  /** every node, parents first, left before right */
  order: TreeNode[];
  leaves: number;
  deepest: number;
  /** the least bound of an open leaf, as a number to scale colours with */
  low: number;
}

export interface DeltaHeader {
  type: "delta";
  tree: string;
  since: number;
  serial: number;
  removed: number[];
  count: number;
  columns: string[];
}

export const emptyTree = (): ProofTree => ({ nodes: new Map(), serial: 0, order: [], leaves: 0, deepest: 0, low: -1 });

/** Takes in what changed; false where something before it is missing, so that the whole has to be asked for. */
export function applyDelta(tree: ProofTree, header: DeltaHeader, data: DataView | ArrayBuffer): boolean {
  if (header.since > tree.serial) return false;
  const [buffer, start, length] = data instanceof ArrayBuffer ? [data, 0, data.byteLength] : [data.buffer as ArrayBuffer, data.byteOffset, data.byteLength];
  const n = header.count;
  if (length !== 8 * n * header.columns.length) return false;
  const all = new Float64Array(buffer.slice(start, start + length));
  const column = (name: string): Float64Array => {
    const k = header.columns.indexOf(name);
    return k < 0 ? new Float64Array(n).fill(NaN) : all.subarray(k * n, (k + 1) * n);
  };
  const [id, parent, side, depth, status, bound, kind, index, at, left, right, l0, h0, l1, h1] = ["id", "parent", "side", "depth", "status", "bound", "kind", "index", "at", "left", "right", "low0", "high0", "low1", "high1"].map(column) as Float64Array[];
  if (header.since === 0) tree.nodes.clear();
  for (const gone of header.removed) tree.nodes.delete(gone);
  const changed: TreeNode[] = [];
  for (let i = 0; i < n; i++) {
    const flat = Number.isFinite(l0![i]!);
    const told: Omit<TreeNode, "low" | "high" | "x" | "from" | "to" | "end" | "worst" | "least"> = {
      id: id![i]!, parent: parent![i]!, side: side![i]!, depth: depth![i]!, status: STATUSES[status![i]!] ?? "open", bound: bound![i]!,
      kind: kind![i] === 1 ? "input" : kind![i] === 2 ? "sign" : "", index: index![i]!, at: at![i]!, left: left![i]!, right: right![i]!,
      box: flat ? [l0![i]!, h0![i]!, l1![i]!, h1![i]!] : null,
    };
    const had = tree.nodes.get(told.id); // others point to it: it is changed where it stands
    const node: TreeNode = had ? Object.assign(had, told) : { ...told, low: null, high: null, x: 0, from: 0, to: 0, end: 0, worst: "open", least: 0 };
    if (!had) tree.nodes.set(told.id, node);
    changed.push(node);
  }
  for (const node of changed) {
    const [a, b] = [tree.nodes.get(node.left), tree.nodes.get(node.right)];
    [node.low, node.high] = a && b ? [a, b] : [null, null];
  }
  tree.serial = Math.max(tree.serial, header.serial);
  arrange(tree);
  return true;
}

/** Where every node stands. */
export function arrange(tree: ProofTree): void {
  const { nodes } = tree;
  const order: TreeNode[] = [];
  const root = nodes.get(0);
  const todo: TreeNode[] = root ? [root] : [];
  let leaves = 0;
  let deepest = 0;
  let low = Infinity;
  while (todo.length) {
    const node = todo.pop()!;
    order.push(node);
    deepest = Math.max(deepest, node.depth);
    if (node.low && node.high) todo.push(node.high, node.low);
    else {
      node.from = leaves++;
      node.to = leaves;
      node.x = node.from + 0.5;
      node.worst = node.status;
      node.least = node.bound;
      if (node.status === "open" && Number.isFinite(node.bound)) low = Math.min(low, node.bound);
    }
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!;
    const [a, b] = [node.low, node.high];
    if (!a || !b) {
      node.end = i + 1;
      continue;
    }
    node.end = b.end;
    node.from = a.from;
    node.to = b.to;
    node.x = (a.x + b.x) / 2;
    node.worst = WORST[a.worst] >= WORST[b.worst] ? a.worst : b.worst;
    node.least = Math.min(a.least, b.least);
  }
  Object.assign(tree, { order, leaves, deepest, low: low < 0 ? low : -1 });
}

export const isLeaf = (node: TreeNode): boolean => node.low === null;

/** Position in [0, 1] of an open leaf's bound between the worst one and 0, which would be proved. */
export const nearness = (tree: ProofTree, bound: number): number => (Number.isFinite(bound) ? Math.min(Math.max(1 - bound / tree.low, 0), 1) : bound > 0 ? 1 : 0);

/** The next leaf to the right or left of a node. */
export function beside(tree: ProofTree, node: TreeNode, step: number): TreeNode {
  const leaves = tree.order.filter((n) => isLeaf(n));
  const at = isLeaf(node) ? node.from + step : step > 0 ? Math.ceil(node.x - 0.5 + 1e-9) : Math.floor(node.x - 0.5 - 1e-9);
  return leaves[Math.min(Math.max(at, 0), leaves.length - 1)] ?? node;
}

/** The open leaf with the least bound: what the machine would take next. */
export function worstOpen(tree: ProofTree): TreeNode | null {
  let found: TreeNode | null = null;
  for (const node of tree.order) if (node.status === "open" && isLeaf(node) && (found === null || node.bound < found.bound)) found = node;
  return found;
}

/** The node nearest to a point, in leaves and levels, each scaled to pixels; null where none is near. */
export function nearest(tree: ProofTree, x: number, depth: number, sx: number, sy: number, reach = 14): TreeNode | null {
  let [best, found] = [reach * reach, null as TreeNode | null];
  for (const node of tree.order) {
    const [dx, dy] = [(node.x - x) * sx, (node.depth - depth) * sy];
    const d = dx * dx + dy * dy;
    if (d < best) [best, found] = [d, node];
  }
  return found;
}

/** The leaf whose box holds a point of the plane. */
export function leafAt(tree: ProofTree, a: number, b: number): TreeNode | null {
  for (const node of tree.order) {
    const box = node.box;
    if (box && isLeaf(node) && a >= box[0] && a <= box[1] && b >= box[2] && b <= box[3]) return node;
  }
  return null;
}

/** Ids from a node up to the root. */
export function ancestry(tree: ProofTree, id: number): Set<number> {
  const found = new Set<number>();
  for (let node = tree.nodes.get(id); node; node = tree.nodes.get(node.parent)) found.add(node.id);
  return found;
}
