// Groups of nodes, and which boxes are visible when some are collapsed.

import type { WireGraph, WireNode } from "./wire.js";

export interface Group {
  path: string;
  label: string;
  parent: string | null;
  members: string[];
  depth: number;
}

/** One thing that is drawn: a node, or a collapsed group standing for its members. */
export interface Box {
  id: string;
  node: WireNode | null;
  group: Group | null;
  members: readonly string[];
}

export interface Visible {
  boxes: Box[];
  edges: [number, number][];
  /** node id -> position in `boxes` */
  boxOf: Map<string, number>;
  /** expanded groups that have at least one visible member, outermost first */
  open: Group[];
}

const MANY = 200;
const READABLE = 14; // boxes that can be read when all of them are in sight
const SEP = "/";

/** The groups that nodes name ("a/b/c" lies in "a/b" lies in "a"); a large graph that names none is cut into runs. */
export function findGroups(graph: WireGraph): Map<string, Group> {
  const named = graph.nodes.some((node) => node.group);
  const runs = !named && graph.nodes.length > MANY ? chunks(graph) : null;
  const groups = new Map<string, Group>();
  graph.nodes.forEach((node, i) => {
    const path = runs ? runs[i]! : node.group;
    const parts = path.split(SEP).filter(Boolean);
    for (let depth = 1; depth <= parts.length; depth++) {
      const own = parts.slice(0, depth).join(SEP);
      let group = groups.get(own);
      if (!group) {
        const parent = depth > 1 ? parts.slice(0, depth - 1).join(SEP) : null;
        group = { path: own, label: parts[depth - 1]!, parent, members: [], depth };
        groups.set(own, group);
      }
      group.members.push(node.id);
    }
  });
  return groups;
}

/** A node's name without what its neighbours share: the path of its group, and the ending that exporters add. */
export function nick(node: WireNode): string {
  const name = node.id.replace(/(.)_output_0$/, "$1");
  const path = `/${node.group}/`;
  return node.group && `/${name}`.startsWith(path) ? name.slice(path.length - 1) : node.group && name.startsWith(path) ? name.slice(path.length) : name;
}

/** Runs of consecutive nodes, cut where the fewest values cross: where one tensor flows, a layer ends. */
export function chunks(graph: WireGraph): string[] {
  const n = graph.nodes.length;
  const size = Math.max(12, Math.round(Math.sqrt(n)));
  const at = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const cross = new Int32Array(n + 2);
  graph.nodes.forEach((node, i) => {
    for (const input of node.inputs) {
      const from = at.get(input);
      if (from === undefined || from >= i) continue;
      cross[from + 1]!++;
      cross[i + 1]!--;
    }
  });
  for (let i = 1; i <= n; i++) cross[i]! += cross[i - 1]!;
  const names = new Array<string>(n);
  let start = 0;
  for (let part = 1; start < n; part++) {
    let end = Math.min(n, start + Math.ceil(1.4 * size));
    if (end < n) {
      let best = Infinity;
      for (let cut = start + Math.ceil(0.6 * size); cut <= Math.min(n, start + Math.ceil(1.4 * size)); cut++) {
        const cost = cross[cut]! * size + Math.abs(cut - start - size);
        if (cost < best) [best, end] = [cost, cut];
      }
    }
    names.fill(`part ${part}`, start, end);
    start = end;
  }
  return names;
}

/** What starts collapsed: nothing in a small graph, else the deepest level that leaves so few boxes that they can be read. */
export function initialCollapse(graph: WireGraph, groups: Map<string, Group>): Set<string> {
  if (graph.nodes.length <= 30 || groups.size < 2) return new Set();
  const deepest = Math.max(...[...groups.values()].map((g) => g.depth));
  for (let depth = deepest; depth >= 1; depth--) {
    const set = new Set([...groups.values()].filter((g) => g.depth >= depth).map((g) => g.path));
    if (depth === 1 || visible(graph, groups, set).boxes.length <= READABLE) return set;
  }
  return new Set();
}

/** The boxes and edges that are drawn while `collapsed` groups are closed. */
export function visible(graph: WireGraph, groups: Map<string, Group>, collapsed: ReadonlySet<string>): Visible {
  const innermost = new Map<string, Group>();
  for (const group of groups.values()) {
    for (const id of group.members) {
      const now = innermost.get(id);
      if (!now || group.depth > now.depth) innermost.set(id, group);
    }
  }
  const closedBy = new Map<string, Group | null>();
  const outermostClosed = (group: Group | undefined): Group | null => {
    if (!group) return null;
    const known = closedBy.get(group.path);
    if (known !== undefined) return known;
    const above = outermostClosed(group.parent === null ? undefined : groups.get(group.parent));
    const found = above ?? (collapsed.has(group.path) ? group : null);
    closedBy.set(group.path, found);
    return found;
  };
  const boxes: Box[] = [];
  const boxOf = new Map<string, number>();
  const closed = new Map<string, number>();
  for (const node of graph.nodes) {
    const group = outermostClosed(innermost.get(node.id));
    if (!group) {
      boxOf.set(node.id, boxes.length);
      boxes.push({ id: node.id, node, group: null, members: [node.id] });
      continue;
    }
    let box = closed.get(group.path);
    if (box === undefined) {
      box = boxes.length;
      closed.set(group.path, box);
      boxes.push({ id: `group:${group.path}`, node: null, group, members: group.members });
    }
    boxOf.set(node.id, box);
  }
  const edges: [number, number][] = [];
  const seen = new Set<number>();
  for (const node of graph.nodes) {
    const to = boxOf.get(node.id)!;
    for (const input of node.inputs) {
      const from = boxOf.get(input);
      if (from === undefined || from === to) continue;
      const key = from * boxes.length + to;
      if (!seen.has(key)) {
        seen.add(key);
        edges.push([from, to]);
      }
    }
  }
  const open = [...groups.values()].filter((g) => !collapsed.has(g.path) && !outermostClosed(g)).sort((a, b) => a.depth - b.depth);
  return { boxes, edges, boxOf, open };
}

/** The groups that must open for `id` to be seen. */
export function pathTo(groups: Map<string, Group>, collapsed: ReadonlySet<string>, id: string): string[] {
  return [...groups.values()].filter((g) => collapsed.has(g.path) && g.members.includes(id)).map((g) => g.path);
}

/** The innermost of the open groups (outermost first) that holds `id`; a group of one node is none. */
export function innermostOpen(id: string, list: readonly Group[]): string | null {
  let found: string | null = null;
  for (const group of list) if (group.members.length > 1 && group.members.includes(id)) found = group.path;
  return found;
}
