// src/core/format.ts
var MINUS = "\u2212";
function short(value, digits2 = 3) {
  if (value === null || value === void 0) return "\u2013";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "\u221E" : `${MINUS}\u221E`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || size < 1e-3) {
    text = value.toExponential(digits2 - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  } else {
    text = String(Number(value.toPrecision(digits2)));
  }
  return text.replaceAll("-", MINUS);
}
function outward(value, up, digits2 = 3) {
  if (!Number.isFinite(value) || value === 0) return short(value, digits2);
  const power = Math.floor(Math.log10(Math.abs(value))) - digits2 + 1;
  for (let step = 0; step < 3; step++) {
    const scaled = Number((value / 10 ** power).toFixed(0)) + (up ? step : -step);
    const candidate = Number(`${scaled}e${power}`);
    if (up ? candidate >= value : candidate <= value) return short(candidate, digits2 + 1);
  }
  return up ? short(value + Math.abs(value) * 0.01, digits2) : short(value - Math.abs(value) * 0.01, digits2);
}
var exact = (value) => Object.is(value, -0) ? "-0" : String(value);
function epsilon(value) {
  if (value !== 0 && Math.abs(value) < 1e-4) return short(value, 6);
  return String(Number(value.toPrecision(12)));
}
var shapeText = (shape) => shape.length ? shape.join("\xD7") : "scalar";
var count = (value) => value.toLocaleString("en-US").replaceAll(",", "\u202F");
function seconds(value) {
  if (value === null || value === void 0) return "";
  if (value < 0.9995) return `${value < 0.01 ? (value * 1e3).toPrecision(2) : Math.round(value * 1e3)} ms`;
  return value < 100 ? `${value.toPrecision(3)} s` : `${Math.round(value / 60)} min`;
}
function clip(text, limit) {
  if (text.length <= limit) return text;
  const tail = Math.ceil((limit - 1) / 2);
  return `${text.slice(0, limit - 1 - tail)}\u2026${text.slice(-tail)}`;
}
var METHOD_LABELS = { ibp: "IBP", "crown-ibp": "CROWN-IBP", crown: "CROWN" };
var methodLabel = (key2) => METHOD_LABELS[key2] ?? key2;
var BALLS = { inf: "\u221E", "2": "\u2082", "1": "\u2081" };
var ball = (norm) => `\u2016x \u2212 x\u2080\u2016${BALLS[norm] ?? norm}`;

// src/core/export.ts
var quote = (text) => JSON.stringify(text).replaceAll("\\u", "\\\\u");
function toDot(graph) {
  const known = new Set(graph.nodes.map((node2) => node2.id));
  const lines = ["digraph {", "  node [shape=box];"];
  for (const node2 of graph.nodes) {
    lines.push(`  ${quote(node2.id)} [label=${quote(`${node2.op}
${node2.id}
${shapeText(node2.shape)}`)}];`);
    for (const input of node2.inputs) if (known.has(input)) lines.push(`  ${quote(input)} -> ${quote(node2.id)};`);
  }
  return [...lines, "}", ""].join("\n");
}
function toJson(graph, overlay, phases, stamp) {
  return `${JSON.stringify({ graph, stamp, overlay, phases }, null, 1)}
`;
}

// src/core/groups.ts
var MANY = 200;
var SEP = "/";
function findGroups(graph) {
  const named = graph.nodes.some((node2) => node2.group);
  const runs = !named && graph.nodes.length > MANY ? chunks(graph) : null;
  const groups = /* @__PURE__ */ new Map();
  graph.nodes.forEach((node2, i) => {
    const path = runs ? runs[i] : node2.group;
    const parts = path.split(SEP).filter(Boolean);
    for (let depth = 1; depth <= parts.length; depth++) {
      const own = parts.slice(0, depth).join(SEP);
      let group = groups.get(own);
      if (!group) {
        const parent = depth > 1 ? parts.slice(0, depth - 1).join(SEP) : null;
        group = { path: own, label: parts[depth - 1], parent, members: [], depth };
        groups.set(own, group);
      }
      group.members.push(node2.id);
    }
  });
  return groups;
}
function chunks(graph) {
  const n = graph.nodes.length;
  const size = Math.max(12, Math.round(Math.sqrt(n)));
  const at2 = new Map(graph.nodes.map((node2, i) => [node2.id, i]));
  const cross = new Int32Array(n + 2);
  graph.nodes.forEach((node2, i) => {
    for (const input of node2.inputs) {
      const from = at2.get(input);
      if (from === void 0 || from >= i) continue;
      cross[from + 1]++;
      cross[i + 1]--;
    }
  });
  for (let i = 1; i <= n; i++) cross[i] += cross[i - 1];
  const names = new Array(n);
  let start = 0;
  for (let part = 1; start < n; part++) {
    let end = Math.min(n, start + Math.ceil(1.4 * size));
    if (end < n) {
      let best = Infinity;
      for (let cut = start + Math.ceil(0.6 * size); cut <= Math.min(n, start + Math.ceil(1.4 * size)); cut++) {
        const cost = cross[cut] * size + Math.abs(cut - start - size);
        if (cost < best) [best, end] = [cost, cut];
      }
    }
    names.fill(`part ${part}`, start, end);
    start = end;
  }
  return names;
}
function initialCollapse(graph, groups) {
  if (graph.nodes.length <= MANY || groups.size === 0) return /* @__PURE__ */ new Set();
  const deepest = Math.max(...[...groups.values()].map((g) => g.depth));
  for (let depth = deepest; depth >= 1; depth--) {
    const set = new Set([...groups.values()].filter((g) => g.depth >= depth).map((g) => g.path));
    if (depth === 1 || visible(graph, groups, set).boxes.length <= MANY / 2) return set;
  }
  return /* @__PURE__ */ new Set();
}
function visible(graph, groups, collapsed) {
  const innermost = /* @__PURE__ */ new Map();
  for (const group of groups.values()) {
    for (const id of group.members) {
      const now = innermost.get(id);
      if (!now || group.depth > now.depth) innermost.set(id, group);
    }
  }
  const closedBy = /* @__PURE__ */ new Map();
  const outermostClosed = (group) => {
    if (!group) return null;
    const known = closedBy.get(group.path);
    if (known !== void 0) return known;
    const above = outermostClosed(group.parent === null ? void 0 : groups.get(group.parent));
    const found = above ?? (collapsed.has(group.path) ? group : null);
    closedBy.set(group.path, found);
    return found;
  };
  const boxes = [];
  const boxOf = /* @__PURE__ */ new Map();
  const closed = /* @__PURE__ */ new Map();
  for (const node2 of graph.nodes) {
    const group = outermostClosed(innermost.get(node2.id));
    if (!group) {
      boxOf.set(node2.id, boxes.length);
      boxes.push({ id: node2.id, node: node2, group: null, members: [node2.id] });
      continue;
    }
    let box = closed.get(group.path);
    if (box === void 0) {
      box = boxes.length;
      closed.set(group.path, box);
      boxes.push({ id: `group:${group.path}`, node: null, group, members: group.members });
    }
    boxOf.set(node2.id, box);
  }
  const edges = [];
  const seen = /* @__PURE__ */ new Set();
  for (const node2 of graph.nodes) {
    const to = boxOf.get(node2.id);
    for (const input of node2.inputs) {
      const from = boxOf.get(input);
      if (from === void 0 || from === to) continue;
      const key2 = from * boxes.length + to;
      if (!seen.has(key2)) {
        seen.add(key2);
        edges.push([from, to]);
      }
    }
  }
  const open = [...groups.values()].filter((g) => !collapsed.has(g.path) && !outermostClosed(g)).sort((a, b) => a.depth - b.depth);
  return { boxes, edges, boxOf, open };
}
function pathTo(groups, collapsed, id) {
  return [...groups.values()].filter((g) => collapsed.has(g.path) && g.members.includes(id)).map((g) => g.path);
}

// node_modules/@dagrejs/dagre/dist/dagre.esm.js
var Te = Object.defineProperty;
var Sn = (e, n, t) => n in e ? Te(e, n, { enumerable: true, configurable: true, writable: true, value: t }) : e[n] = t;
var Mn = (e, n) => {
  for (var t in n) Te(e, t, { get: n[t], enumerable: true });
};
var je = (e, n, t) => Sn(e, typeof n != "symbol" ? n + "" : n, t);
var ie = {};
Mn(ie, { Graph: () => T, alg: () => H });
var Pn = Object.defineProperty;
var Se = (e, n) => {
  for (var t in n) Pn(e, t, { get: n[t], enumerable: true });
};
var Q = class {
  constructor(e) {
    this._isDirected = true, this._isMultigraph = false, this._isCompound = false, this._nodes = {}, this._in = {}, this._preds = {}, this._out = {}, this._sucs = {}, this._edgeObjs = {}, this._edgeLabels = {}, this._nodeCount = 0, this._edgeCount = 0, this._defaultNodeLabelFn = () => {
    }, this._defaultEdgeLabelFn = () => {
    }, e && (this._isDirected = "directed" in e ? e.directed : true, this._isMultigraph = "multigraph" in e ? e.multigraph : false, this._isCompound = "compound" in e ? e.compound : false), this._isCompound && (this._parent = {}, this._children = {}, this._children["\0"] = {});
  }
  isDirected() {
    return this._isDirected;
  }
  isMultigraph() {
    return this._isMultigraph;
  }
  isCompound() {
    return this._isCompound;
  }
  setGraph(e) {
    return this._label = e, this;
  }
  graph() {
    return this._label;
  }
  setDefaultNodeLabel(e) {
    return typeof e != "function" ? this._defaultNodeLabelFn = () => e : this._defaultNodeLabelFn = e, this;
  }
  nodeCount() {
    return this._nodeCount;
  }
  nodes() {
    return Object.keys(this._nodes);
  }
  sources() {
    return this.nodes().filter((e) => Object.keys(this._in[e]).length === 0);
  }
  sinks() {
    return this.nodes().filter((e) => Object.keys(this._out[e]).length === 0);
  }
  setNodes(e, n) {
    return e.forEach((t) => {
      n !== void 0 ? this.setNode(t, n) : this.setNode(t);
    }), this;
  }
  setNode(e, n) {
    return e in this._nodes ? (arguments.length > 1 && (this._nodes[e] = n), this) : (this._nodes[e] = arguments.length > 1 ? n : this._defaultNodeLabelFn(e), this._isCompound && (this._parent[e] = "\0", this._children[e] = {}, this._children["\0"][e] = true), this._in[e] = {}, this._preds[e] = {}, this._out[e] = {}, this._sucs[e] = {}, ++this._nodeCount, this);
  }
  node(e) {
    return this._nodes[e];
  }
  hasNode(e) {
    return e in this._nodes;
  }
  removeNode(e) {
    if (e in this._nodes) {
      let n = (t) => this.removeEdge(this._edgeObjs[t]);
      delete this._nodes[e], this._isCompound && (this._removeFromParentsChildList(e), delete this._parent[e], this.children(e).forEach((t) => {
        this.setParent(t);
      }), delete this._children[e]), Object.keys(this._in[e]).forEach(n), delete this._in[e], delete this._preds[e], Object.keys(this._out[e]).forEach(n), delete this._out[e], delete this._sucs[e], --this._nodeCount;
    }
    return this;
  }
  setParent(e, n) {
    if (!this._isCompound) throw new Error("Cannot set parent in a non-compound graph");
    if (n === void 0) n = "\0";
    else {
      n += "";
      for (let t = n; t !== void 0; t = this.parent(t)) if (t === e) throw new Error("Setting " + n + " as parent of " + e + " would create a cycle");
      this.setNode(n);
    }
    return this.setNode(e), this._removeFromParentsChildList(e), this._parent[e] = n, this._children[n][e] = true, this;
  }
  parent(e) {
    if (this._isCompound) {
      let n = this._parent[e];
      if (n !== "\0") return n;
    }
  }
  children(e = "\0") {
    if (this._isCompound) {
      let n = this._children[e];
      if (n) return Object.keys(n);
    } else {
      if (e === "\0") return this.nodes();
      if (this.hasNode(e)) return [];
    }
    return [];
  }
  predecessors(e) {
    let n = this._preds[e];
    if (n) return Object.keys(n);
  }
  successors(e) {
    let n = this._sucs[e];
    if (n) return Object.keys(n);
  }
  neighbors(e) {
    let n = this.predecessors(e);
    if (n) {
      let t = new Set(n), r = this.successors(e);
      if (r) for (let o of r) t.add(o);
      return Array.from(t.values());
    }
  }
  isLeaf(e) {
    var n;
    let t;
    return this.isDirected() ? t = this.successors(e) : t = this.neighbors(e), ((n = t == null ? void 0 : t.length) != null ? n : 0) === 0;
  }
  filterNodes(e) {
    let n = new this.constructor({ directed: this._isDirected, multigraph: this._isMultigraph, compound: this._isCompound });
    n.setGraph(this.graph()), Object.entries(this._nodes).forEach(([o, i]) => {
      e(o) && n.setNode(o, i);
    }), Object.values(this._edgeObjs).forEach((o) => {
      n.hasNode(o.v) && n.hasNode(o.w) && n.setEdge(o, this.edge(o));
    });
    let t = {}, r = (o) => {
      let i = this.parent(o);
      return !i || n.hasNode(i) ? (t[o] = i, i) : i in t ? t[i] : r(i);
    };
    return this._isCompound && n.nodes().forEach((o) => n.setParent(o, r(o))), n;
  }
  setDefaultEdgeLabel(e) {
    return typeof e != "function" ? this._defaultEdgeLabelFn = () => e : this._defaultEdgeLabelFn = e, this;
  }
  edgeCount() {
    return this._edgeCount;
  }
  edges() {
    return Object.values(this._edgeObjs);
  }
  setPath(e, n) {
    return e.reduce((t, r) => (n !== void 0 ? this.setEdge(t, r, n) : this.setEdge(t, r), r)), this;
  }
  setEdge(e, n, t, r) {
    let o, i, s2, a, l = false;
    typeof e == "object" && e !== null && "v" in e ? (o = e.v, i = e.w, s2 = e.name, arguments.length === 2 && (a = n, l = true)) : (o = e, i = n, s2 = r, arguments.length > 2 && (a = t, l = true)), o = "" + o, i = "" + i, s2 !== void 0 && (s2 = "" + s2);
    let u = z(this._isDirected, o, i, s2);
    if (u in this._edgeLabels) return l && (this._edgeLabels[u] = a), this;
    if (s2 !== void 0 && !this._isMultigraph) throw new Error("Cannot set a named edge when isMultigraph = false");
    this.setNode(o), this.setNode(i), this._edgeLabels[u] = l ? a : this._defaultEdgeLabelFn(o, i, s2);
    let d = Fn(this._isDirected, o, i, s2);
    return o = d.v, i = d.w, Object.freeze(d), this._edgeObjs[u] = d, Re(this._preds[i], o), Re(this._sucs[o], i), this._in[i][u] = d, this._out[o][u] = d, this._edgeCount++, this;
  }
  edge(e, n, t) {
    let r = arguments.length === 1 ? oe(this._isDirected, e) : z(this._isDirected, e, n, t);
    return this._edgeLabels[r];
  }
  edgeAsObj(e, n, t) {
    let r = arguments.length === 1 ? this.edge(e) : this.edge(e, n, t);
    return typeof r != "object" || r === null ? { label: r } : r;
  }
  hasEdge(e, n, t) {
    return (arguments.length === 1 ? oe(this._isDirected, e) : z(this._isDirected, e, n, t)) in this._edgeLabels;
  }
  removeEdge(e, n, t) {
    let r = arguments.length === 1 ? oe(this._isDirected, e) : z(this._isDirected, e, n, t), o = this._edgeObjs[r];
    if (o) {
      let i = o.v, s2 = o.w;
      delete this._edgeLabels[r], delete this._edgeObjs[r], Ie(this._preds[s2], i), Ie(this._sucs[i], s2), delete this._in[s2][r], delete this._out[i][r], this._edgeCount--;
    }
    return this;
  }
  inEdges(e, n) {
    return this.isDirected() ? this.filterEdges(this._in[e], e, n) : this.nodeEdges(e, n);
  }
  outEdges(e, n) {
    return this.isDirected() ? this.filterEdges(this._out[e], e, n) : this.nodeEdges(e, n);
  }
  nodeEdges(e, n) {
    if (e in this._nodes) return this.filterEdges({ ...this._in[e], ...this._out[e] }, e, n);
  }
  _removeFromParentsChildList(e) {
    delete this._children[this._parent[e]][e];
  }
  filterEdges(e, n, t) {
    if (!e) return;
    let r = Object.values(e);
    return t ? r.filter((o) => o.v === n && o.w === t || o.v === t && o.w === n) : r;
  }
};
function Re(e, n) {
  e[n] ? e[n]++ : e[n] = 1;
}
function Ie(e, n) {
  e[n] !== void 0 && !--e[n] && delete e[n];
}
function z(e, n, t, r) {
  let o = "" + n, i = "" + t;
  if (!e && o > i) {
    let s2 = o;
    o = i, i = s2;
  }
  return o + "" + i + "" + (r === void 0 ? "\0" : r);
}
function Fn(e, n, t, r) {
  let o = "" + n, i = "" + t;
  if (!e && o > i) {
    let a = o;
    o = i, i = a;
  }
  let s2 = { v: o, w: i };
  return r && (s2.name = r), s2;
}
function oe(e, n) {
  return z(e, n.v, n.w, n.name);
}
var Dn = {};
Se(Dn, { read: () => Bn, write: () => An });
function An(e) {
  let n = { options: { directed: e.isDirected(), multigraph: e.isMultigraph(), compound: e.isCompound() }, nodes: Vn(e), edges: Yn(e) }, t = e.graph();
  return t !== void 0 && (n.value = structuredClone(t)), n;
}
function Vn(e) {
  return e.nodes().map((n) => {
    let t = e.node(n), r = e.parent(n), o = { v: n };
    return t !== void 0 && (o.value = t), r !== void 0 && (o.parent = r), o;
  });
}
function Yn(e) {
  return e.edges().map((n) => {
    let t = e.edge(n), r = { v: n.v, w: n.w };
    return n.name !== void 0 && (r.name = n.name), t !== void 0 && (r.value = t), r;
  });
}
function Bn(e) {
  let n = new Q(e.options);
  return e.value !== void 0 && n.setGraph(e.value), e.nodes.forEach((t) => {
    n.setNode(t.v, t.value), t.parent && n.setParent(t.v, t.parent);
  }), e.edges.forEach((t) => {
    n.setEdge({ v: t.v, w: t.w, name: t.name }, t.value);
  }), n;
}
var H = {};
Se(H, { CycleException: () => K, bellmanFord: () => Me, components: () => zn, dijkstra: () => J, dijkstraAll: () => $n, findCycles: () => Un, floydWarshall: () => Kn, isAcyclic: () => Zn, postorder: () => nt, preorder: () => tt, prim: () => rt, shortestPaths: () => ot, tarjan: () => Fe, topsort: () => De });
var Wn = () => 1;
function Me(e, n, t, r) {
  return Xn(e, String(n), t || Wn, r || function(o) {
    var i;
    return (i = e.outEdges(o)) != null ? i : [];
  });
}
function Xn(e, n, t, r) {
  let o = {}, i, s2 = 0, a = e.nodes(), l = function(c) {
    let f = o[c.v], h2 = o[c.w];
    if (!f || !h2) return;
    let g = t(c);
    f.distance + g < h2.distance && (o[c.w] = { distance: f.distance + g, predecessor: c.v }, i = true);
  }, u = function() {
    a.forEach(function(c) {
      r(c).forEach(function(f) {
        let h2 = f.v === c ? f.v : f.w, g = h2 === f.v ? f.w : f.v;
        l({ v: h2, w: g });
      });
    });
  };
  a.forEach(function(c) {
    let f = c === n ? 0 : Number.POSITIVE_INFINITY;
    o[c] = { distance: f, predecessor: "" };
  });
  let d = a.length;
  for (let c = 1; c < d && (i = false, s2++, u(), !!i); c++) ;
  if (s2 === d - 1 && (i = false, u(), i)) throw new Error("The graph contains a negative weight cycle");
  return o;
}
function zn(e) {
  let n = {}, t = [], r;
  function o(i) {
    var s2, a;
    i in n || (n[i] = true, r.push(i), (s2 = e.successors(i)) == null || s2.forEach(o), (a = e.predecessors(i)) == null || a.forEach(o));
  }
  return e.nodes().forEach(function(i) {
    r = [], o(i), r.length && t.push(r);
  }), t;
}
var Pe = class {
  constructor() {
    this._arr = [], this._keyIndices = {};
  }
  size() {
    return this._arr.length;
  }
  keys() {
    return this._arr.map((e) => e.key);
  }
  has(e) {
    return e in this._keyIndices;
  }
  priority(e) {
    let n = this._keyIndices[e];
    if (n !== void 0) return this._arr[n].priority;
  }
  min() {
    if (this.size() === 0) throw new Error("Queue underflow");
    return this._arr[0].key;
  }
  add(e, n) {
    let t = this._keyIndices, r = String(e);
    if (!(r in t)) {
      let o = this._arr, i = o.length;
      return t[r] = i, o.push({ key: r, priority: n }), this._decrease(i), true;
    }
    return false;
  }
  removeMin() {
    if (this.size() === 0) throw new Error("Queue underflow");
    this._swap(0, this._arr.length - 1);
    let e = this._arr.pop();
    return delete this._keyIndices[e.key], this._heapify(0), e.key;
  }
  decrease(e, n) {
    let t = this._keyIndices[e];
    if (t === void 0) throw new Error(`Key not found: ${e}`);
    let r = this._arr[t].priority;
    if (n > r) throw new Error(`New priority is greater than current priority. Key: ${e} Old: ${r} New: ${n}`);
    this._arr[t].priority = n, this._decrease(t);
  }
  _heapify(e) {
    let n = this._arr, t = 2 * e, r = t + 1, o = e;
    t < n.length && (o = n[t].priority < n[o].priority ? t : o, r < n.length && (o = n[r].priority < n[o].priority ? r : o), o !== e && (this._swap(e, o), this._heapify(o)));
  }
  _decrease(e) {
    let n = this._arr, t = n[e].priority, r;
    for (; e !== 0 && (r = e >> 1, !(n[r].priority < t)); ) this._swap(e, r), e = r;
  }
  _swap(e, n) {
    let t = this._arr, r = this._keyIndices, o = t[e], i = t[n];
    t[e] = i, t[n] = o, r[i.key] = e, r[o.key] = n;
  }
};
var Hn = () => 1;
function J(e, n, t, r) {
  let o = function(i) {
    var s2;
    return (s2 = e.outEdges(i)) != null ? s2 : [];
  };
  return qn(e, String(n), t || Hn, r || o);
}
function qn(e, n, t, r) {
  let o = {}, i = new Pe(), s2, a, l = function(u) {
    let d = u.v !== s2 ? u.v : u.w, c = o[d];
    if (!c) return;
    let f = t(u), h2 = a.distance + f;
    if (f < 0) throw new Error("dijkstra does not allow negative edge weights. Bad edge: " + u + " Weight: " + f);
    h2 < c.distance && (c.distance = h2, c.predecessor = s2, i.decrease(d, h2));
  };
  for (e.nodes().forEach(function(u) {
    let d = u === n ? 0 : Number.POSITIVE_INFINITY;
    o[u] = { distance: d, predecessor: "" }, i.add(u, d);
  }); i.size() > 0; ) {
    s2 = i.removeMin();
    let u = o[s2];
    if (!u || u.distance === Number.POSITIVE_INFINITY) break;
    a = u, r(s2).forEach(l);
  }
  return o;
}
function $n(e, n, t) {
  return e.nodes().reduce(function(r, o) {
    return r[o] = J(e, o, n, t), r;
  }, {});
}
function Fe(e) {
  let n = 0, t = [], r = {}, o = [];
  function i(s2) {
    var a;
    let l = r[s2] = { onStack: true, lowlink: n, index: n++ };
    if (t.push(s2), (a = e.successors(s2)) == null || a.forEach(function(u) {
      if (u in r) {
        let d = r[u];
        d != null && d.onStack && (l.lowlink = Math.min(l.lowlink, d.index));
      } else {
        i(u);
        let d = r[u];
        d && (l.lowlink = Math.min(l.lowlink, d.lowlink));
      }
    }), l.lowlink === l.index) {
      let u = [], d;
      do {
        d = t.pop();
        let c = r[d];
        c && (c.onStack = false), u.push(d);
      } while (s2 !== d);
      o.push(u);
    }
  }
  return e.nodes().forEach(function(s2) {
    s2 in r || i(s2);
  }), o;
}
function Un(e) {
  return Fe(e).filter(function(n) {
    var t;
    let r = n[0];
    return r ? n.length > 1 || n.length === 1 && ((t = e.outEdges(r, r)) != null ? t : []).length > 0 : false;
  });
}
var Jn = () => 1;
function Kn(e, n, t) {
  return Qn(e, n || Jn, t || function(r) {
    var o;
    return (o = e.outEdges(r)) != null ? o : [];
  });
}
function Qn(e, n, t) {
  let r = {}, o = e.nodes();
  return o.forEach(function(i) {
    let s2 = {};
    r[i] = s2, s2[i] = { distance: 0, predecessor: "" }, o.forEach(function(a) {
      i !== a && (s2[a] = { distance: Number.POSITIVE_INFINITY, predecessor: "" });
    }), t(i).forEach(function(a) {
      let l = a.v === i ? a.w : a.v, u = n(a);
      s2[l] = { distance: u, predecessor: i };
    });
  }), o.forEach(function(i) {
    let s2 = r[i];
    s2 && o.forEach(function(a) {
      let l = r[a];
      l && o.forEach(function(u) {
        let d = l[i], c = s2[u], f = l[u];
        if (d && c && f) {
          let h2 = d.distance + c.distance;
          h2 < f.distance && (f.distance = h2, f.predecessor = c.predecessor);
        }
      });
    });
  }), r;
}
var K = class extends Error {
  constructor(e) {
    super(e), this.name = "CycleException";
  }
};
function De(e) {
  let n = {}, t = {}, r = [];
  function o(i) {
    var s2;
    if (i in t) throw new K();
    i in n || (t[i] = true, n[i] = true, (s2 = e.predecessors(i)) == null || s2.forEach(o), delete t[i], r.push(i));
  }
  if (e.sinks().forEach(o), Object.keys(n).length !== e.nodeCount()) throw new K();
  return r;
}
function Zn(e) {
  try {
    De(e);
  } catch (n) {
    if (n instanceof K) return false;
    throw n;
  }
  return true;
}
function et(e, n, t, r, o) {
  Array.isArray(n) || (n = [n]);
  let i = ((a) => {
    var l;
    return (l = e.isDirected() ? e.successors(a) : e.neighbors(a)) != null ? l : [];
  }), s2 = {};
  return n.forEach(function(a) {
    if (!e.hasNode(a)) throw new Error("Graph does not have node: " + a);
    o = Ae(e, a, t === "post", s2, i, r, o);
  }), o;
}
function Ae(e, n, t, r, o, i, s2) {
  return n in r || (r[n] = true, t || (s2 = i(s2, n)), o(n).forEach(function(a) {
    s2 = Ae(e, a, t, r, o, i, s2);
  }), t && (s2 = i(s2, n))), s2;
}
function Ve(e, n, t) {
  return et(e, n, t, function(r, o) {
    return r.push(o), r;
  }, []);
}
function nt(e, n) {
  return Ve(e, n, "post");
}
function tt(e, n) {
  return Ve(e, n, "pre");
}
function rt(e, n) {
  var t;
  let r = new Q(), o = {}, i = new Pe(), s2;
  function a(d) {
    let c = d.v === s2 ? d.w : d.v, f = i.priority(c);
    if (f !== void 0) {
      let h2 = n(d);
      h2 < f && (o[c] = s2, i.decrease(c, h2));
    }
  }
  if (e.nodeCount() === 0) return r;
  e.nodes().forEach(function(d) {
    i.add(d, Number.POSITIVE_INFINITY), r.setNode(d);
  });
  let l = e.nodes()[0];
  l !== void 0 && i.decrease(l, 0);
  let u = false;
  for (; i.size() > 0; ) {
    if (s2 = i.removeMin(), s2 in o) r.setEdge(s2, o[s2]);
    else {
      if (u) throw new Error("Input graph is not connected: " + e);
      u = true;
    }
    (t = e.nodeEdges(s2)) == null || t.forEach(a);
  }
  return r;
}
function ot(e, n, t, r) {
  return it(e, n, t, r != null ? r : ((o) => {
    var i;
    return (i = e.outEdges(o)) != null ? i : [];
  }));
}
function it(e, n, t, r) {
  if (t === void 0) return J(e, n, t, r);
  let o = false, i = e.nodes();
  for (let s2 = 0; s2 < i.length; s2++) {
    let a = i[s2];
    if (a === void 0) continue;
    let l = r(a);
    for (let u = 0; u < l.length; u++) {
      let d = l[u];
      if (!d) continue;
      let c = d.v === a ? d.v : d.w, f = c === d.v ? d.w : d.v;
      t({ v: c, w: f }) < 0 && (o = true);
    }
    if (o) return Me(e, n, t, r);
  }
  return J(e, n, t, r);
}
var T = Q;
function M(e, n, t, r) {
  let o = r;
  for (; e.hasNode(o); ) o = $(r);
  return t.dummy = n, e.setNode(o, t), o;
}
function Ye(e) {
  let n = new T().setGraph(e.graph());
  return e.nodes().forEach((t) => n.setNode(t, e.node(t))), e.edges().forEach((t) => {
    let r = n.edge(t.v, t.w) || { weight: 0, minlen: 1 }, o = e.edge(t);
    n.setEdge(t.v, t.w, { weight: r.weight + o.weight, minlen: Math.max(r.minlen, o.minlen) });
  }), n;
}
function Z(e) {
  let n = new T({ multigraph: e.isMultigraph() }).setGraph(e.graph());
  return e.nodes().forEach((t) => {
    e.children(t).length || n.setNode(t, e.node(t));
  }), e.edges().forEach((t) => {
    n.setEdge(t, e.edge(t));
  }), n;
}
function se(e, n) {
  let t = e.x, r = e.y, o = n.x - t, i = n.y - r, s2 = e.width / 2, a = e.height / 2;
  if (!o && !i) throw new Error("Not possible to find intersection inside of the rectangle");
  let l, u;
  return o === 0 || Math.abs(i) * s2 > Math.abs(o) * a ? (i < 0 && (a = -a), l = a * o / i, u = a) : (o < 0 && (s2 = -s2), l = s2, u = s2 * i / o), { x: t + l, y: r + u };
}
function P(e) {
  let n = D(de(e) + 1).map(() => []);
  return e.nodes().forEach((t) => {
    let r = e.node(t), o = r.rank;
    o !== void 0 && (n[o] || (n[o] = []), n[o][r.order] = t);
  }), n;
}
function Be(e) {
  let n = e.nodes().map((r) => {
    let o = e.node(r).rank;
    return o === void 0 ? Number.MAX_VALUE : o;
  }), t = S(Math.min, n);
  e.nodes().forEach((r) => {
    let o = e.node(r);
    Object.hasOwn(o, "rank") && (o.rank -= t);
  });
}
function We(e) {
  let n = e.nodes().map((s2) => e.node(s2).rank).filter((s2) => s2 !== void 0), t = S(Math.min, n), r = [];
  e.nodes().forEach((s2) => {
    let a = e.node(s2).rank - t;
    r[a] || (r[a] = []), r[a].push(s2);
  });
  let o = 0, i = e.graph().nodeRankFactor;
  Array.from(r).forEach((s2, a) => {
    s2 === void 0 && a % i !== 0 ? --o : s2 !== void 0 && o && s2.forEach((l) => e.node(l).rank += o);
  });
}
function ae(e, n, t, r) {
  let o = { width: 0, height: 0 };
  return arguments.length >= 4 && (o.rank = t, o.order = r), M(e, "border", o, n);
}
function st(e, n = Xe) {
  let t = [];
  for (let r = 0; r < e.length; r += n) {
    let o = e.slice(r, r + n);
    t.push(o);
  }
  return t;
}
var Xe = 65535;
function S(e, n) {
  if (n.length > Xe) {
    let t = st(n);
    return e(...t.map((r) => e(...r)));
  } else return e(...n);
}
function de(e) {
  let t = e.nodes().map((r) => {
    let o = e.node(r).rank;
    return o === void 0 ? Number.MIN_VALUE : o;
  });
  return S(Math.max, t);
}
function ze(e, n) {
  let t = { lhs: [], rhs: [] };
  return e.forEach((r) => {
    n(r) ? t.lhs.push(r) : t.rhs.push(r);
  }), t;
}
function le(e, n) {
  let t = Date.now();
  try {
    return n();
  } finally {
    console.log(e + " time: " + (Date.now() - t) + "ms");
  }
}
function q(e, n) {
  return n();
}
var at = 0;
function $(e) {
  let n = ++at;
  return e + ("" + n);
}
function D(e, n, t = 1) {
  n == null && (n = e, e = 0);
  let r = (i) => i < n;
  t < 0 && (r = (i) => n < i);
  let o = [];
  for (let i = e; r(i); i += t) o.push(i);
  return o;
}
function W(e, n) {
  let t = {};
  for (let r of n) e[r] !== void 0 && (t[r] = e[r]);
  return t;
}
function X(e, n) {
  let t;
  return typeof n == "string" ? t = (r) => r[n] : t = n, Object.entries(e).reduce((r, [o, i]) => (r[o] = t(i, o), r), {});
}
function He(e, n) {
  return e.reduce((t, r, o) => (t[r] = n[o], t), {});
}
var V = "\0";
function ee(e, n, t) {
  var u, d, c, f, h2, g;
  if (!(e && n && t && n.dummy === "edge" && t.dummy === "edge" && n.edgeObj && t.edgeObj && e[n.edgeObj.v] && e[t.edgeObj.v] && e[n.edgeObj.w] && e[t.edgeObj.w])) return 0;
  let r = true;
  n.edgeObj.w === t.edgeObj.w && (r = false);
  let o = r ? (d = (u = e[n.edgeObj.v]) == null ? void 0 : u.rank) != null ? d : NaN + 1 : (f = (c = e[n.edgeObj.w]) == null ? void 0 : c.rank) != null ? f : NaN - 1, i = Object.entries(e).find((m) => {
    var L, y;
    return ((L = m[1].edgeObj) == null ? void 0 : L.v) === n.edgeObj.v && ((y = m[1].edgeObj) == null ? void 0 : y.w) === n.edgeObj.w && m[1].rank === o;
  }), s2 = Object.entries(e).find((m) => {
    var L, y;
    return ((L = m[1].edgeObj) == null ? void 0 : L.v) === t.edgeObj.v && ((y = m[1].edgeObj) == null ? void 0 : y.w) === t.edgeObj.w && m[1].rank === o;
  });
  if (!i || !s2) return 0;
  let a = (h2 = i[1].order) != null ? h2 : NaN, l = (g = s2[1].order) != null ? g : NaN;
  return isNaN(a - l) ? 0 : a - l;
}
var ue = "3.1.3";
var ce = class {
  constructor() {
    je(this, "_sentinel");
    let n = {};
    n._next = n._prev = n, this._sentinel = n;
  }
  dequeue() {
    let n = this._sentinel, t = n._prev;
    if (t !== n) return qe(t), t;
  }
  enqueue(n) {
    let t = this._sentinel;
    n._prev && n._next && qe(n), n._next = t._next, t._next._prev = n, t._next = n, n._prev = t;
  }
  toString() {
    let n = [], t = this._sentinel, r = t._prev;
    for (; r !== t; ) n.push(JSON.stringify(r, dt)), r = r._prev;
    return "[" + n.join(", ") + "]";
  }
};
function qe(e) {
  e._prev._next = e._next, e._next._prev = e._prev, delete e._next, delete e._prev;
}
function dt(e, n) {
  if (e !== "_next" && e !== "_prev") return n;
}
var $e = ce;
var lt = () => 1;
function be(e, n) {
  if (e.nodeCount() <= 1) return [];
  let t = ct(e, n || lt);
  return ut(t.graph, t.buckets, t.zeroIdx).flatMap((o) => e.outEdges(o.v, o.w) || []);
}
function ut(e, n, t) {
  var a;
  let r = [], o = n[n.length - 1], i = n[0], s2;
  for (; e.nodeCount(); ) {
    for (; s2 = i.dequeue(); ) fe(e, n, t, s2);
    for (; s2 = o.dequeue(); ) fe(e, n, t, s2);
    if (e.nodeCount()) {
      for (let l = n.length - 2; l > 0; --l) if (s2 = (a = n[l]) == null ? void 0 : a.dequeue(), s2) {
        r = r.concat(fe(e, n, t, s2, true) || []);
        break;
      }
    }
  }
  return r;
}
function fe(e, n, t, r, o) {
  let i = [], s2 = o ? i : void 0;
  return (e.inEdges(r.v) || []).forEach((a) => {
    let l = e.edge(a), u = e.node(a.v);
    o && i.push({ v: a.v, w: a.w }), u.out -= l, he(n, t, u);
  }), (e.outEdges(r.v) || []).forEach((a) => {
    let l = e.edge(a), u = a.w, d = e.node(u);
    d.in -= l, he(n, t, d);
  }), e.removeNode(r.v), s2;
}
function ct(e, n) {
  let t = new T(), r = 0, o = 0;
  e.nodes().forEach((a) => {
    t.setNode(a, { v: a, in: 0, out: 0 });
  }), e.edges().forEach((a) => {
    let l = t.edge(a.v, a.w) || 0, u = n(a), d = l + u;
    t.setEdge(a.v, a.w, d);
    let c = t.node(a.v), f = t.node(a.w);
    o = Math.max(o, c.out += u), r = Math.max(r, f.in += u);
  });
  let i = ft(o + r + 3).map(() => new $e()), s2 = r + 1;
  return t.nodes().forEach((a) => {
    he(i, s2, t.node(a));
  }), { graph: t, buckets: i, zeroIdx: s2 };
}
function he(e, n, t) {
  var r, o, i;
  t.out ? t.in ? (i = e[t.out - t.in + n]) == null || i.enqueue(t) : (o = e[e.length - 1]) == null || o.enqueue(t) : (r = e[0]) == null || r.enqueue(t);
}
function ft(e) {
  let n = [];
  for (let t = 0; t < e; t++) n.push(t);
  return n;
}
function Ue(e, n) {
  (e.graph().acyclicer === "greedy" ? be(e, r(e)) : ht(e, n != null ? n : null)).forEach((o) => {
    let i = e.edge(o);
    e.removeEdge(o), i.forwardName = o.name, i.reversed = true, e.setEdge(o.w, o.v, i, $("rev"));
  });
  function r(o) {
    return (i) => o.edge(i).weight;
  }
}
function ht(e, n) {
  let t = [], r = {}, o = {};
  function i(l) {
    Object.hasOwn(o, l) || (o[l] = true, r[l] = true, e.outEdges(l).forEach((u) => {
      Object.hasOwn(r, u.w) ? t.push(u) : i(u.w);
    }), delete r[l]);
  }
  function s2(l) {
    var u;
    Object.hasOwn(o, l) || (o[l] = true, r[l] = true, (u = e.outEdges(l)) == null || u.forEach((d) => {
      var c, f;
      Object.hasOwn(r, d.w) || ((c = n.node(l)) == null ? void 0 : c.rank) > ((f = n.node(d.w)) == null ? void 0 : f.rank) && bt(e, d.w, d) ? t.push(d) : s2(d.w);
    }), delete r[l]);
  }
  let a = i;
  return n && typeof n.node == "function" && (a = s2), e.sources().forEach(a), e.nodes().forEach(a), t;
}
function Je(e) {
  e.edges().forEach((n) => {
    let t = e.edge(n);
    if (t.reversed) {
      e.removeEdge(n);
      let r = t.forwardName;
      delete t.reversed, delete t.forwardName, e.setEdge(n.w, n.v, t, r);
    }
  });
}
function bt(e, n, t) {
  let r = /* @__PURE__ */ new Set();
  function o(i) {
    var s2;
    if (e.sources().includes(i)) return true;
    r.add(i);
    for (let a of (s2 = e.inEdges(i)) != null ? s2 : []) if (!(a.v === t.v && a.w === t.w) && !r.has(a.v) && o(a.v)) return true;
    return false;
  }
  return o(n);
}
function Ke(e) {
  e.graph().dummyChains = [], e.edges().forEach((n) => pt(e, n));
}
function pt(e, n) {
  let t = n.v, r = e.node(t).rank, o = n.w, i = e.node(o).rank, s2 = n.name, a = e.edge(n), l = a.labelRank;
  if (i === r + 1) return;
  e.removeEdge(n);
  let u, d, c;
  for (c = 0, ++r; r < i; ++c, ++r) a.points = [], d = { width: 0, height: 0, edgeLabel: a, edgeObj: n, rank: r }, u = M(e, "edge", d, "_d"), r === l && (d.width = a.width, d.height = a.height, d.dummy = "edge-label", d.labelpos = a.labelpos), e.setEdge(t, u, { weight: a.weight }, s2), c === 0 && e.graph().dummyChains.push(u), t = u;
  e.setEdge(t, o, { weight: a.weight }, s2);
}
function Qe(e) {
  e.graph().dummyChains.forEach((n) => {
    let t = e.node(n), r = t.edgeLabel, o;
    for (e.setEdge(t.edgeObj, r); t.dummy; ) o = e.successors(n)[0], e.removeNode(n), r.points.push({ x: t.x, y: t.y }), t.dummy === "edge-label" && (r.x = t.x, r.y = t.y, r.width = t.width, r.height = t.height), n = o, t = e.node(n);
  });
}
function U(e) {
  let n = {};
  function t(r) {
    let o = e.node(r);
    if (Object.hasOwn(n, r)) return o.rank;
    n[r] = true;
    let i = e.outEdges(r), s2 = i ? i.map((l) => l == null ? Number.POSITIVE_INFINITY : t(l.w) - e.edge(l).minlen) : [], a = S(Math.min, s2);
    return a === Number.POSITIVE_INFINITY && (a = 0), o.rank = a;
  }
  e.sources().forEach(t);
}
function A(e, n) {
  return e.node(n.w).rank - e.node(n.v).rank - e.edge(n).minlen;
}
var ne = Et;
function Et(e) {
  let n = new T({ directed: false }), t = e.nodes();
  if (t.length === 0) throw new Error("Graph must have at least one node");
  let r = t[0], o = e.nodeCount();
  n.setNode(r, {});
  let i, s2;
  for (; Lt(n, e) < o && (i = yt(n, e), !!i); ) s2 = n.hasNode(i.v) ? A(e, i) : -A(e, i), wt(n, e, s2);
  return n;
}
function Lt(e, n) {
  function t(r) {
    let o = n.nodeEdges(r);
    o && o.forEach((i) => {
      let s2 = i.v, a = r === s2 ? i.w : s2;
      !e.hasNode(a) && !A(n, i) && (e.setNode(a, {}), e.setEdge(r, a, {}), t(a));
    });
  }
  return e.nodes().forEach(t), e.nodeCount();
}
function yt(e, n) {
  return n.edges().reduce((r, o) => {
    let i = Number.POSITIVE_INFINITY;
    return e.hasNode(o.v) !== e.hasNode(o.w) && (i = A(n, o)), i < r[0] ? [i, o] : r;
  }, [Number.POSITIVE_INFINITY, null])[1];
}
function wt(e, n, t) {
  e.nodes().forEach((r) => n.node(r).rank += t);
}
var { preorder: Nt, postorder: Gt } = H;
var en = Y;
Y.initLowLimValues = pe;
Y.initCutValues = ge;
Y.calcCutValue = nn;
Y.leaveEdge = rn;
Y.enterEdge = on;
Y.exchangeEdges = sn;
function Y(e) {
  e = Ye(e), U(e);
  let n = ne(e);
  pe(n), ge(n, e);
  let t, r;
  for (; t = rn(n); ) r = on(n, e, t), sn(n, e, t, r);
}
function ge(e, n) {
  let t = Gt(e, e.nodes());
  t = t.slice(0, t.length - 1), t.forEach((r) => vt(e, n, r));
}
function vt(e, n, t) {
  let o = e.node(t).parent, i = e.edge(t, o);
  i.cutvalue = nn(e, n, t);
}
function nn(e, n, t) {
  let o = e.node(t).parent, i = true, s2 = n.edge(t, o), a = 0;
  s2 || (i = false, s2 = n.edge(o, t)), a = s2.weight;
  let l = n.nodeEdges(t);
  return l && l.forEach((u) => {
    let d = u.v === t, c = d ? u.w : u.v;
    if (c !== o) {
      let f = d === i, h2 = n.edge(u).weight;
      if (a += f ? h2 : -h2, xt(e, t, c)) {
        let m = e.edge(t, c).cutvalue;
        a += f ? -m : m;
      }
    }
  }), a;
}
function pe(e, n) {
  arguments.length < 2 && (n = e.nodes()[0]), tn(e, {}, 1, n);
}
function tn(e, n, t, r, o) {
  let i = t, s2 = e.node(r);
  n[r] = true;
  let a = e.neighbors(r);
  return a && a.forEach((l) => {
    Object.hasOwn(n, l) || (t = tn(e, n, t, l, r));
  }), s2.low = i, s2.lim = t++, o ? s2.parent = o : delete s2.parent, t;
}
function rn(e) {
  return e.edges().find((n) => e.edge(n).cutvalue < 0);
}
function on(e, n, t) {
  let r = t.v, o = t.w;
  n.hasEdge(r, o) || (r = t.w, o = t.v);
  let i = e.node(r), s2 = e.node(o), a = i, l = false;
  return i.lim > s2.lim && (a = s2, l = true), n.edges().filter((d) => l === Ze(e, e.node(d.v), a) && l !== Ze(e, e.node(d.w), a)).reduce((d, c) => A(n, c) < A(n, d) ? c : d);
}
function sn(e, n, t, r) {
  let o = t.v, i = t.w;
  e.removeEdge(o, i), e.setEdge(r.v, r.w, {}), pe(e), ge(e, n), kt(e, n);
}
function kt(e, n) {
  let t = e.nodes().find((o) => !e.node(o).parent);
  if (!t) return;
  let r = Nt(e, [t]);
  r = r.slice(1), r.forEach((o) => {
    let s2 = e.node(o).parent, a = n.edge(o, s2), l = false;
    a || (a = n.edge(s2, o), l = true), n.node(o).rank = n.node(s2).rank + (l ? a.minlen : -a.minlen);
  });
}
function xt(e, n, t) {
  return e.hasEdge(n, t);
}
function Ze(e, n, t) {
  return t.low <= n.lim && n.lim <= t.lim;
}
var dn = _t;
function _t(e) {
  let n = e.graph().ranker;
  if (typeof n == "function") return n(e);
  switch (n) {
    case "network-simplex":
      an(e);
      break;
    case "tight-tree":
      Ct(e);
      break;
    case "longest-path":
      Ot(e);
      break;
    case "none":
      break;
    default:
      an(e);
  }
}
var Ot = U;
function Ct(e) {
  U(e), ne(e);
}
function an(e) {
  en(e);
}
var ln = Tt;
function Tt(e) {
  let n = Rt(e), t = e.graph();
  if (!Array.isArray(t.dummyChains)) return;
  t.dummyChains.forEach((o) => {
    let i = e.node(o), s2 = i.edgeObj, a = jt(e, n, s2.v, s2.w), l = a.path, u = a.lca, d = 0, c = l[d], f = true;
    for (; o !== s2.w; ) {
      if (i = e.node(o), f) {
        for (; (c = l[d]) !== u && e.node(c).maxRank < i.rank; ) d++;
        c === u && (f = false);
      }
      if (!f) {
        for (; d < l.length - 1 && e.node(l[d + 1]).minRank <= i.rank; ) d++;
        c = l[d];
      }
      c !== void 0 && e.setParent(o, c), o = e.successors(o)[0];
    }
  });
}
function jt(e, n, t, r) {
  let o = [], i = [], s2 = Math.min(n[t].low, n[r].low), a = Math.max(n[t].lim, n[r].lim), l;
  l = t;
  do
    l = e.parent(l), o.push(l);
  while (l && (n[l].low > s2 || a > n[l].lim));
  let u = l, d = r;
  for (; (d = e.parent(d)) !== u; ) i.push(d);
  return { path: o.concat(i.reverse()), lca: u };
}
function Rt(e) {
  let n = {}, t = 0;
  function r(o) {
    let i = t;
    e.children(o).forEach(r), n[o] = { low: i, lim: t++ };
  }
  return e.children(V).forEach(r), n;
}
function un(e) {
  let n = M(e, "root", {}, "_root"), t = It(e), r = Object.values(t), o = S(Math.max, r) - 1, i = 2 * o + 1;
  e.graph().nestingRoot = n, e.edges().forEach((a) => e.edge(a).minlen *= i);
  let s2 = St(e) + 1;
  e.children(V).forEach((a) => {
    cn(e, n, i, s2, o, t, a);
  }), e.graph().nodeRankFactor = i;
}
function cn(e, n, t, r, o, i, s2) {
  var c;
  let a = e.children(s2);
  if (!a.length) {
    s2 !== n && e.setEdge(n, s2, { weight: 0, minlen: t });
    return;
  }
  let l = ae(e, "_bt"), u = ae(e, "_bb"), d = e.node(s2);
  e.setParent(l, s2), d.borderTop = l, e.setParent(u, s2), d.borderBottom = u, a.forEach((f) => {
    var b;
    cn(e, n, t, r, o, i, f);
    let h2 = e.node(f), g = h2.borderTop ? h2.borderTop : f, m = h2.borderBottom ? h2.borderBottom : f, L = h2.borderTop ? r : 2 * r, y = g !== m ? 1 : o - ((b = i[s2]) != null ? b : 0) + 1;
    e.setEdge(l, g, { weight: L, minlen: y, nestingEdge: true }), e.setEdge(m, u, { weight: L, minlen: y, nestingEdge: true });
  }), e.parent(s2) || e.setEdge(n, l, { weight: 0, minlen: o + ((c = i[s2]) != null ? c : 0) });
}
function It(e) {
  let n = {};
  function t(r, o) {
    let i = e.children(r);
    i && i.length && i.forEach((s2) => t(s2, o + 1)), n[r] = o;
  }
  return e.children(V).forEach((r) => t(r, 1)), n;
}
function St(e) {
  return e.edges().reduce((n, t) => n + e.edge(t).weight, 0);
}
function fn(e) {
  let n = e.graph();
  e.removeNode(n.nestingRoot), delete n.nestingRoot, e.edges().forEach((t) => {
    e.edge(t).nestingEdge && e.removeEdge(t);
  });
}
var bn = Pt;
function Pt(e) {
  function n(t) {
    let r = e.children(t), o = e.node(t);
    if (r.length && r.forEach(n), o && Object.hasOwn(o, "minRank")) {
      o.borderLeft = [], o.borderRight = [];
      for (let i = o.minRank, s2 = o.maxRank + 1; i < s2; ++i) hn(e, "borderLeft", "_bl", t, o, i), hn(e, "borderRight", "_br", t, o, i);
    }
  }
  e.children(V).forEach(n);
}
function hn(e, n, t, r, o, i) {
  let s2 = { width: 0, height: 0, rank: i, borderType: n }, a = o[n][i - 1], l = M(e, "border", s2, t);
  o[n][i] = l, e.setParent(l, r), a && e.setEdge(a, l, { weight: 1 });
}
function pn(e) {
  var t;
  let n = (t = e.graph().rankdir) == null ? void 0 : t.toLowerCase();
  (n === "lr" || n === "rl") && En(e);
}
function mn(e) {
  var t;
  let n = (t = e.graph().rankdir) == null ? void 0 : t.toLowerCase();
  (n === "bt" || n === "rl") && Ft(e), (n === "lr" || n === "rl") && (Dt(e), En(e));
}
function En(e) {
  e.nodes().forEach((n) => gn(e.node(n))), e.edges().forEach((n) => gn(e.edge(n)));
}
function gn(e) {
  let n = e.width;
  e.width = e.height, e.height = n;
}
function Ft(e) {
  e.nodes().forEach((n) => me(e.node(n))), e.edges().forEach((n) => {
    var r;
    let t = e.edge(n);
    (r = t.points) == null || r.forEach(me), Object.hasOwn(t, "y") && me(t);
  });
}
function me(e) {
  e.y = -e.y;
}
function Dt(e) {
  e.nodes().forEach((n) => Ee(e.node(n))), e.edges().forEach((n) => {
    var r;
    let t = e.edge(n);
    (r = t.points) == null || r.forEach(Ee), Object.hasOwn(t, "x") && Ee(t);
  });
}
function Ee(e) {
  let n = e.x;
  e.x = e.y, e.y = n;
}
function Le(e, n = null) {
  let t = {}, r = e.nodes().filter((d) => !e.children(d).length), o = r.map((d) => e.node(d).rank), i = S(Math.max, o), s2 = D(i + 1).map(() => []);
  function a(d) {
    if (t[d]) return;
    t[d] = true;
    let c = e.node(d);
    s2[c.rank].push(d);
    let f = e.successors(d);
    f && [...f].sort((g, m) => u(g, m)).forEach(a);
  }
  r.sort((d, c) => e.node(d).rank - e.node(c).rank).forEach(a);
  function u(d, c) {
    let f = e.node(d), h2 = e.node(c);
    return ee(n, f, h2);
  }
  return s2;
}
function ye(e, n) {
  let t = 0;
  for (let r = 1; r < n.length; ++r) t += Vt(e, n[r - 1], n[r]);
  return t;
}
function Vt(e, n, t) {
  let r = He(t, t.map((u, d) => d)), o = n.flatMap((u) => {
    let d = e.outEdges(u);
    return d ? d.map((c) => ({ pos: r[c.w], weight: e.edge(c).weight })).sort((c, f) => c.pos - f.pos) : [];
  }), i = 1;
  for (; i < t.length; ) i <<= 1;
  let s2 = 2 * i - 1;
  i -= 1;
  let a = new Array(s2).fill(0), l = 0;
  return o.forEach((u) => {
    let d = u.pos + i;
    a[d] += u.weight;
    let c = 0;
    for (; d > 0; ) d % 2 && (c += a[d + 1]), d = d - 1 >> 1, a[d] += u.weight;
    l += u.weight * c;
  }), l;
}
function we(e, n = []) {
  return n.map((t) => {
    let r = e.inEdges(t);
    if (!r || !r.length) return { v: t };
    {
      let o = r.reduce((i, s2) => {
        let a = e.edge(s2), l = e.node(s2.v);
        return { sum: i.sum + a.weight * l.order, weight: i.weight + a.weight };
      }, { sum: 0, weight: 0 });
      return { v: t, barycenter: o.sum / o.weight, weight: o.weight };
    }
  });
}
function Ne(e, n) {
  let t = {};
  e.forEach((o, i) => {
    let s2 = { indegree: 0, in: [], out: [], vs: [o.v], i };
    o.barycenter !== void 0 && (s2.barycenter = o.barycenter, s2.weight = o.weight), t[o.v] = s2;
  }), n.edges().forEach((o) => {
    let i = t[o.v], s2 = t[o.w];
    i !== void 0 && s2 !== void 0 && (s2.indegree++, i.out.push(s2));
  });
  let r = Object.values(t).filter((o) => !o.indegree);
  return Yt(r);
}
function Yt(e) {
  let n = [];
  function t(o) {
    return (i) => {
      i.merged || (i.barycenter === void 0 || o.barycenter === void 0 || i.barycenter >= o.barycenter) && Bt(o, i);
    };
  }
  function r(o) {
    return (i) => {
      i.in.push(o), --i.indegree === 0 && e.push(i);
    };
  }
  for (; e.length; ) {
    let o = e.pop();
    n.push(o), o.in.reverse().forEach(t(o)), o.out.forEach(r(o));
  }
  return n.filter((o) => !o.merged).map((o) => W(o, ["vs", "i", "barycenter", "weight"]));
}
function Bt(e, n) {
  let t = 0, r = 0;
  e.weight && (t += e.barycenter * e.weight, r += e.weight), n.weight && (t += n.barycenter * n.weight, r += n.weight), e.vs = n.vs.concat(e.vs), e.barycenter = t / r, e.weight = r, e.i = Math.min(n.i, e.i), n.merged = true;
}
function Ge(e, n, t, r, o) {
  let i = {}, s2 = null, a = null, l = o;
  typeof n == "boolean" ? (l = n, i = {}) : n && (i = n, s2 = t != null ? t : null, a = r != null ? r : null);
  let u = ze(e, (y) => Object.hasOwn(y, "barycenter")), d = u.lhs, c = u.rhs.sort((y, b) => b.i - y.i), f = [], h2 = 0, g = 0, m = 0;
  d.sort(Wt(a, s2, !!l));
  for (let [y, b] of Object.entries(i)) {
    let p = d.findIndex((E) => E.vs[0] === y);
    d.splice(p + 1, 0, b);
  }
  m = Ln(f, c, m), d.forEach((y) => {
    m += y.vs.length, f.push(y.vs), h2 += y.barycenter * y.weight, g += y.weight, m = Ln(f, c, m);
  });
  let L = { vs: f.flat(1) };
  return g && (L.barycenter = h2 / g, L.weight = g), L;
}
function Ln(e, n, t) {
  let r;
  for (; n.length && (r = n[n.length - 1]).i <= t; ) n.pop(), e.push(r.vs), t++;
  return t;
}
function Wt(e, n, t) {
  return (r, o) => {
    if (r.barycenter < o.barycenter) return -1;
    if (r.barycenter > o.barycenter) return 1;
    if (e && (typeof r.vs[0] == "string" || typeof o.vs[0] == "string")) {
      let i = e.node(r.vs[0]), s2 = e.node(o.vs[0]), a = ee(n, i, s2);
      if (a !== 0) return a;
    }
    return t ? o.i - r.i : r.i - o.i;
  };
}
function te(e, n, t, r, o) {
  var y, b, p, E, w, k, _, O, j, R, I;
  let i = null, s2 = o;
  typeof r == "boolean" ? (s2 = r, i = null) : r !== void 0 && (i = r);
  let a = e.children(n), l = e.node(n), u = l ? l.borderLeft : void 0, d = l ? l.borderRight : void 0, c = {};
  u && (a = a.filter((v) => v !== u && v !== d));
  let f = we(e, a);
  f.forEach((v) => {
    if (e.children(v.v).length) {
      let { result: x } = te(e, v.v, t, i, s2);
      c[v.v] = x, Object.hasOwn(x, "barycenter") && zt(v, x);
    }
  });
  let h2 = Ne(f, t);
  Xt(h2, c);
  let g = {}, m = false;
  for (let v = 0; v < h2.length; v++) for (let x = v + 1; x < h2.length; x++) if (!(!h2[v] || !h2[x] || !((y = h2[v]) != null && y.barycenter) || !((b = h2[x]) != null && b.barycenter)) && ((p = h2[v]) == null ? void 0 : p.barycenter) === h2[x].barycenter) {
    let G = (w = (E = h2[v]) == null ? void 0 : E.vs[0]) != null ? w : "", N = (_ = (k = h2[x]) == null ? void 0 : k.vs[0]) != null ? _ : "", C = e.node(G), B = e.node(N);
    if (C.dummy === "edge" && B.dummy === "edge" && ((O = C.edgeObj) == null ? void 0 : O.v) === ((j = B.edgeObj) == null ? void 0 : j.v) && ((R = C.edgeObj) == null ? void 0 : R.w) === ((I = B.edgeObj) == null ? void 0 : I.w)) if (C.edgeLabel.reversed) {
      g[N] = h2[v], h2.splice(v, 1), v--;
      break;
    } else g[G] || (g[G] = h2[x], h2.splice(x, 1), x--);
    else m = true;
  }
  let L = Ge(h2, g, i, e, s2);
  if (u && d) {
    L.vs = [u, L.vs, d].flat(1);
    let v = e.predecessors(u);
    if (v && v.length) {
      let x = e.node(v[0]), G = e.predecessors(d), N = e.node(G[0]);
      Object.hasOwn(L, "barycenter") || (L.barycenter = 0, L.weight = 0), L.barycenter = (L.barycenter * L.weight + x.order + N.order) / (L.weight + 2), L.weight += 2;
    }
  }
  return Object.defineProperty(L, "result", { value: L, enumerable: false, configurable: true, writable: true }), Object.defineProperty(L, "usedBias", { value: m, enumerable: false, configurable: true, writable: true }), L;
}
function Xt(e, n) {
  e.forEach((t) => {
    t.vs = t.vs.flatMap((r) => n[r] ? n[r].vs : r);
  });
}
function zt(e, n) {
  e.barycenter !== void 0 ? (e.barycenter = (e.barycenter * e.weight + n.barycenter * n.weight) / (e.weight + n.weight), e.weight += n.weight) : (e.barycenter = n.barycenter, e.weight = n.weight);
}
function ve(e, n, t, r) {
  r || (r = e.nodes());
  let o = Ht(e), i = new T({ compound: true }).setGraph({ root: o }).setDefaultNodeLabel((s2) => e.node(s2));
  return r.forEach((s2) => {
    let a = e.node(s2), l = e.parent(s2);
    if (a.rank === n || a.minRank <= n && n <= a.maxRank) {
      i.setNode(s2), i.setParent(s2, l || o);
      let u = e[t](s2);
      u && u.forEach((d) => {
        let c = d.v === s2 ? d.w : d.v, f = i.edge(c, s2), h2 = f !== void 0 ? f.weight : 0;
        i.setEdge(c, s2, { weight: e.edge(d).weight + h2 });
      }), Object.hasOwn(a, "minRank") && i.setNode(s2, { borderLeft: a.borderLeft[n], borderRight: a.borderRight[n] });
    }
  }), i;
}
function Ht(e) {
  let n;
  for (; e.hasNode(n = $("_root")); ) ;
  return n;
}
function ke(e, n, t) {
  let r = {}, o;
  t.forEach((i) => {
    let s2 = e.parent(i), a, l;
    for (; s2; ) {
      if (a = e.parent(s2), a ? (l = r[a], r[a] = s2) : (l = o, o = s2), l && l !== s2) {
        n.setEdge(l, s2);
        return;
      }
      s2 = a;
    }
  });
}
function re(e, n = {}, t = null) {
  if (typeof n.customOrder == "function") {
    n.customOrder(e, re);
    return;
  }
  let r = de(e), o = yn(e, D(1, r + 1), "inEdges"), i = yn(e, D(r - 1, -1, -1), "outEdges"), s2 = Le(e, t);
  if (wn(e, s2), n.disableOptimalOrderHeuristic) return;
  let a = Number.POSITIVE_INFINITY, l, u = n.constraints || [];
  for (let d = 0, c = 0; c < 4; ++d, ++c) {
    qt(d % 2 ? o : i, d % 4 >= 2, u, t), s2 = P(e);
    let f = ye(e, s2);
    f < a ? (c = 0, l = Object.assign({}, s2), a = f) : f === a && (l = structuredClone(s2));
  }
  wn(e, l);
}
function yn(e, n, t) {
  let r = /* @__PURE__ */ new Map(), o = (i, s2) => {
    r.has(i) || r.set(i, []), r.get(i).push(s2);
  };
  for (let i of e.nodes()) {
    let s2 = e.node(i);
    if (typeof s2.rank == "number" && o(s2.rank, i), typeof s2.minRank == "number" && typeof s2.maxRank == "number") for (let a = s2.minRank; a <= s2.maxRank; a++) a !== s2.rank && o(a, i);
  }
  return n.map(function(i) {
    return ve(e, i, t, r.get(i) || []);
  });
}
function qt(e, n, t, r) {
  let o = true, i = new T();
  e.forEach(function(s2) {
    t.forEach((d) => i.setEdge(d.left, d.right));
    let a = s2.graph().root, { result: l, usedBias: u } = te(s2, a, i, r, o);
    n && u && (o = !o), l.vs.forEach((d, c) => s2.node(d).order = c), ke(s2, i, l.vs);
  });
}
function wn(e, n) {
  Object.values(n).forEach((t) => t.forEach((r, o) => e.node(r).order = o));
}
function $t(e, n) {
  let t = {};
  function r(o, i) {
    let s2 = 0, a = 0, l = o.length, u = i[i.length - 1];
    return i.forEach((d, c) => {
      let f = Jt(e, d), h2 = f ? e.node(f).order : l;
      (f || d === u) && (i.slice(a, c + 1).forEach((g) => {
        let m = e.predecessors(g);
        m && m.forEach((L) => {
          let y = e.node(L), b = y.order;
          (b < s2 || h2 < b) && !(y.dummy && e.node(g).dummy) && Gn(t, L, g);
        });
      }), a = c + 1, s2 = h2);
    }), i;
  }
  return n.length && n.reduce(r), t;
}
function Ut(e, n) {
  let t = {};
  function r(a) {
    var l;
    return ((l = e.node(a)) == null ? void 0 : l.dummy) === "border";
  }
  if (!e.nodes().some(r)) return t;
  function i(a, l, u, d, c) {
    D(l, u).forEach((f) => {
      let h2 = a[f];
      if (h2 !== void 0 && e.node(h2).dummy) {
        let g = e.predecessors(h2);
        g && g.forEach((m) => {
          if (m === void 0) return;
          let L = e.node(m);
          L.dummy && (L.order < d || L.order > c) && Gn(t, m, h2);
        });
      }
    });
  }
  function s2(a, l) {
    let u = -1, d = -1, c = 0;
    return l.forEach((f, h2) => {
      if (r(f)) {
        let g = e.predecessors(f);
        if (g && g.length) {
          let m = g[0];
          if (m === void 0) return;
          d = e.node(m).order, i(l, c, h2, u, d), c = h2, u = d;
        }
      }
      i(l, c, l.length, d, a.length);
    }), l;
  }
  return n.length && n.reduce(s2), t;
}
function Jt(e, n) {
  if (e.node(n).dummy) {
    let t = e.predecessors(n);
    if (t) return t.find((r) => e.node(r).dummy);
  }
}
function Gn(e, n, t) {
  if (n > t) {
    let o = n;
    n = t, t = o;
  }
  let r = e[n];
  r || (e[n] = r = {}), r[t] = true;
}
function Kt(e, n, t) {
  if (n > t) {
    let o = n;
    n = t, t = o;
  }
  let r = e[n];
  return r !== void 0 && Object.hasOwn(r, t);
}
function Qt(e, n, t, r, o) {
  let i = {}, s2 = {}, a = {};
  return n.forEach((l) => {
    l.forEach((u, d) => {
      i[u] = u, s2[u] = u, a[u] = d;
    });
  }), n.forEach((l) => {
    let u = -1, d = -1, c = false, f = l, h2 = l.findIndex((g) => (o == null ? void 0 : o.includes(g)) || Nn(g, e, o));
    h2 > 0 && (f = [l[h2], ...l.slice(0, h2), ...l.slice(h2 + 1)], c = true), f.forEach((g) => {
      var L;
      let m = r(g);
      if (m && m.length) {
        o != null && o.includes(g) && (m = m.filter((p) => Nn(p, e, o)));
        let y = m.sort((p, E) => {
          let w = a[p], k = a[E];
          return (w !== void 0 ? w : 0) - (k !== void 0 ? k : 0);
        }), b = (y.length - 1) / 2;
        for (let p = Math.floor(b), E = Math.ceil(b); p <= E; ++p) {
          let w = y[p];
          if (w === void 0) continue;
          let k = a[w];
          if (k !== void 0 && s2[g] === g && u < k && a[w] !== d && !Kt(t, g, w)) {
            let _ = i[w];
            _ !== void 0 && (s2[w] = g, s2[g] = i[g] = _, u = k, c && (u = -1, d = (L = a[w]) != null ? L : -1, c = false));
          }
        }
      }
    });
  }), { root: i, align: s2 };
}
function Zt(e, n, t, r, o = false) {
  let i = {}, s2 = er(e, n, t, o), a = o ? "borderLeft" : "borderRight";
  function l(h2, g) {
    let m = s2.nodes().slice(), L = {}, y = m.pop();
    for (; y; ) {
      if (L[y]) h2(y);
      else {
        L[y] = true, m.push(y);
        for (let b of g(y)) m.push(b);
      }
      y = m.pop();
    }
  }
  function u(h2) {
    let g = s2.inEdges(h2);
    g ? i[h2] = g.reduce((m, L) => {
      var p;
      let y = (p = i[L.v]) != null ? p : 0, b = s2.edge(L);
      return Math.max(m, y + (b !== void 0 ? b : 0));
    }, 0) : i[h2] = 0;
  }
  function d(h2) {
    let g = s2.outEdges(h2), m = Number.POSITIVE_INFINITY;
    g && (m = g.reduce((y, b) => {
      let p = i[b.w], E = s2.edge(b);
      return Math.min(y, (p !== void 0 ? p : 0) - (E !== void 0 ? E : 0));
    }, Number.POSITIVE_INFINITY));
    let L = e.node(h2);
    m !== Number.POSITIVE_INFINITY && L.borderType !== a && (i[h2] = Math.max(i[h2] !== void 0 ? i[h2] : 0, m));
  }
  function c(h2) {
    return s2.predecessors(h2) || [];
  }
  function f(h2) {
    return s2.successors(h2) || [];
  }
  return l(u, c), l(d, f), Object.keys(r).forEach((h2) => {
    var m;
    let g = t[h2];
    g !== void 0 && (i[h2] = (m = i[g]) != null ? m : 0);
  }), i;
}
function er(e, n, t, r) {
  let o = new T(), i = e.graph(), s2 = or(i.nodesep, i.edgesep, r);
  return n.forEach((a) => {
    let l;
    a.forEach((u) => {
      let d = t[u];
      if (d !== void 0) {
        if (o.setNode(d), l !== void 0) {
          let c = t[l];
          if (c !== void 0) {
            let f = o.edge(c, d);
            o.setEdge(c, d, Math.max(s2(e, u, l), f || 0));
          }
        }
        l = u;
      }
    });
  }), o;
}
function nr(e, n) {
  return Object.values(n).reduce((t, r) => {
    let o = Number.NEGATIVE_INFINITY, i = Number.POSITIVE_INFINITY;
    Object.entries(r).forEach(([a, l]) => {
      let u = ir(e, a) / 2;
      o = Math.max(l + u, o), i = Math.min(l - u, i);
    });
    let s2 = o - i;
    return s2 < t[0] && (t = [s2, r]), t;
  }, [Number.POSITIVE_INFINITY, null])[1];
}
function tr(e, n) {
  let t = Object.values(n), r = S(Math.min, t), o = S(Math.max, t);
  ["u", "d"].forEach((i) => {
    ["l", "r"].forEach((s2) => {
      let a = i + s2, l = e[a];
      if (!l || l === n) return;
      let u = Object.values(l), d = r - S(Math.min, u);
      s2 !== "l" && (d = o - S(Math.max, u)), d && (e[a] = X(l, (c) => c + d));
    });
  });
}
function rr(e, n = void 0) {
  let t = e.ul;
  return t ? X(t, (r, o) => {
    var s2, a;
    if (n) {
      let l = n.toLowerCase(), u = e[l];
      if (u && u[o] !== void 0) return u[o];
    }
    let i = Object.values(e).map((l) => {
      let u = l[o];
      return u !== void 0 ? u : 0;
    }).sort((l, u) => l - u);
    return (((s2 = i[1]) != null ? s2 : 0) + ((a = i[2]) != null ? a : 0)) / 2;
  }) : {};
}
function vn(e, n) {
  let t = P(e), r = Object.assign($t(e, t), Ut(e, t)), o = {}, i;
  ["u", "d"].forEach((a) => {
    i = a === "u" ? t : Object.values(t).reverse(), ["l", "r"].forEach((l) => {
      l === "r" && (i = i.map((f) => Object.values(f).reverse()));
      let d = Qt(e, i, r, (f) => (a === "u" ? e.predecessors(f) : e.successors(f)) || [], n), c = Zt(e, i, d.root, d.align, l === "r");
      l === "r" && (c = X(c, (f) => -f)), o[a + l] = c;
    });
  });
  let s2 = nr(e, o);
  return tr(o, s2), rr(o, e.graph().align);
}
function or(e, n, t) {
  return (r, o, i) => {
    let s2 = r.node(o), a = r.node(i), l = 0, u;
    if (l += s2.width / 2, Object.hasOwn(s2, "labelpos")) switch (s2.labelpos.toLowerCase()) {
      case "l":
        u = -s2.width / 2;
        break;
      case "r":
        u = s2.width / 2;
        break;
    }
    if (u && (l += t ? u : -u), u = void 0, l += (s2.dummy ? n : e) / 2, l += (a.dummy ? n : e) / 2, l += a.width / 2, Object.hasOwn(a, "labelpos")) switch (a.labelpos.toLowerCase()) {
      case "l":
        u = a.width / 2;
        break;
      case "r":
        u = -a.width / 2;
        break;
    }
    return u && (l += t ? u : -u), l;
  };
}
function ir(e, n) {
  return e.node(n).width;
}
function Nn(e, n, t) {
  var s2;
  if (!t) return false;
  let r = (s2 = n.node(e)) == null ? void 0 : s2.edgeObj;
  if (!r || n.node(e).edgeLabel.reversed) return false;
  let o = t.indexOf(r == null ? void 0 : r.v), i = t.indexOf(r == null ? void 0 : r.w);
  return o !== -1 && i !== -1 && o === (i + 1) % t.length || o === (i - 1) % t.length;
}
function kn(e, n) {
  e = Z(e), sr(e), Object.entries(vn(e, n)).forEach(([t, r]) => e.node(t).x = r);
}
function sr(e) {
  let n = P(e), t = e.graph(), r = t.ranksep, o = t.rankalign, i = 0;
  n.forEach((s2) => {
    let a = s2.reduce((l, u) => {
      var c;
      let d = (c = e.node(u).height) != null ? c : 0;
      return l > d ? l : d;
    }, 0);
    s2.forEach((l) => {
      let u = e.node(l);
      o === "top" ? u.y = i + u.height / 2 : o === "bottom" ? u.y = i + a - u.height / 2 : u.y = i + a / 2;
    }), i += a + r;
  });
}
var xn = /* @__PURE__ */ new WeakMap();
function Oe(e, n = {}) {
  return In(e, q, n), e;
}
function _n(e, n, t) {
  let r = n;
  for (; r !== void 0; ) {
    let o = e.parent(r);
    if (o === t) return r;
    r = o;
  }
}
function In(e, n, t) {
  var y;
  let r = e.nodes().filter((b) => e.children(b).length), o = {};
  r.forEach((b) => {
    let p = e.node(b);
    if (p && p.rankdir) {
      let E = new T({ multigraph: true, compound: true });
      E.setGraph({ rankdir: p.rankdir });
      let w = e.children(b);
      w.forEach((G) => {
        let N = { ...e.node(G) };
        E.setNode(G, N);
        let C = e.parent(G);
        C && C !== b && w.includes(C) && E.setParent(G, C);
      });
      let k = /* @__PURE__ */ new Set();
      e.edges().forEach((G) => {
        let N = _n(e, G.v, b), C = _n(e, G.w, b);
        if (N === G.v && C === G.w) E.setEdge(G, { ...e.edge(G) });
        else if (N && C && N !== C) {
          let B = `${N}\0${C}`;
          k.has(B) || (k.add(B), E.setEdge(N, C, { ...e.edge(G) }));
        }
      }), In(E, n, t);
      let _ = Rn(E);
      Cn(_, n, t, null), Tn(E, _);
      let O = 1 / 0, j = 1 / 0, R = -1 / 0, I = -1 / 0;
      E.nodes().forEach((G) => {
        if (G === b) return;
        let N = E.node(G);
        N && typeof N.x == "number" && typeof N.y == "number" && typeof N.width == "number" && typeof N.height == "number" && (O = Math.min(O, N.x - N.width / 2), R = Math.max(R, N.x + N.width / 2), j = Math.min(j, N.y - N.height / 2), I = Math.max(I, N.y + N.height / 2));
      }), (!isFinite(O) || !isFinite(j) || !isFinite(R) || !isFinite(I)) && (O = j = 0, R = I = 0);
      let v = R - O, x = I - j;
      o[b] = { minX: O, minY: j, maxX: R, maxY: I, width: v, height: x, offsetX: O, offsetY: j }, p._dagreClusterSubgraph = E;
    }
  });
  let i = [], s2 = (b) => {
    let p = [], E = (e.children(b) || []).filter((w) => w !== b);
    for (; E.length > 0; ) {
      let w = E.shift();
      p.push(w), (e.children(w) || []).filter((k) => k !== w).forEach((k) => E.push(k));
    }
    return p;
  }, a = /* @__PURE__ */ new Map();
  r.forEach((b) => {
    let p = e.node(b);
    p && p.rankdir && o[b] && a.set(b, (e.children(b) || []).filter((E) => E !== b));
  });
  let l = new Set([...a.values()].flat()), u = /* @__PURE__ */ new Map();
  a.forEach((b, p) => {
    l.has(p) || u.set(p, s2(p));
  });
  let d = new Set([...u.values()].flat()), c = (b) => {
    for (let [p, E] of u) if (E.includes(b)) return p;
    return b;
  }, f = [];
  e.edges().forEach((b) => {
    (d.has(b.v) || d.has(b.w)) && f.push({ edge: b, label: e.edge(b) });
  });
  let h2 = /* @__PURE__ */ new Map();
  d.forEach((b) => {
    let p = e.parent(b);
    h2.set(b, typeof p == "string" ? p : void 0);
  }), u.forEach((b, p) => {
    let E = e.node(p), w = [];
    b.forEach((O) => {
      let j = e.node(O);
      j && (w.push({ id: O, node: j, parent: h2.get(O) }), e.removeNode(O));
    });
    let k = f.filter(({ edge: O }) => b.includes(O.v) || b.includes(O.w)), _ = o[p];
    E && (i.push({ clusterId: p, subgraph: E._dagreClusterSubgraph, bounds: _, children: b, removedNodes: w, removedEdges: k }), E.width = _.width, E.height = _.height);
  });
  let g = /* @__PURE__ */ new Set();
  f.forEach(({ edge: b, label: p }) => {
    let E = c(b.v), w = c(b.w);
    if (E !== w && e.hasNode(E) && e.hasNode(w)) {
      let k = `${E}\0${w}`;
      g.has(k) || (g.add(k), e.setEdge(E, w, { ...p, width: 0, height: 0 }));
    }
  });
  let m = Rn(e), L = Cn(m, n, t, (y = xn.get(e)) != null ? y : null);
  xn.set(e, L), Tn(e, m), g.forEach((b) => {
    let p = b.indexOf("\0"), E = b.slice(0, p), w = b.slice(p + 1);
    e.hasEdge(E, w) && e.removeEdge(E, w);
  }), i.forEach(({ clusterId: b, subgraph: p, bounds: E, removedNodes: w, removedEdges: k }) => {
    var v, x;
    let _ = e.node(b), O = (v = _ == null ? void 0 : _.x) != null ? v : 0, j = (x = _ == null ? void 0 : _.y) != null ? x : 0, R = (E.minX + E.maxX) / 2, I = (E.minY + E.maxY) / 2;
    w.forEach(({ id: G, node: N, parent: C }) => {
      e.setNode(G, N), C !== void 0 && e.setParent(G, C);
    }), k.forEach(({ edge: G, label: N }) => {
      e.setEdge(G, N);
    }), p.nodes().forEach((G) => {
      if (G === b) return;
      let N = p.node(G), C = e.node(G);
      C && N && typeof N.x == "number" && typeof N.y == "number" && (C.x = O + (N.x - R), C.y = j + (N.y - I));
    }), On(e, p, O - R, j - I), delete _._dagreClusterSubgraph;
  }), r.forEach((b) => {
    var w, k;
    let p = e.node(b), E = o[b];
    if (p && p.rankdir && p._dagreClusterSubgraph && E) {
      let _ = p._dagreClusterSubgraph, O = (w = p.x) != null ? w : 0, j = (k = p.y) != null ? k : 0, R = (E.minX + E.maxX) / 2, I = (E.minY + E.maxY) / 2;
      _.nodes().forEach((v) => {
        if (v === b) return;
        let x = _.node(v), G = e.node(v);
        if (G && x && typeof x.x == "number" && typeof x.y == "number") {
          let N = x.x - R, C = x.y - I;
          G.x = O + N, G.y = j + C;
        }
      }), On(e, _, O - R, j - I), delete p._dagreClusterSubgraph;
    }
  });
}
function On(e, n, t, r) {
  n.edges().forEach((o) => {
    if (!e.hasEdge(o)) return;
    let i = n.edge(o), s2 = e.edge(o);
    s2.points = i.points.map((a) => ({ x: a.x + t, y: a.y + r })), Object.hasOwn(i, "x") && (s2.x = i.x + t, s2.y = i.y + r);
  });
}
function Cn(e, n, t, r = null) {
  var l, u;
  let o = (t == null ? void 0 : t.useDynamic) !== false, i = o && (l = r == null ? void 0 : r.graph) != null ? l : null, s2 = o && (u = r == null ? void 0 : r.rawNodes) != null ? u : null;
  n("    makeSpaceForEdgeLabels", () => br(e)), n("    removeSelfEdges", () => Gr(e)), n("    acyclic", () => Ue(e, i)), n("    nestingGraph.run", () => un(e)), n("    rank", () => dn(Z(e))), n("    injectEdgeLabelProxies", () => gr(e)), n("    removeEmptyRanks", () => We(e)), n("    nestingGraph.cleanup", () => fn(e)), n("    normalizeRanks", () => Be(e)), n("    assignRankMinMax", () => pr(e)), n("    removeEdgeLabelProxies", () => mr(e)), n("    normalize.run", () => Ke(e)), n("    parentDummyChains", () => ln(e)), n("    addBorderSegments", () => bn(e)), n("    order", () => re(e, t, s2)), n("    insertSelfEdges", () => vr(e)), n("    adjustCoordinateSystem", () => pn(e)), n("    position", () => kn(e, t.corePath)), n("    positionSelfEdges", () => kr(e));
  let a = JSON.parse(JSON.stringify(e._nodes));
  return n("    removeBorderNodes", () => Nr(e)), n("    normalize.undo", () => Qe(e)), n("    fixupEdgeLabelCoords", () => yr(e)), n("    undoCoordinateSystem", () => mn(e)), n("    translateGraph", () => Er(e)), n("    assignNodeIntersects", () => Lr(e)), n("    reversePoints", () => wr(e)), n("    acyclic.undo", () => Je(e)), { graph: e, rawNodes: a };
}
function Tn(e, n) {
  e.nodes().forEach((t) => {
    let r = e.node(t), o = n.node(t);
    r && (r.x = o.x, r.y = o.y, r.order = o.order, r.rank = o.rank, n.children(t).length && (r.width = o.width, r.height = o.height));
  }), e.edges().forEach((t) => {
    let r = e.edge(t), o = n.edge(t);
    r.points = o.points, Object.hasOwn(o, "x") && (r.x = o.x, r.y = o.y);
  }), e.graph().width = n.graph().width, e.graph().height = n.graph().height;
}
var ar = ["nodesep", "edgesep", "ranksep", "marginx", "marginy"];
var dr = { ranksep: 50, edgesep: 20, nodesep: 50, rankdir: "TB", rankalign: "center" };
var lr = ["acyclicer", "ranker", "rankdir", "align", "rankalign"];
var ur = ["width", "height", "rank"];
var jn = { width: 0, height: 0 };
var cr = ["minlen", "weight", "width", "height", "labeloffset"];
var fr = { minlen: 1, weight: 1, width: 0, height: 0, labeloffset: 10, labelpos: "r" };
var hr = ["labelpos"];
function Rn(e) {
  let n = new T({ multigraph: true, compound: true }), t = _e(e.graph());
  return n.setGraph(Object.assign({}, dr, xe(t, ar), W(t, lr))), e.nodes().forEach((r) => {
    let o = _e(e.node(r)), i = xe(o, ur);
    Object.keys(jn).forEach((a) => {
      i[a] === void 0 && (i[a] = jn[a]);
    }), n.setNode(r, i);
    let s2 = e.parent(r);
    s2 !== void 0 && n.setParent(r, s2);
  }), e.edges().forEach((r) => {
    let o = _e(e.edge(r));
    n.setEdge(r, Object.assign({}, fr, xe(o, cr), W(o, hr)));
  }), n;
}
function br(e) {
  let n = e.graph();
  n.ranksep /= 2, e.edges().forEach((t) => {
    var o;
    let r = e.edge(t);
    r.minlen *= 2, ((o = r.labelpos) != null ? o : "r").toLowerCase() !== "c" && (n.rankdir === "TB" || n.rankdir === "BT" ? r.width += r.labeloffset : r.height += r.labeloffset);
  });
}
function gr(e) {
  e.edges().forEach((n) => {
    let t = e.edge(n);
    if (t.width && t.height) {
      let r = e.node(n.v), i = { rank: (e.node(n.w).rank - r.rank) / 2 + r.rank, e: n };
      M(e, "edge-proxy", i, "_ep");
    }
  });
}
function pr(e) {
  let n = 0;
  e.nodes().forEach((t) => {
    let r = e.node(t);
    r.borderTop && (r.minRank = e.node(r.borderTop).rank, r.maxRank = e.node(r.borderBottom).rank, n = Math.max(n, r.maxRank));
  }), e.graph().maxRank = n;
}
function mr(e) {
  e.nodes().forEach((n) => {
    let t = e.node(n);
    if (t.dummy === "edge-proxy") {
      let r = t;
      e.edge(r.e).labelRank = t.rank, e.removeNode(n);
    }
  });
}
function Er(e) {
  let n = Number.POSITIVE_INFINITY, t = 0, r = Number.POSITIVE_INFINITY, o = 0, i = e.graph(), s2 = i.marginx || 0, a = i.marginy || 0;
  function l(u) {
    let d = u.x, c = u.y, f = u.width, h2 = u.height;
    n = Math.min(n, d - f / 2), t = Math.max(t, d + f / 2), r = Math.min(r, c - h2 / 2), o = Math.max(o, c + h2 / 2);
  }
  e.nodes().forEach((u) => l(e.node(u))), e.edges().forEach((u) => {
    let d = e.edge(u);
    Object.hasOwn(d, "x") && l(d);
  }), n -= s2, r -= a, e.nodes().forEach((u) => {
    let d = e.node(u);
    d.x -= n, d.y -= r;
  }), e.edges().forEach((u) => {
    let d = e.edge(u);
    d.points.forEach((c) => {
      c.x -= n, c.y -= r;
    }), Object.hasOwn(d, "x") && (d.x -= n), Object.hasOwn(d, "y") && (d.y -= r);
  }), i.width = t - n + s2, i.height = o - r + a;
}
function Lr(e) {
  e.edges().forEach((n) => {
    if (n.v === n.w) return;
    let t = e.edge(n), r = e.node(n.v), o = e.node(n.w), i, s2;
    t.points ? (i = t.points[0], s2 = t.points[t.points.length - 1]) : (t.points = [], i = o, s2 = r), t.points.unshift(se(r, i)), t.points.push(se(o, s2));
  });
}
function yr(e) {
  e.edges().forEach((n) => {
    let t = e.edge(n);
    if (Object.hasOwn(t, "x")) switch ((t.labelpos === "l" || t.labelpos === "r") && (t.width -= t.labeloffset), t.labelpos) {
      case "l":
        t.x -= t.width / 2 + t.labeloffset;
        break;
      case "r":
        t.x += t.width / 2 + t.labeloffset;
        break;
    }
  });
}
function wr(e) {
  e.edges().forEach((n) => {
    let t = e.edge(n);
    t.reversed && t.points.reverse();
  });
}
function Nr(e) {
  e.nodes().forEach((n) => {
    if (e.children(n).length) {
      let t = e.node(n), r = e.node(t.borderTop), o = e.node(t.borderBottom), i = e.node(t.borderLeft[t.borderLeft.length - 1]), s2 = e.node(t.borderRight[t.borderRight.length - 1]);
      t.width = Math.abs(s2.x - i.x), t.height = Math.abs(o.y - r.y), t.x = i.x + t.width / 2, t.y = r.y + t.height / 2;
    }
  }), e.nodes().forEach((n) => {
    e.node(n).dummy === "border" && e.removeNode(n);
  });
}
function Gr(e) {
  e.edges().forEach((n) => {
    if (n.v === n.w) {
      let t = e.node(n.v);
      t.selfEdges || (t.selfEdges = []), t.selfEdges.push({ e: n, label: e.edge(n) }), e.removeEdge(n);
    }
  });
}
function vr(e) {
  P(e).forEach((t) => {
    let r = 0;
    t.forEach((o, i) => {
      let s2 = e.node(o);
      typeof s2.rank != "number" && (s2.rank = 0), s2.order = i + r, (s2.selfEdges || []).forEach((a) => {
        M(e, "selfedge", { width: a.label.width, height: a.label.height, rank: s2.rank, order: i + ++r, e: a.e, edgeLabel: a.label }, "_se"), (!Array.isArray(a.label.points) || a.label.points.length !== 7) && (a.label.points = [{ x: 0, y: -10 }, { x: 0, y: -10 }, { x: 0, y: 0 }, { x: 0, y: 10 }, { x: 0, y: 10 }, { x: 0, y: 0 }, { x: 0, y: 0 }]);
      }), delete s2.selfEdges;
    });
  });
}
function kr(e) {
  e.nodes().forEach((n) => {
    let t = e.node(n), r = (o) => typeof o == "number" && isFinite(o);
    if (t.dummy === "selfedge") {
      let o = t, i = e.node(o.e.v), s2 = r(i == null ? void 0 : i.x) ? i.x : 0, a = r(i == null ? void 0 : i.y) ? i.y : 0, l = r(i == null ? void 0 : i.width) ? i.width : 0, u = r(i == null ? void 0 : i.height) ? i.height : 0, d = r(t.x) ? t.x : s2, c = r(t.y) ? t.y : a, f = l / 2, h2 = u / 2;
      o.edgeLabel.points = [{ x: d + f, y: c - h2 }, { x: d + f, y: c - h2 }, { x: d, y: c }, { x: d - f, y: c + h2 }, { x: d - f, y: c + h2 }, { x: d, y: c }, { x: d, y: c }], o.edgeLabel.x = d, o.edgeLabel.y = c, e.setEdge(o.e, o.edgeLabel), e.removeNode(n);
    } else t && Array.isArray(t.selfEdges) && t.selfEdges.forEach((o) => {
      if (!Array.isArray(o.label.points) || o.label.points.length !== 7) {
        let i = r(t.x) ? t.x : 0, s2 = r(t.y) ? t.y : 0, a = r(t.width) ? t.width : 0, l = r(t.height) ? t.height : 0, u = a / 2, d = l / 2;
        o.label.points = [{ x: i + u, y: s2 - d }, { x: i + u, y: s2 - d }, { x: i, y: s2 }, { x: i - u, y: s2 + d }, { x: i - u, y: s2 + d }, { x: i, y: s2 }, { x: i, y: s2 }];
      }
    });
  });
}
function xe(e, n) {
  return X(W(e, n), Number);
}
function _e(e) {
  let n = {};
  return e && Object.entries(e).forEach(([t, r]) => {
    typeof t == "string" && (t = t.toLowerCase()), n[t] = r;
  }), n;
}
function Ce(e) {
  let n = P(e), t = new T({ compound: true, multigraph: true }).setGraph({});
  return e.nodes().forEach((r) => {
    t.setNode(r, { label: r }), t.setParent(r, "layer" + e.node(r).rank);
  }), e.edges().forEach((r) => t.setEdge(r.v, r.w, {}, r.name)), n.forEach((r, o) => {
    let i = "layer" + o;
    t.setNode(i, { rank: "same" }), r.reduce((s2, a) => (t.setEdge(s2, a, { style: "invis" }), a));
  }), t;
}
var xr = { graphlib: ie, version: ue, layout: Oe, debug: Ce, util: { time: le, notime: q } };
var Uo = xr;

// src/core/layout.ts
var BOX = { width: 236, height: 38, row: 20, gap: 28 };
var DAGRE_LIMIT = 500;
var DRAW_LIMIT = 500;
function ranks(n, edges) {
  const { first, other: target } = linked(n, edges, 0, 1);
  const indegree = new Int32Array(n);
  for (const edge of edges) indegree[edge[1]]++;
  const rank = new Int32Array(n);
  const done = new Uint8Array(n);
  const queue = new Int32Array(n);
  let head = 0;
  let tail = 0;
  let scan = 0;
  for (let i = 0; i < n; i++) if (indegree[i] === 0) queue[tail++] = i;
  for (let placed = 0; placed < n; placed++) {
    if (head === tail) {
      while (done[scan]) scan++;
      indegree[scan] = 0;
      queue[tail++] = scan;
    }
    const a = queue[head++];
    done[a] = 1;
    for (let k = first[a]; k < first[a + 1]; k++) {
      const b = target[k];
      if (done[b] || indegree[b] === 0) continue;
      rank[b] = Math.max(rank[b], rank[a] + 1);
      if (--indegree[b] === 0) queue[tail++] = b;
    }
  }
  return rank;
}
function layered(n, edges, horizontal) {
  const rank = ranks(n, edges);
  const deepest = n ? rank.reduce((a, b) => Math.max(a, b), 0) : -1;
  const rows = Array.from({ length: deepest + 1 }, () => []);
  for (let i = 0; i < n; i++) rows[rank[i]].push(i);
  const place = new Float64Array(n);
  const spread = (row) => {
    for (let i = 0; i < row.length; i++) place[row[i]] = i - (row.length - 1) / 2;
  };
  rows.forEach(spread);
  const sum = new Float64Array(n);
  const seen = new Int32Array(n);
  const flows = [linked(n, edges, 1, 0), linked(n, edges, 0, 1)];
  for (let sweep = 0; sweep < 4; sweep++) {
    const down = sweep % 2 === 0;
    const { first, other } = flows[sweep % 2];
    for (let r = 0; r < rows.length; r++) {
      const row = rows[down ? r : rows.length - 1 - r];
      if (row.length < 2) continue;
      for (const box of row) {
        sum[box] = 0;
        seen[box] = first[box + 1] - first[box];
        for (let k = first[box]; k < first[box + 1]; k++) sum[box] += place[other[k]];
      }
      row.sort((a, b) => (seen[a] ? sum[a] / seen[a] : place[a]) - (seen[b] ? sum[b] / seen[b] : place[b]));
      spread(row);
    }
  }
  const along = horizontal ? BOX.width + 56 : BOX.height + BOX.row;
  const across = horizontal ? BOX.height + 14 : BOX.width + BOX.gap;
  const widest = rows.reduce((most, row) => Math.max(most, row.length), 1);
  const x = new Float64Array(n);
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const a = rank[i] * along + (horizontal ? BOX.width : BOX.height) / 2 + 12;
    const b = (place[i] + widest / 2) * across + 12;
    x[i] = horizontal ? a : b;
    y[i] = horizontal ? b : a;
  }
  const length = (deepest + 1) * along + 12;
  const breadth = widest * across + 24;
  return { x, y, rank, rows, ends: ends(x, y, edges, horizontal), routes: null, width: horizontal ? length : breadth, height: horizontal ? breadth : length };
}
function linked(n, edges, own, far) {
  const first = new Int32Array(n + 1);
  for (const edge of edges) first[edge[own] + 1]++;
  for (let i = 0; i < n; i++) first[i + 1] += first[i];
  const next = first.slice(0, n);
  const other = new Int32Array(edges.length);
  for (const edge of edges) other[next[edge[own]]++] = edge[far];
  return { first, other };
}
function ends(x, y, edges, horizontal) {
  const dx = horizontal ? BOX.width / 2 : 0;
  const dy = horizontal ? 0 : BOX.height / 2;
  const found = new Float64Array(4 * edges.length);
  for (let i = 0; i < edges.length; i++) {
    const [a, b] = edges[i];
    found[4 * i] = x[a] + dx;
    found[4 * i + 1] = y[a] + dy;
    found[4 * i + 2] = x[b] - dx;
    found[4 * i + 3] = y[b] - dy;
  }
  return found;
}
function layoutDagre(n, edges, horizontal, parents = [], above = /* @__PURE__ */ new Map()) {
  const g = new Uo.graphlib.Graph({ compound: above.size > 0 });
  g.setGraph({
    rankdir: horizontal ? "LR" : "TB",
    ranksep: horizontal ? 48 : above.size ? 13 : BOX.row,
    nodesep: horizontal ? 14 : BOX.gap,
    marginx: 12,
    marginy: 12,
    ranker: n > 150 ? "longest-path" : "network-simplex"
  });
  g.setDefaultEdgeLabel(() => ({}));
  for (const path of above.keys()) g.setNode(`g${path}`, {});
  for (const [path, parent] of above) if (parent !== null && above.has(parent)) g.setParent(`g${path}`, `g${parent}`);
  for (let i = 0; i < n; i++) {
    g.setNode(`b${i}`, { width: BOX.width, height: BOX.height });
    const parent = parents[i];
    if (parent !== null && parent !== void 0 && above.has(parent)) g.setParent(`b${i}`, `g${parent}`);
  }
  for (const [a, b] of edges) g.setEdge(`b${a}`, `b${b}`);
  Uo.layout(g);
  const x = new Float64Array(n);
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const box = g.node(`b${i}`);
    x[i] = box.x;
    y[i] = box.y;
  }
  const direct = ends(x, y, edges, horizontal);
  const routes = edges.map(([a, b], i) => {
    const points = g.edge(`b${a}`, `b${b}`).points ?? [];
    return points.length ? Float64Array.from(points.flatMap((p) => [p.x, p.y])) : direct.subarray(4 * i, 4 * i + 4);
  });
  const along = horizontal ? x : y;
  const across = horizontal ? y : x;
  const levels = [...new Set([...along].map((v) => Math.round(v)))].sort((a, b) => a - b);
  const level = new Map(levels.map((v, i) => [v, i]));
  const rank = Int32Array.from(along, (v) => level.get(Math.round(v)));
  const rows = levels.map(() => []);
  for (let i = 0; i < n; i++) rows[rank[i]].push(i);
  for (const row of rows) row.sort((a, b) => across[a] - across[b]);
  const size = g.graph();
  return { x, y, rank, rows, ends: direct, routes, width: size.width ?? 0, height: size.height ?? 0 };
}
function neighbour(placed, edges, from, key2, horizontal) {
  const forward = horizontal ? "ArrowRight" : "ArrowDown";
  const back = horizontal ? "ArrowLeft" : "ArrowUp";
  const across = horizontal ? placed.y : placed.x;
  if (key2 === forward || key2 === back) {
    const linked2 = edges.filter(([a, b]) => (key2 === forward ? a : b) === from).map(([a, b]) => key2 === forward ? b : a);
    linked2.sort(
      (a, b) => Math.abs(placed.rank[a] - placed.rank[from]) - Math.abs(placed.rank[b] - placed.rank[from]) || Math.abs(across[a] - across[from]) - Math.abs(across[b] - across[from])
    );
    return linked2[0] ?? null;
  }
  const row = placed.rows[placed.rank[from]] ?? [];
  const step = key2 === (horizontal ? "ArrowDown" : "ArrowRight") ? 1 : -1;
  return row[row.indexOf(from) + step] ?? null;
}

// src/core/scales.ts
var VIRIDIS = [
  [68, 1, 84],
  [72, 36, 117],
  [65, 68, 135],
  [53, 95, 141],
  [42, 120, 142],
  [33, 145, 140],
  [34, 168, 132],
  [68, 191, 112],
  [122, 209, 81],
  [189, 223, 38],
  [253, 231, 37]
];
function viridisRGB(t) {
  const x = Math.min(Math.max(Number.isNaN(t) ? 0 : t, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(x), VIRIDIS.length - 2);
  const a = VIRIDIS[i];
  const b = VIRIDIS[i + 1];
  return [0, 1, 2].map((k) => Math.round(a[k] + (b[k] - a[k]) * (x - i)));
}
var viridis = (t) => `rgb(${viridisRGB(t).join(",")})`;
function ramp(values, log) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === void 0 || !Number.isFinite(value) || log && value <= 0) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  const f = log ? Math.log10 : (v) => v;
  const span = f(high) - f(low);
  return {
    low,
    high,
    log,
    at(value) {
      if (value === null || value === void 0 || Number.isNaN(value)) return null;
      if (log && value <= 0) return 0;
      if (span === 0) return 0.5;
      return Math.min(Math.max((f(value) - f(low)) / span, 0), 1);
    }
  };
}
function ticks(low, high, target = 6) {
  if (!(high > low) || !Number.isFinite(high - low)) return Number.isFinite(low) ? [low] : [];
  const raw = (high - low) / target;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9 && found.length < 50; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}
function decades(low, high, most = 7) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  const found = [];
  for (let p = first; p <= last; p += every) found.push(Number(`1e${p}`));
  return found;
}
function sticky(old, next) {
  const [low, high] = next;
  const pad = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1;
  const padded = [low - pad, high + pad];
  if (!old || low < old[0] || high > old[1] || high - low < 0.55 * (old[1] - old[0])) return padded;
  return [old[0], old[1]];
}
var POWER = 2.5;
var sliderToEps = (t, max) => Number((max * t ** POWER).toPrecision(3));
var epsToSlider = (eps, max) => max > 0 ? Math.min(Math.max(eps / max, 0), 1) ** (1 / POWER) : 0;

// src/views/camera.ts
var LEAST = 2e-3;
var MOST = 3;
function zoomAt(camera, factor, px, py) {
  const k = Math.min(Math.max(camera.k * factor, LEAST), MOST);
  camera.x = px - (px - camera.x) * k / camera.k;
  camera.y = py - (py - camera.y) * k / camera.k;
  camera.k = k;
}
function fitTo(camera, width, height, w, h2, least = LEAST) {
  const k = Math.min(Math.max(Math.min(w / Math.max(width, 1), h2 / Math.max(height, 1)), least), 1);
  camera.k = k;
  camera.x = (w - width * k) / 2;
  camera.y = height * k <= h2 ? (h2 - height * k) / 2 : 6;
}
function makeCamera({ stage, signal, moved, clicked }) {
  const camera = { x: 0, y: 0, k: 1 };
  const held = /* @__PURE__ */ new Map();
  let far = false;
  const local = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  stage.addEventListener(
    "wheel",
    (event) => {
      const focused = stage.contains(document.activeElement) || stage.getRootNode().activeElement === stage;
      if (!event.ctrlKey && !event.metaKey && !focused) return;
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      if (event.shiftKey && !event.ctrlKey) camera.x -= (event.deltaY || event.deltaX) * unit;
      else zoomAt(camera, Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 16e-4)), ...local(event));
      moved();
    },
    { signal, passive: false }
  );
  stage.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button > 1) return;
      if (event.target.closest?.("input, button")) return;
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      far = held.size > 1;
      stage.setPointerCapture?.(event.pointerId);
    },
    { signal }
  );
  stage.addEventListener(
    "pointermove",
    (event) => {
      const old = held.get(event.pointerId);
      if (!old) return;
      const [dx, dy] = [event.clientX - old.x, event.clientY - old.y];
      if (!far && Math.hypot(dx, dy) < 4) return;
      far = true;
      if (held.size === 2) {
        const other = [...held].find(([id]) => id !== event.pointerId)[1];
        const before = Math.hypot(old.x - other.x, old.y - other.y);
        const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
        if (before > 0) zoomAt(camera, after / before, ...local({ clientX: other.x, clientY: other.y }));
      } else {
        camera.x += dx;
        camera.y += dy;
      }
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      moved();
    },
    { signal }
  );
  const release = (event) => {
    if (!held.delete(event.pointerId)) return;
    if (event.type === "pointerup" && !far) clicked(event);
  };
  stage.addEventListener("pointerup", release, { signal });
  stage.addEventListener("pointercancel", release, { signal });
  return camera;
}

// src/views/dom.ts
var SVG = "http://www.w3.org/2000/svg";
function put(el, attrs) {
  for (const [key2, value] of Object.entries(attrs)) {
    if (value === null || value === void 0 || value === false) el.removeAttribute(key2);
    else {
      const text = value === true ? "" : String(value);
      if (el.getAttribute(key2) !== text) el.setAttribute(key2, text);
    }
  }
}
function h(tag, attrs = {}, ...children) {
  const el = document.createElement(tag);
  put(el, attrs);
  el.append(...children.filter((c) => c !== null && c !== void 0));
  return el;
}
function s(tag, attrs = {}, ...children) {
  const el = document.createElementNS(SVG, tag);
  put(el, attrs);
  el.append(...children.filter((c) => c !== null && c !== void 0));
  return el;
}
function say(el, text) {
  if (el.textContent !== text) el.textContent = text;
}
function button(label, title, act, signal, kind = "wb-flat") {
  const el = h("button", { type: "button", class: `wb-btn ${kind}`, title }, label);
  el.addEventListener("click", act, { signal });
  return el;
}
function scheduler(draw, signal) {
  let asked = 0;
  signal.addEventListener("abort", () => asked && cancelAnimationFrame(asked), { once: true });
  return () => {
    if (asked || signal.aborted) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      if (!signal.aborted) draw();
    });
  };
}
function onResize(el, act, signal) {
  if (typeof ResizeObserver === "undefined") return;
  const observer = new ResizeObserver(act);
  observer.observe(el);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}
function segmented(label, choose, signal) {
  const el = h("div", { class: "wb-seg", role: "radiogroup", "aria-label": label });
  let drawn2 = "";
  el.addEventListener(
    "click",
    (event) => {
      const key2 = event.target.closest("[data-key]")?.dataset["key"];
      if (key2 !== void 0) choose(key2);
    },
    { signal }
  );
  el.addEventListener(
    "keydown",
    (event) => {
      const step = ["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : ["ArrowLeft", "ArrowUp"].includes(event.key) ? -1 : 0;
      if (!step) return;
      const all = [...el.children];
      const next = all[(all.findIndex((b) => b.getAttribute("aria-checked") === "true") + step + all.length) % all.length];
      event.preventDefault();
      event.stopPropagation();
      if (next?.dataset["key"] !== void 0) {
        choose(next.dataset["key"]);
        next.focus();
      }
    },
    { signal }
  );
  return {
    el,
    update(choices, chosen) {
      const keys = choices.map((c) => c.key + c.label).join("\n");
      if (keys !== drawn2) {
        drawn2 = keys;
        el.replaceChildren(...choices.map((c) => h("button", { type: "button", role: "radio", "data-key": c.key, title: c.title }, c.label)));
      }
      for (const child of el.children) {
        const on2 = child.dataset["key"] === chosen;
        put(child, { "aria-checked": String(on2), tabindex: on2 ? 0 : -1 });
      }
    }
  };
}
function picker(label, choose, signal) {
  const el = h("select", { "aria-label": label, title: label });
  let drawn2 = "";
  el.addEventListener("change", () => choose(el.value), { signal });
  return {
    el,
    update(choices, chosen) {
      const keys = choices.map((c) => `${c.key}	${c.label}`).join("\n");
      if (keys !== drawn2) {
        drawn2 = keys;
        el.replaceChildren(...choices.map((c) => h("option", { value: c.key }, c.label)));
      }
      if (el.value !== chosen) el.value = chosen;
    }
  };
}
function save(name, content) {
  const url = URL.createObjectURL(content);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1e4);
}
var safeName = (name) => name.replace(/[^\w.-]+/g, "_").slice(0, 80) || "graph";

// src/core/wire.ts
function bytesOf(data) {
  if (data instanceof ArrayBuffer) return { buffer: data, start: 0, length: data.byteLength };
  return { buffer: data.buffer, start: data.byteOffset, length: data.byteLength };
}
var isDetail = (header) => header !== void 0 && "arrays" in header;
function decodeDetail(header, data) {
  if (!isDetail(header) || !data) return null;
  const { buffer, start, length } = bytesOf(data);
  if (length !== header.bytes) return null;
  const arrays = {};
  for (const { key: key2, offset, length: count2 } of header.arrays) {
    if (offset + 8 * count2 > length) return null;
    const at2 = start + offset;
    arrays[key2] = at2 % 8 === 0 ? new Float64Array(buffer, at2, count2) : new Float64Array(buffer.slice(at2, at2 + 8 * count2));
  }
  return { header, arrays };
}
function settingsNow(model2) {
  const controls = model2.get("controls");
  const status = model2.get("status");
  return {
    eps: model2.get("eps"),
    norm: controls?.norm ?? status?.for?.norm ?? "inf",
    method: model2.get("method"),
    format: model2.get("format"),
    example: model2.get("example") ?? null
  };
}
function isStale(stamp, now) {
  if (!stamp) return false;
  return stamp.eps !== now.eps || stamp.norm !== now.norm || stamp.method !== now.method || stamp.format !== now.format || (stamp.example ?? null) !== now.example;
}

// src/views/style.css
var style_default = '.wb{--bg: var(--jp-layout-color1, #fff);--bg2: color-mix(in srgb, var(--jp-layout-color1, #fff) 62%, var(--jp-layout-color2, #eaedf1));--line: var(--jp-border-color2, #dfe3e8);--line2: var(--jp-border-color3, #eceff3);--tx: var(--jp-ui-font-color0, #1d2430);--tx2: #545e6e;--tx3: #7f8998;--acc: #1a66c4;--acc2: #e6f0fc;--int: #1f6fd1;--int2: #b9d5f5;--rnd: #b35a06;--rnd2: #f6c48f;--ok: #176f42;--ok2: #e2f4ea;--no: #b3261e;--no2: #fbe6e4;--un: #5d6675;--un2: #e9ecf0;--pt: #111827;--haze: #77818f;--on-acc: #fff;--mono: var(--jp-code-font-family, ui-monospace, "DejaVu Sans Mono", monospace);font:12.5px/1.45 var(--jp-ui-font-family, "Inter", "DejaVu Sans", system-ui, sans-serif);color:var(--tx);background:var(--bg);border:1px solid var(--line);border-radius:8px;overflow:hidden;text-align:left;position:relative;isolation:isolate;display:flex;flex-direction:column;container-type:inline-size;font-variant-numeric:tabular-nums}.wb.wb-dark{--bg: var(--jp-layout-color1, #15181e);--bg2: color-mix(in srgb, var(--jp-layout-color1, #15181e) 70%, var(--jp-layout-color2, #2b323d));--line: var(--jp-border-color2, #333c48);--line2: var(--jp-border-color3, #262d36);--tx: var(--jp-ui-font-color0, #e6eaf0);--tx2: #a9b2bf;--tx3: #7b8696;--acc: #6aacf7;--acc2: #1c3350;--int: #5aa2f5;--int2: #274a73;--rnd: #f2a25a;--rnd2: #6b4520;--ok: #55cb93;--ok2: #16352a;--no: #f58a82;--no2: #43211f;--un: #a3adba;--un2: #2b323c;--pt: #f4f6f9;--haze: #8d97a6;--on-acc: #0c1420;color-scheme:dark}.wb *,.wb *:before{box-sizing:border-box}.wb :focus{outline:none}.wb :focus-visible{outline:2px solid var(--acc);outline-offset:1px;border-radius:4px}.wb [hidden]{display:none!important}.wb button,.wb select,.wb input{font:inherit;color:inherit;margin:0}.wb select,.wb .wb-btn,.wb .wb-text{background:var(--bg);border:1px solid var(--line);border-radius:6px;height:26px;padding:0 8px}.wb select{padding-right:4px;max-width:200px;text-overflow:ellipsis}.wb .wb-foot select{max-width:156px;height:24px;font-size:12px}.wb .wb-btn{cursor:pointer;white-space:nowrap;color:var(--tx);display:inline-flex;align-items:center;gap:5px}.wb .wb-btn:hover,.wb select:hover{border-color:var(--tx3)}.wb .wb-btn.wb-flat{border-color:transparent;background:none;color:var(--tx2);padding:0 6px;height:24px;font-size:11.5px}.wb .wb-btn.wb-flat:hover{color:var(--tx);background:var(--line2)}.wb .wb-btn.wb-main{background:var(--acc);border-color:var(--acc);color:var(--on-acc);font-weight:600}.wb .wb-btn:disabled{opacity:.45;cursor:default}.wb .wb-text{width:78px;font-family:var(--mono);font-size:11.5px}.wb .wb-text[aria-invalid=true]{border-color:var(--no);color:var(--no)}.wb-lab{color:var(--tx2);font-size:11px;white-space:nowrap}.wb-num{font-family:var(--mono);font-size:11.5px}.wb-grow{flex:1 1 0;min-width:0}.wb-clip{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;min-width:0}.wb-row{display:flex;align-items:center;gap:8px;min-width:0}.wb-row>.wb-lab:not(.wb-clip){flex:none}.wb-seg{display:inline-flex;border:1px solid var(--line);border-radius:6px;overflow:hidden;background:var(--bg)}.wb-seg button{border:0;border-right:1px solid var(--line);background:none;padding:0 9px;height:24px;color:var(--tx2);cursor:pointer;white-space:nowrap}.wb-seg button:last-child{border:0}.wb-seg button:hover{color:var(--tx)}.wb-seg button[aria-checked=true]{background:var(--acc2);color:var(--acc);font-weight:600}.wb-seg button:focus-visible{outline-offset:-2px}.wb-bar{display:flex;flex-wrap:wrap;align-items:center;gap:6px 16px;padding:8px 12px;border-bottom:1px solid var(--line);background:var(--bg2);min-height:52px}.wb-thumb{width:36px;height:36px;image-rendering:pixelated;border:1px solid var(--line2);border-radius:3px;object-fit:contain;flex:none}.wb-name{font-weight:600;max-width:190px}.wb-pick select{border-color:transparent;background:none;height:20px;padding:0;margin-left:-3px;color:var(--tx2);font-size:11.5px;max-width:190px}.wb-eps{flex:1 1 220px;max-width:360px}.wb input[type=range]{-webkit-appearance:none;appearance:none;background:none;width:100%;min-width:90px;height:22px;cursor:pointer;--at: 0%}.wb input[type=range]::-webkit-slider-runnable-track{height:4px;border-radius:2px;background:linear-gradient(90deg,var(--acc) var(--at),var(--line) var(--at))}.wb input[type=range]::-moz-range-track{height:4px;border-radius:2px;background:linear-gradient(90deg,var(--acc) var(--at),var(--line) var(--at))}.wb input[type=range]::-webkit-slider-thumb{-webkit-appearance:none;width:16px;height:16px;margin-top:-6px;border-radius:50%;background:var(--bg);border:2px solid var(--acc)}.wb input[type=range]::-moz-range-thumb{width:12px;height:12px;border-radius:50%;background:var(--bg);border:2px solid var(--acc)}.wb-main-grid{display:grid;grid-template-columns:var(--split, 392px) 5px minmax(0,1fr);height:588px;min-height:0}.wb-split{cursor:col-resize;background:linear-gradient(90deg,transparent 2px,var(--line) 2px,var(--line) 3px,transparent 3px);touch-action:none}.wb-split:hover,.wb-split:focus-visible{background:var(--acc2)}.wb-pane{display:flex;flex-direction:column;min-width:0;min-height:0;position:relative}.wb-alone .wb-pane{height:540px}.wb-head{display:flex;align-items:center;gap:4px 8px;padding:0 12px;border-bottom:1px solid var(--line2);min-height:36px;flex:none}.wb-head b{font-size:13px}.wb .wb-graph .wb-head{gap:4px}.wb .wb-graph .wb-head .wb-btn{padding:0 4px}.wb-foot{display:flex;align-items:center;flex-wrap:wrap;gap:4px 8px;padding:3px 12px;border-top:1px solid var(--line2);min-height:36px;flex:none}.wb-stage{flex:1 1 0;min-height:0;position:relative;overflow:hidden;touch-action:none;cursor:grab}.wb-stage>.wb-for{position:absolute;right:8px;bottom:4px;background:var(--bg);margin:0;pointer-events:none}.wb-stage .wb-g-stripe,.wb-stage .wb-g-value,.wb-stage .wb-g-phases,.wb-stage canvas{transition:opacity .14s linear}.wb-stage[data-state=stale] :is(.wb-g-stripe,.wb-g-value,.wb-g-phases){opacity:.35}.wb-stage[data-state=stale] canvas{opacity:.55}.wb-stage>.wb-for[data-state=stale]{background:var(--un2)}.wb-stage:active{cursor:grabbing}.wb-stage:focus-visible{outline-offset:-2px}.wb-stage>svg,.wb-stage>canvas{position:absolute;inset:0;width:100%;height:100%;display:block}.wb-search{position:absolute;top:8px;left:8px;right:8px;display:flex;gap:4px;align-items:center;background:var(--bg);border:1px solid var(--acc);border-radius:6px;padding:2px 4px;z-index:2;cursor:auto}.wb-search input{border:0;background:none;flex:1;min-width:40px;height:24px;padding:0 4px}.wb-search input:focus-visible{outline:none}.wb-tip{position:absolute;z-index:5;pointer-events:none;max-width:340px;background:var(--bg);color:var(--tx);border:1px solid var(--tx3);border-radius:6px;padding:6px 9px;font-size:12px;line-height:1.4;overflow-wrap:anywhere}.wb-tip div+div{margin-top:1px}.wb-tip .wb-num{color:var(--tx2)}.wb-menu{position:absolute;z-index:6;background:var(--bg);border:1px solid var(--tx3);border-radius:6px;padding:4px;min-width:160px;display:flex;flex-direction:column;max-height:420px;overflow:auto}.wb-menu .wb-btn{border:0;justify-content:flex-start}.wb-menu .wb-btn:hover,.wb-menu .wb-btn:focus-visible{background:var(--acc2)}.wb-help{padding:10px 12px;width:372px;max-width:calc(100% - 24px);right:12px;top:56px}.wb-help dl{display:grid;grid-template-columns:auto 1fr;gap:2px 12px;margin:0}.wb-help dt{font-family:var(--mono);font-size:11.5px;color:var(--acc)}.wb-help dd{margin:0}.wb-help p{margin:6px 0 0;color:var(--tx2)}.wb kbd{font:10.5px var(--mono);border:1px solid var(--line);border-radius:3px;padding:0 4px;color:var(--tx2);background:none}.wb-tabs{display:flex;align-self:stretch}.wb-tabs button{border:0;background:none;padding:8px 9px;color:var(--tx2);cursor:pointer;white-space:nowrap}.wb-tabs button:hover{color:var(--tx)}.wb-tabs button[aria-selected=true]{color:var(--tx);font-weight:600;box-shadow:inset 0 -2px var(--acc)}.wb-tabs button:focus-visible{outline-offset:-3px}.wb-body{flex:1 1 0;min-height:0;overflow:auto;padding:4px 12px 8px;display:flex;flex-direction:column}.wb-body:focus-visible{outline-offset:-3px}.wb-tools{display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center;min-height:30px}.wb-tools label{display:inline-flex;gap:5px;align-items:center;color:var(--tx2);font-size:11px}.wb-tools select{height:24px;font-size:12px;color:var(--tx)}.wb-chip{display:inline-flex;align-items:center;gap:5px;color:var(--tx2);white-space:nowrap}.wb-chip svg{display:block;flex:none}.wb-for{font-size:11px;color:var(--tx2);white-space:nowrap;display:inline-flex;gap:4px;align-items:center;border-radius:4px;padding:1px 5px;margin-left:-5px}.wb-for[data-state=stale]{color:var(--un);background:var(--un2);font-weight:600}.wb-drawn{transition:opacity .14s linear}.wb-drawn[data-state=stale]{opacity:.38}.wb-plot{display:block;width:100%;flex:none;cursor:crosshair;touch-action:pan-y}.wb-plot:focus-visible{outline-offset:-1px}.wb svg text{fill:var(--tx2);font-size:11px;font-family:inherit}.wb svg .wb-n{font-family:var(--mono);font-size:10.5px}.wb svg .wb-t{fill:var(--tx);font-weight:600;font-size:12px}.wb-two{display:grid;grid-template-columns:minmax(240px,1fr) minmax(260px,1fr);gap:4px 20px;margin-top:4px;align-items:start}.wb-table{border-collapse:collapse;width:100%}.wb-table td,.wb-table th{padding:3px 0;border-bottom:1px solid var(--line2);text-align:left;font-weight:400;vertical-align:baseline}.wb-table th{color:var(--tx2);padding-right:10px;white-space:nowrap;font-size:11.5px}.wb-table td:last-child{text-align:right;font-family:var(--mono);font-size:11.5px;overflow-wrap:anywhere}.wb-table tr[data-kind=rounding] td{color:var(--rnd)}.wb-table tr.wb-click{cursor:pointer}.wb-table tr.wb-click:hover td,.wb-table tr.wb-click:hover th{background:var(--acc2)}.wb-empty{margin:auto;padding:24px;max-width:420px;text-align:center;color:var(--tx2)}.wb-empty b{display:block;color:var(--tx);margin-bottom:4px}.wb-maps{display:flex;flex-wrap:wrap;gap:8px;padding:4px 0}.wb-map{margin:0;cursor:crosshair}.wb-map canvas{display:block;image-rendering:pixelated;border:1px solid var(--line);border-radius:3px}.wb-map figcaption{font:10.5px var(--mono);color:var(--tx2)}.wb-map[data-selected=true] canvas{border-color:var(--acc);outline:1px solid var(--acc)}.wb-code{font:11.5px/1.5 var(--mono);background:var(--bg2);border:1px solid var(--line2);border-radius:6px;padding:8px 10px;margin:4px 0 0;white-space:pre-wrap;overflow-wrap:anywhere}.wb-formula{font-size:15px;padding:8px 0 4px}.wb-stat{display:flex;flex-wrap:wrap;align-items:center;gap:4px 14px;padding:8px 12px;border-top:1px solid var(--line);background:var(--bg2);min-height:54px}.wb-verdict{display:inline-flex;align-items:center;gap:6px;font-weight:700;padding:3px 9px;border-radius:6px;background:var(--un2);color:var(--un);white-space:nowrap}.wb-verdict[data-state=verified]{background:var(--ok2);color:var(--ok)}.wb-verdict[data-state=falsified],.wb-verdict[data-state=failed]{background:var(--no2);color:var(--no)}.wb-prog{width:120px;height:6px;border-radius:3px;background:var(--line);overflow:hidden;flex:none}.wb-prog i{display:block;height:100%;background:var(--acc);width:0}.wb-notice{padding:5px 12px;background:var(--no2);color:var(--no);border-top:1px solid var(--line)}.wb-toast{position:absolute;right:12px;bottom:54px;z-index:7;background:var(--tx);color:var(--bg);border-radius:6px;padding:4px 10px;font-size:12px}.wb-sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}.wb-g-box{fill:var(--bg);stroke:var(--tx3);stroke-opacity:.55}.wb-g-edge{fill:none;stroke:var(--tx3)}.wb-g-arrow{fill:var(--tx3)}.wb-g-node{cursor:pointer}.wb-g-node:hover .wb-g-box{stroke:var(--acc);stroke-opacity:1}.wb-g-node[data-selected=true] .wb-g-box{stroke:var(--acc);stroke-width:2;stroke-opacity:1}.wb-g-node[data-near=true] .wb-g-box{stroke:var(--acc);stroke-opacity:.8}.wb-g-edge[data-near=true]{stroke:var(--acc);stroke-width:1.6}.wb-g-node[data-hit=true] .wb-g-box{stroke:var(--rnd);stroke-width:2;stroke-dasharray:4 2;stroke-opacity:1}.wb-g-hull{fill:var(--bg2);fill-opacity:.7;stroke:var(--line);stroke-dasharray:3 3}.wb-g-hull-label{cursor:pointer}.wb-g-group{stroke-width:1}.wb-stage:focus-visible .wb-g-node[data-selected=true] .wb-g-box{stroke-width:3}.wb-p-on{fill:var(--int);stroke:var(--int)}.wb-p-off{fill:var(--bg);stroke:var(--int)}.wb-p-unstable{stroke:var(--int)}.wb-p-plain{fill:var(--int);stroke:var(--int)}.wb-p-nan{stroke:var(--no)}.wb-hatch-a{fill:var(--int2)}.wb-hatch-b{fill:var(--int)}@container (max-width: 719px){.wb-main-grid{grid-template-columns:minmax(0,1fr);height:auto}.wb-main-grid>.wb-split{display:none}.wb-main-grid>.wb-pane{height:420px}.wb-main-grid>.wb-pane.wb-inspector{height:auto;min-height:520px;border-top:1px solid var(--line)}.wb-inspector .wb-body{flex:none;overflow:visible}.wb-two{grid-template-columns:minmax(0,1fr)}}@media(prefers-reduced-motion:reduce){.wb-drawn{transition:none}}@media(forced-colors:active){.wb-g-node[data-selected=true] .wb-g-box{stroke:Highlight}}';

// src/views/frame.ts
function isDark(body) {
  const light = body.dataset["jpThemeLight"];
  if (light !== void 0) return light === "false";
  if (body.classList.contains("vscode-dark") || document.documentElement.getAttribute("theme") === "dark") return true;
  if (body.classList.contains("vscode-light")) return false;
  return typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: dark)").matches;
}
function mount(el, model2, signal, label) {
  const live = h("div", { class: "wb-sr", "aria-live": "polite" });
  const tipBox = h("div", { class: "wb-tip", role: "tooltip", hidden: true });
  const toastBox = h("div", { class: "wb-toast", role: "status", hidden: true });
  const root = h("section", { class: "wb", "aria-label": label }, h("style", {}, style_default), live, tipBox, toastBox);
  el.replaceChildren(root);
  signal.addEventListener("abort", () => root.remove(), { once: true });
  const themed = [];
  const colours = /* @__PURE__ */ new Map();
  const theme = () => {
    colours.clear();
    root.classList.toggle("wb-dark", isDark(document.body));
    for (const act of themed) act();
  };
  theme();
  if (typeof MutationObserver !== "undefined") {
    const observer = new MutationObserver(theme);
    observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
    signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }
  if (typeof matchMedia === "function") matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", theme, { signal });
  let fading;
  signal.addEventListener("abort", () => clearTimeout(fading), { once: true });
  const toast = (text) => {
    toastBox.hidden = false;
    say(toastBox, text);
    clearTimeout(fading);
    fading = setTimeout(() => toastBox.hidden = true, 2e3);
  };
  return {
    model: model2,
    signal,
    root,
    unique: `wb${Math.random().toString(36).slice(2, 8)}`,
    tip: {
      show(lines, x, y) {
        tipBox.replaceChildren(...lines.map((line) => typeof line === "string" ? h("div", {}, line) : line));
        tipBox.hidden = false;
        const box = root.getBoundingClientRect();
        const [w, height] = [tipBox.offsetWidth, tipBox.offsetHeight];
        const left = x - box.left + 14 + w > box.width ? x - box.left - w - 10 : x - box.left + 14;
        const top = y - box.top + 16 + height > box.height ? y - box.top - height - 8 : y - box.top + 16;
        tipBox.style.left = `${Math.max(2, left)}px`;
        tipBox.style.top = `${Math.max(2, top)}px`;
      },
      hide: () => tipBox.hidden = true
    },
    announce: (text) => say(live, text),
    toast,
    copy(text, what) {
      const done = () => toast(`copied ${what}`);
      const clipboard = navigator.clipboard;
      if (clipboard) clipboard.writeText(text).then(done, () => fallbackCopy(root, text) && done());
      else if (fallbackCopy(root, text)) done();
    },
    watch(names, act) {
      for (const name of names) {
        model2.on(`change:${name}`, act);
        signal.addEventListener("abort", () => model2.off(`change:${name}`, act), { once: true });
      }
    },
    onTheme: (act) => themed.push(act),
    colour(name) {
      let found = colours.get(name);
      if (found === void 0) {
        found = getComputedStyle(root).getPropertyValue(name).trim() || "#888";
        colours.set(name, found);
      }
      return found;
    }
  };
}
function fallbackCopy(root, text) {
  const area = h("textarea", { class: "wb-sr" });
  area.value = text;
  root.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
function write(model2, values) {
  for (const key2 of Object.keys(values)) model2.set(key2, values[key2]);
  model2.save_changes();
}
function mark(el, stamp, model2) {
  const stale = isStale(stamp, settingsNow(model2));
  put(el, {
    "data-eps": stamp ? String(stamp.eps) : null,
    "data-seq": stamp ? stamp.seq : null,
    "data-method": stamp ? stamp.method : null,
    "data-state": stamp ? stale ? "stale" : "fresh" : "empty"
  });
  return stale;
}
function forLabel(el, stamp, model2) {
  const stale = mark(el, stamp, model2);
  const text = stamp ? `\u03B5 ${epsilon(stamp.eps)} \xB7 ${methodLabel(stamp.method)}` : "";
  say(el, stale ? `\u25F7 stale: for ${text}` : text);
  el.hidden = !stamp;
  put(el, { title: stale ? "The settings have changed since: this is the old result, kept until the new one is there." : null });
}

// src/views/graph-svg.ts
var PAD = 7;
var HEAD = 16;
function overlayValue(box, paint) {
  const values = paint.overlay.values ?? {};
  let worst = null;
  for (const id of box.members) {
    const value = values[id];
    if (value !== null && value !== void 0 && (worst === null || value > worst)) worst = value;
  }
  return worst;
}
function phaseSum(box, phases) {
  let sum = null;
  for (const id of box.members) {
    const own = phases[id];
    if (own) sum = [(sum?.[0] ?? 0) + own[0], (sum?.[1] ?? 0) + own[1], (sum?.[2] ?? 0) + own[2]];
  }
  return sum;
}
var boxTitle = (box) => box.node ? box.node.op : box.group.label;
var boxName = (box) => box.node ? box.node.id : `${count(box.members.length)} nodes`;
function hulls(scene) {
  const { visible: visible2, placed } = scene;
  return visible2.open.map((group) => {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const id of group.members) {
      const i = visible2.boxOf.get(id);
      x0 = Math.min(x0, placed.x[i] - BOX.width / 2);
      x1 = Math.max(x1, placed.x[i] + BOX.width / 2);
      y0 = Math.min(y0, placed.y[i] - BOX.height / 2);
      y1 = Math.max(y1, placed.y[i] + BOX.height / 2);
    }
    const nested = Math.max(...visible2.open.filter((g) => g.path.startsWith(`${group.path}/`)).map((g) => g.depth - group.depth), 0);
    const pad = PAD + nested * 4;
    const head = HEAD * (nested + 1);
    return { group, x: x0 - pad, y: y0 - head, w: x1 - x0 + 2 * pad, h: y1 - y0 + pad + head };
  });
}
function route(points, horizontal) {
  const n = points.length / 2;
  const at2 = (i) => [points[2 * i], points[2 * i + 1]];
  let path = `M${at2(0).map((v) => v.toFixed(1)).join(" ")}`;
  for (let i = 1; i < n; i++) {
    const [x0, y0] = at2(i - 1);
    const [x1, y1] = at2(i);
    const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
    path += horizontal ? `C${cx.toFixed(1)} ${y0.toFixed(1)} ${cx.toFixed(1)} ${y1.toFixed(1)} ` : `C${x0.toFixed(1)} ${cy.toFixed(1)} ${x1.toFixed(1)} ${cy.toFixed(1)} `;
    path += `${x1.toFixed(1)} ${y1.toFixed(1)}`;
  }
  return path;
}
function definitions(unique) {
  const arrow = s("marker", { id: `${unique}-a`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" });
  arrow.append(s("path", { class: "wb-g-arrow", d: "M0 0L8 4L0 8z" }));
  return s("defs", {}, arrow, hatch(`${unique}-h`));
}
function hatch(id) {
  const box = { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return s("pattern", box, s("rect", { width: 5, height: 5, class: "wb-hatch-a" }), s("rect", { width: 2.2, height: 5, class: "wb-hatch-b" }));
}
function buildSvg(scene, unique) {
  const { visible: visible2, placed, horizontal } = scene;
  const world = s("g", { role: "tree", "aria-label": "nodes in the order they are computed" });
  for (const hull of hulls(scene)) {
    world.append(
      s(
        "g",
        { "data-hull": hull.group.path },
        s("rect", { class: "wb-g-hull", x: hull.x, y: hull.y, width: hull.w, height: hull.h, rx: 8 }),
        s("text", { class: "wb-g-hull-label wb-n", "data-close": hull.group.path, x: hull.x + 6, y: hull.y + 11.5 }, `\u229F ${clip(hull.group.label, 28)}`)
      )
    );
  }
  visible2.edges.forEach(([a, b], i) => {
    world.append(s("path", { class: "wb-g-edge", "data-from": a, "data-to": b, d: route(placed.routes?.[i] ?? placed.ends.subarray(4 * i, 4 * i + 4), horizontal), "marker-end": `url(#${unique}-a)` }));
  });
  visible2.boxes.forEach((box, i) => {
    const [x, y] = [placed.x[i] - BOX.width / 2, placed.y[i] - BOX.height / 2];
    const node2 = s("g", {
      class: "wb-g-node",
      id: `${unique}-b${i}`,
      role: "treeitem",
      "aria-label": box.node ? `${box.node.op} ${box.node.id}, shape ${shapeText(box.node.shape)}` : `group ${box.group.path}, ${box.members.length} nodes`,
      "aria-expanded": box.group ? "false" : null,
      "data-id": box.id,
      "data-box": i,
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`
    });
    if (box.group) for (const d of [6, 3]) node2.append(s("rect", { class: "wb-g-box wb-g-group", x: d, y: d, width: BOX.width, height: BOX.height, rx: 6 }));
    node2.append(
      s("rect", { class: "wb-g-box", width: BOX.width, height: BOX.height, rx: 6 }),
      s("rect", { class: "wb-g-stripe", width: 6, height: BOX.height, rx: 2 }),
      s("text", { class: "wb-t", x: 16, y: 16 }, clip(box.group ? `\u229E ${boxTitle(box)}` : boxTitle(box), 20)),
      s("text", { class: "wb-g-name", x: 16, y: 30 }, clip(boxName(box), 19)),
      s("text", { class: "wb-n", x: BOX.width - 10, y: 16, "text-anchor": "end" }, box.node ? clip(shapeText(box.node.shape), 15) : ""),
      s("text", { class: "wb-n wb-g-value", x: BOX.width - 10, y: 30, "text-anchor": "end" }),
      s("g", { class: "wb-g-phases" })
    );
    world.append(node2);
  });
  return world;
}
function paintSvg(world, scene, paint, unique) {
  const cursor = scene.visible.boxes.findIndex((box) => box.id === paint.cursor);
  const near = /* @__PURE__ */ new Set();
  for (const edge of world.querySelectorAll(".wb-g-edge")) {
    const [a, b] = [Number(edge.getAttribute("data-from")), Number(edge.getAttribute("data-to"))];
    const touches = cursor >= 0 && (a === cursor || b === cursor);
    put(edge, { "data-near": touches ? "true" : null });
    if (touches) near.add(a === cursor ? b : a);
  }
  for (const el of world.querySelectorAll(".wb-g-node")) {
    const i = Number(el.getAttribute("data-box"));
    const box = scene.visible.boxes[i];
    const value = overlayValue(box, paint);
    const t = paint.ramp?.at(value) ?? null;
    const sum = phaseSum(box, paint.phases);
    put(el, {
      "data-selected": box.id === paint.cursor ? "true" : null,
      "aria-selected": String(box.id === paint.cursor),
      "data-near": near.has(i) ? "true" : null,
      "data-hit": box.members.some((id) => paint.hits.has(id)) ? "true" : null,
      "data-value": value,
      "data-phases": sum ? sum.join(",") : null
    });
    put(el.querySelector(".wb-g-stripe"), { fill: t === null ? "none" : viridis(t) });
    const text = el.querySelector(".wb-g-value");
    const shown = sum || value === null ? "" : `${short(value)}${paint.overlay.unit ? ` ${paint.overlay.unit}` : ""}`;
    if (text.textContent !== shown) text.textContent = shown;
    phaseBar(el.querySelector(".wb-g-phases"), sum, unique);
  }
}
function phaseBar(g, sum, unique) {
  const total = sum ? sum[0] + sum[1] + sum[2] : 0;
  const key2 = total ? sum.join() : "";
  if (g.getAttribute("data-key") === key2) return;
  put(g, { "data-key": key2 });
  g.replaceChildren();
  if (!sum || !total) return;
  const W3 = 96;
  let x = BOX.width - 10 - W3;
  ["on", "unstable", "off"].forEach((name, i) => {
    const w = W3 * sum[i] / total;
    if (w > 0) g.append(s("rect", { class: `wb-p-${name}`, fill: name === "unstable" ? `url(#${unique}-h)` : null, x, y: 22.5, width: w, height: 7, "stroke-width": 0.8 }));
    x += w;
  });
}

// src/views/graph-canvas.ts
var SHADES = 32;
var FAR = 0.28;
var PIXELS = 0.09;
function prepare(scene, paint) {
  const n = scene.visible.boxes.length;
  const shade = new Int16Array(n).fill(-1);
  const hit = new Uint8Array(n);
  let cursor = -1;
  scene.visible.boxes.forEach((box, i) => {
    const t = paint.ramp?.at(overlayValue(box, paint)) ?? null;
    if (t !== null) shade[i] = Math.round(t * (SHADES - 1));
    if (paint.hits.size && box.members.some((id) => paint.hits.has(id))) hit[i] = 1;
    if (box.id === paint.cursor) cursor = i;
  });
  return { scene, paint, shade, hit, cursor, hulls: hulls(scene) };
}
function drawCanvas(ctx, p, camera, w, h2, ratio, palette) {
  const { placed, visible: visible2 } = p.scene;
  const { k } = camera;
  const pixels = k < PIXELS;
  const [x0, y0] = [-camera.x / k, -camera.y / k];
  const [x1, y1] = [x0 + w / k, y0 + h2 / k];
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  const seen = inSight(p, x0, y0, x1, y1);
  if (pixels) {
    drawPixels(ctx, p, seen, camera, Math.round(w * ratio), Math.round(h2 * ratio), ratio, palette);
    ctx.globalCompositeOperation = "destination-over";
  } else ctx.clearRect(0, 0, w, h2);
  ctx.setTransform(k * ratio, 0, 0, k * ratio, camera.x * ratio, camera.y * ratio);
  ctx.lineWidth = 1 / k;
  ctx.strokeStyle = palette.line;
  for (const hull of p.hulls) {
    if (hull.x > x1 || hull.y > y1 || hull.x + hull.w < x0 || hull.y + hull.h < y0) continue;
    ctx.strokeRect(hull.x, hull.y, hull.w, hull.h);
  }
  ctx.strokeStyle = palette.tx3;
  ctx.globalAlpha = k < 0.2 ? 0.35 : 0.8;
  ctx.lineWidth = Math.max(1, 0.6 / k) * (k < 0.2 ? 0.8 : 1);
  const { edges } = visible2;
  const { ends: ends2, rank } = placed;
  const skipping = k * BOX.row < 1.2;
  ctx.beginPath();
  for (let i = 0; i < edges.length; i++) {
    const [ax, ay, bx, by] = [ends2[4 * i], ends2[4 * i + 1], ends2[4 * i + 2], ends2[4 * i + 3]];
    if (ay < y0 && by < y0 || ay > y1 && by > y1 || ax < x0 && bx < x0 || ax > x1 && bx > x1) continue;
    if (skipping && rank[edges[i][1]] - rank[edges[i][0]] < 2) continue;
    ctx.moveTo(ax, ay);
    ctx.lineTo(bx, by);
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
  if (p.cursor >= 0) {
    ctx.strokeStyle = palette.acc;
    ctx.lineWidth = 1.6 / k;
    ctx.beginPath();
    for (let i = 0; i < edges.length; i++) {
      if (edges[i][0] !== p.cursor && edges[i][1] !== p.cursor) continue;
      ctx.moveTo(ends2[4 * i], ends2[4 * i + 1]);
      ctx.lineTo(ends2[4 * i + 2], ends2[4 * i + 3]);
    }
    ctx.stroke();
  }
  ctx.globalCompositeOperation = "source-over";
  if (!pixels && k < FAR) drawFar(ctx, p, seen, palette);
  else if (!pixels) for (const i of seen) drawNear(ctx, p, i, k, palette);
  outline(ctx, p, seen, k, palette);
  return seen.length;
}
function inSight(p, x0, y0, x1, y1) {
  const { x, y } = p.scene.placed;
  const [W3, H3] = [BOX.width / 2, BOX.height / 2];
  const seen = [];
  for (let i = 0; i < x.length; i++) {
    if (x[i] + W3 >= x0 && x[i] - W3 <= x1 && y[i] + H3 >= y0 && y[i] - H3 <= y1) seen.push(i);
  }
  return seen;
}
function drawPixels(ctx, p, seen, camera, w, h2, ratio, palette) {
  const { placed } = p.scene;
  const image = ctx.createImageData(Math.max(w, 1), Math.max(h2, 1));
  const data = new Uint32Array(image.data.buffer);
  const pack = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  const shades = Array.from({ length: SHADES }, (_, i) => pack(viridisRGB(i / (SHADES - 1))));
  const plain = pack(parseColour(palette.tx3));
  const [k, bw, bh] = [camera.k * ratio, BOX.width * camera.k * ratio, BOX.height * camera.k * ratio];
  for (const i of seen) {
    const colour = p.shade[i] < 0 ? plain : shades[p.shade[i]];
    const left = placed.x[i] * k + camera.x * ratio - bw / 2;
    const top = placed.y[i] * k + camera.y * ratio - bh / 2;
    const [c0, c1] = [Math.max(0, Math.round(left)), Math.min(w, Math.max(Math.round(left) + 1, Math.round(left + bw)))];
    const [r0, r1] = [Math.max(0, Math.round(top)), Math.min(h2, Math.max(Math.round(top) + 1, Math.round(top + bh)))];
    for (let r = r0; r < r1; r++) data.fill(colour, r * w + c0, r * w + c1);
  }
  ctx.putImageData(image, 0, 0);
}
function parseColour(text) {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text)?.[1];
  if (hex) {
    const parts = hex.length === 3 ? [...hex].map((c) => c + c) : hex.match(/../g);
    return parts.map((part) => parseInt(part, 16));
  }
  const numbers = text.match(/[\d.]+/g)?.map(Number) ?? [];
  return numbers.length >= 3 ? [numbers[0], numbers[1], numbers[2]] : [128, 128, 128];
}
function drawFar(ctx, p, seen, palette) {
  const { placed } = p.scene;
  const byShade = Array.from({ length: SHADES + 1 }, () => []);
  for (const i of seen) byShade[p.shade[i] + 1].push(i);
  byShade.forEach((boxes, shade) => {
    if (!boxes.length) return;
    ctx.fillStyle = shade ? `rgb(${viridisRGB((shade - 1) / (SHADES - 1)).join()})` : palette.tx3;
    for (const i of boxes) ctx.fillRect(placed.x[i] - BOX.width / 2, placed.y[i] - BOX.height / 2, BOX.width, BOX.height);
  });
}
function drawNear(ctx, p, i, k, palette) {
  const { placed, visible: visible2 } = p.scene;
  const box = visible2.boxes[i];
  const [x, y] = [placed.x[i] - BOX.width / 2, placed.y[i] - BOX.height / 2];
  ctx.fillStyle = palette.bg;
  ctx.strokeStyle = palette.tx3;
  ctx.lineWidth = 1;
  if (box.group) ctx.strokeRect(x + 4, y + 4, BOX.width, BOX.height);
  ctx.fillRect(x, y, BOX.width, BOX.height);
  ctx.strokeRect(x, y, BOX.width, BOX.height);
  if (p.shade[i] >= 0) {
    ctx.fillStyle = `rgb(${viridisRGB(p.shade[i] / (SHADES - 1)).join()})`;
    ctx.fillRect(x, y, 6, BOX.height);
  }
  ctx.fillStyle = palette.tx;
  ctx.font = `600 12px ${palette.font}`;
  ctx.fillText(clip(box.group ? `\u229E ${boxTitle(box)}` : boxTitle(box), 20), x + 16, y + 16);
  if (k < 0.5) return;
  ctx.fillStyle = palette.tx2;
  ctx.font = `11px ${palette.font}`;
  ctx.fillText(clip(boxName(box), 19), x + 16, y + 30);
  ctx.font = `10.5px ${palette.mono}`;
  ctx.textAlign = "right";
  if (box.node) ctx.fillText(clip(shapeText(box.node.shape), 15), x + BOX.width - 10, y + 16);
  const sum = phaseSum(box, p.paint.phases);
  const value = overlayValue(box, p.paint);
  if (!sum && value !== null) ctx.fillText(`${short(value)} ${p.paint.overlay.unit ?? ""}`.trim(), x + BOX.width - 10, y + 30);
  ctx.textAlign = "left";
  if (sum) bar(ctx, sum, x + BOX.width - 106, y + 22.5, palette);
}
function bar(ctx, sum, x, y, palette) {
  const total = sum.reduce((a, b) => a + b, 0) || 1;
  sum.forEach((part, i) => {
    const w = 96 * part / total;
    ctx.fillStyle = [palette.int, palette.int2, palette.bg][i];
    ctx.strokeStyle = palette.int;
    ctx.lineWidth = 0.8;
    if (!w) return;
    ctx.fillRect(x, y, w, 7);
    ctx.strokeRect(x, y, w, 7);
    if (i === 1) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(x, y, w, 7);
      ctx.clip();
      ctx.beginPath();
      for (let d = -7; d < w; d += 5) {
        ctx.moveTo(x + d, y + 7);
        ctx.lineTo(x + d + 7, y);
      }
      ctx.lineWidth = 2;
      ctx.stroke();
      ctx.restore();
    }
    x += w;
  });
}
function outline(ctx, p, seen, k, palette) {
  const { placed } = p.scene;
  const rim = Math.max(2, 2 / k);
  for (const i of seen) {
    if (i !== p.cursor && !p.hit[i]) continue;
    ctx.strokeStyle = i === p.cursor ? palette.acc : palette.rnd;
    ctx.setLineDash(i === p.cursor ? [] : [4 / k, 2 / k]);
    ctx.lineWidth = rim;
    ctx.strokeRect(placed.x[i] - BOX.width / 2, placed.y[i] - BOX.height / 2, BOX.width, BOX.height);
  }
  ctx.setLineDash([]);
}

// src/views/graph-export.ts
var STYLED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "font-family", "font-size", "font-weight"];
function svgText(root, scene, paint, title) {
  const { width, height } = scene.placed;
  const unique = "x";
  const svg = s("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `-10 -10 ${width + 60} ${height + 20}`, width: width + 60, height: height + 20 });
  const back = s("rect", { x: -10, y: -10, width: width + 60, height: height + 20, fill: getComputedStyle(root).backgroundColor });
  const world = buildSvg(scene, unique);
  paintSvg(world, scene, paint, unique);
  svg.append(s("title", {}, title), definitions(unique), back, world);
  return standalone(root, svg);
}
function standalone(root, svg) {
  svg.style.cssText = "position:absolute;visibility:hidden";
  root.append(svg);
  for (const el of svg.querySelectorAll("rect, path, text, circle, line")) {
    const style = getComputedStyle(el);
    const own = {};
    for (const key2 of STYLED) {
      const value = style.getPropertyValue(key2);
      if (value && !(key2.startsWith("font") && el.tagName !== "text")) own[key2] = value.replaceAll('"', "'");
    }
    if (el.getAttribute("fill")?.startsWith("url(")) delete own["fill"];
    put(el, own);
  }
  for (const el of svg.querySelectorAll("[class]")) el.removeAttribute("class");
  svg.remove();
  svg.removeAttribute("style");
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(svg);
}
async function savePng(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error("the browser could not draw the picture"));
      image.src = url;
    });
    const scale = Math.min(2, 16e3 / image.width, 16e3 / image.height, Math.sqrt(1e8 / (image.width * image.height)));
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(image.width * scale);
    canvas.height = Math.ceil(image.height * scale);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("the picture is too large for this browser: save it as SVG");
    save(`${name}.png`, blob);
  } finally {
    URL.revokeObjectURL(url);
  }
}

// src/views/legend.ts
var WIDTH = 92;
function legend(ramp2, unit) {
  const svg = s("svg", { width: WIDTH + 44, height: 30, role: "img" });
  if (!ramp2) {
    svg.append(s("text", { x: 0, y: 18 }, "nothing computed yet"));
    return svg;
  }
  const ends2 = ramp2.low === ramp2.high ? [ramp2.low] : [ramp2.low, ramp2.high];
  const label = `colour from ${short(ramp2.low)} to ${short(ramp2.high)} ${unit}, ${ramp2.log ? "logarithmic" : "linear"}`;
  svg.setAttribute("aria-label", label);
  const g = s("g", { transform: "translate(20 2)", "shape-rendering": "crispEdges" }, s("title", {}, label));
  for (let i = 0; i < 64; i++) g.append(s("rect", { x: (i * WIDTH / 64).toFixed(2), width: 1.9, height: 8, fill: viridis(i / 63) }));
  if (ramp2.log && ramp2.high / ramp2.low > 10) {
    for (const value of decades(ramp2.low, ramp2.high, 12)) {
      const x = (ramp2.at(value) ?? 0) * WIDTH;
      g.append(s("path", { d: `M${x.toFixed(1)} 8v3`, stroke: "var(--tx3)" }));
    }
  }
  ends2.forEach((value, i) => {
    const x = ends2.length === 1 ? WIDTH / 2 : i * WIDTH;
    g.append(s("text", { class: "wb-n", x, y: 22, "text-anchor": "middle" }, short(value)));
  });
  g.append(s("text", { x: WIDTH / 2, y: 21, "text-anchor": "middle" }, ends2.length === 1 ? "" : [unit, ramp2.log ? "log" : ""].filter(Boolean).join(", ")));
  svg.append(g);
  return svg;
}

// src/views/menu.ts
function menuButton(ctx, label, title, items) {
  const { root, signal } = ctx;
  const opener = h("button", { type: "button", class: "wb-btn wb-flat", title, "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": title }, label);
  let menu = null;
  const close = (refocus = true) => {
    if (!menu) return;
    menu.remove();
    menu = null;
    put(opener, { "aria-expanded": "false" });
    if (refocus) opener.focus();
  };
  const open = () => {
    menu = h("div", { class: "wb-menu", role: "menu", "aria-label": title });
    for (const item of items()) {
      const entry = h("button", { type: "button", class: "wb-btn wb-flat", role: "menuitem", title: item.title }, item.label);
      entry.addEventListener(
        "click",
        () => {
          close();
          item.act();
        },
        { signal }
      );
      menu.append(entry);
    }
    root.append(menu);
    const [box, at2] = [root.getBoundingClientRect(), opener.getBoundingClientRect()];
    menu.style.right = `${Math.max(4, Math.min(box.right - at2.right, box.width - menu.offsetWidth - 4))}px`;
    const below = at2.bottom - box.top + 4;
    menu.style.top = `${below + menu.offsetHeight > box.height ? Math.max(4, at2.top - box.top - menu.offsetHeight - 4) : below}px`;
    put(opener, { "aria-expanded": "true" });
    menu.firstElementChild?.focus();
    menu.addEventListener(
      "keydown",
      (event) => {
        event.stopPropagation();
        const all = [...menu.children];
        const now = all.indexOf(document.activeElement);
        if (event.key === "Escape" || event.key === "Tab") close();
        else if (event.key === "ArrowDown") all[(now + 1) % all.length]?.focus();
        else if (event.key === "ArrowUp") all[(now - 1 + all.length) % all.length]?.focus();
        else return;
        event.preventDefault();
      },
      { signal }
    );
  };
  opener.addEventListener("click", () => menu ? close() : open(), { signal });
  root.addEventListener(
    "pointerdown",
    (event) => {
      if (menu && !menu.contains(event.target) && !opener.contains(event.target)) close(false);
    },
    { signal }
  );
  return opener;
}

// src/views/search.ts
function matches(graph, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  return graph.nodes.filter((node2) => {
    const text = `${node2.id} ${node2.op} ${node2.shape.join("x")} ${node2.group}`.toLowerCase();
    return words.every((word) => text.includes(word.replaceAll("\xD7", "x")));
  }).map((node2) => node2.id);
}
function makeSearch(graph, changed, go, left, signal) {
  const input = h("input", { type: "text", placeholder: "name, operator or shape", "aria-label": "search nodes", spellcheck: "false" });
  const state = h("span", { class: "wb-lab", "aria-live": "polite" });
  let list = [];
  let at2 = -1;
  const found = { hits: /* @__PURE__ */ new Set() };
  const tell = () => say(state, input.value.trim() ? list.length ? `${at2 < 0 ? "" : `${at2 + 1} of `}${list.length}` : "no match" : "");
  const step = (by) => {
    if (!list.length) return;
    at2 = at2 < 0 ? by > 0 ? 0 : list.length - 1 : (at2 + by + list.length) % list.length;
    tell();
    go(list[at2]);
  };
  const close = () => {
    if (el.hidden) return false;
    el.hidden = true;
    input.value = "";
    [list, at2, found.hits] = [[], -1, /* @__PURE__ */ new Set()];
    tell();
    changed();
    left();
    return true;
  };
  input.addEventListener(
    "input",
    () => {
      list = matches(graph(), input.value);
      at2 = -1;
      found.hits = new Set(list);
      tell();
      changed();
    },
    { signal }
  );
  input.addEventListener(
    "keydown",
    (event) => {
      event.stopPropagation();
      if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
      else if (event.key === "ArrowDown") step(1);
      else if (event.key === "ArrowUp") step(-1);
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
    },
    { signal }
  );
  const el = h(
    "div",
    { class: "wb-search", role: "search", hidden: true },
    input,
    state,
    button("\u2191", "previous match (Shift+Enter)", () => step(-1), signal),
    button("\u2193", "next match (Enter)", () => step(1), signal),
    button("\u2715", "close search (Esc)", close, signal)
  );
  return {
    el,
    open() {
      el.hidden = false;
      input.focus();
      input.select();
    },
    close,
    get hits() {
      return found.hits;
    }
  };
}

// src/views/graph.ts
var EMPTY = { name: "", sha256: null, nodes: [], inputs: [], outputs: [] };
function graphPane(ctx, open) {
  const { model: model2, signal, unique, tip } = ctx;
  let graph = EMPTY;
  let groups = /* @__PURE__ */ new Map();
  let collapsed = /* @__PURE__ */ new Set();
  let horizontal = false;
  let cursor = null;
  let scene = null;
  let world = null;
  let prepared = null;
  let framed = false;
  const svg = s("svg", { "aria-hidden": "false" });
  const canvas = h("canvas", { hidden: true });
  const stage = h("div", { class: "wb-stage", tabindex: 0, role: "application", "aria-roledescription": "computation graph" }, svg, canvas);
  const title = h("b", {}, "Graph");
  const size = h("span", { class: "wb-lab wb-clip" });
  const shown = h("span", { class: "wb-for" });
  const scale = h("span", { class: "wb-drawn" });
  const overlayPick = picker("colour overlay", (key2) => write(model2, { overlay_key: key2 }), signal);
  const search = makeSearch(() => graph, paint, reveal, () => stage.focus(), signal);
  stage.append(search.el, shown);
  const camera = makeCamera({
    stage,
    signal,
    moved: () => {
      tip.hide();
      drawSoon();
    },
    clicked: (event) => {
      const fold = event.target.closest("[data-close]")?.getAttribute("data-close");
      stage.focus({ preventScroll: true });
      if (fold) return setCollapsed((set) => set.add(fold), `group:${fold}`);
      const box = boxUnder(event);
      if (!box) return;
      if (box.group && (cursor === box.id || event.detail > 1)) return expand(box.group);
      pick(box);
    }
  });
  const drawSoon = scheduler(draw, signal);
  const dims = () => [stage.clientWidth || 372, stage.clientHeight || 440];
  function settle() {
    const all = visible(graph, groups, collapsed);
    const n = all.boxes.length;
    const parents = all.boxes.map((box) => box.group ? box.group.parent : innermostOpen(box.id, all.open));
    const above = new Map(all.open.filter((g) => g.members.length > 1).map((g) => [g.path, g.parent]));
    const begun = performance.now();
    const placed = n <= DAGRE_LIMIT ? layoutDagre(n, all.edges, horizontal, parents, n <= 200 ? above : void 0) : layered(n, all.edges, horizontal);
    const took = performance.now() - begun;
    scene = { visible: all, placed, horizontal };
    const large2 = n > DRAW_LIMIT;
    canvas.hidden = !large2;
    put(svg, { hidden: large2 });
    svg.replaceChildren();
    world = null;
    if (!large2) {
      world = buildSvg(scene, unique);
      svg.append(definitions(unique), world);
    }
    put(stage, {
      "aria-label": `computation graph of ${graph.name}, ${n} of ${graph.nodes.length} nodes drawn`,
      "data-renderer": large2 ? "canvas" : "svg",
      "data-visible": n,
      "data-layout-ms": took.toFixed(1)
    });
    say(size, n === graph.nodes.length ? `${count(n)} nodes` : `${count(n)} boxes, ${count(graph.nodes.length)} nodes`);
    paint();
  }
  function innermostOpen(id, list) {
    let found = null;
    for (const group of list) if (group.members.length > 1 && group.members.includes(id)) found = group.path;
    return found;
  }
  function paintNow() {
    const overlay = model2.get("overlay");
    return { overlay, ramp: ramp(Object.values(overlay.values ?? {}), overlay.log ?? false), phases: model2.get("phases") ?? {}, cursor, hits: search.hits };
  }
  function paint() {
    if (!scene) return;
    const now = paintNow();
    if (world) paintSvg(world, scene, now, unique);
    prepared = canvas.hidden ? null : prepare(scene, now);
    const at2 = scene.visible.boxes.findIndex((box) => box.id === cursor);
    put(stage, { "aria-activedescendant": at2 >= 0 && world ? `${unique}-b${at2}` : null, "data-cursor": cursor });
    overlayPick.update(model2.get("overlays") ?? [], now.overlay.key ?? "");
    scale.replaceChildren(legend(now.ramp, now.overlay.unit ?? ""));
    freshness();
    drawSoon();
  }
  function freshness() {
    const stamp = model2.get("stamp");
    mark(stage, stamp, model2);
    mark(scale, stamp, model2);
    forLabel(shown, stamp, model2);
  }
  function draw() {
    if (!scene) return;
    if (world) {
      world.setAttribute("transform", `translate(${camera.x.toFixed(2)} ${camera.y.toFixed(2)}) scale(${camera.k.toFixed(4)})`);
    } else if (prepared) {
      const [w, height] = dims();
      const ratio = Math.min(devicePixelRatio || 1, 2);
      if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(w * ratio);
        canvas.height = Math.round(height * ratio);
      }
      const context = canvas.getContext("2d");
      const begun = performance.now();
      if (context) put(stage, { "data-drawn": drawCanvas(context, prepared, camera, w, height, ratio, palette()) });
      put(stage, { "data-draw-ms": (performance.now() - begun).toFixed(1) });
    }
    put(stage, { "data-zoom": camera.k.toFixed(3) });
  }
  let colours = null;
  function palette() {
    const c = (name) => ctx.colour(`--${name}`);
    const font = getComputedStyle(ctx.root).fontFamily || "sans-serif";
    colours ??= { bg: c("bg"), bg2: c("bg2"), line: c("line"), tx: c("tx"), tx2: c("tx2"), tx3: c("tx3"), acc: c("acc"), int: c("int"), int2: c("int2"), rnd: c("rnd"), font, mono: c("mono") };
    return colours;
  }
  function frame() {
    if (!scene || !stage.clientWidth) return;
    framed = true;
    fitTo(camera, scene.placed.width, scene.placed.height, ...dims(), scene.visible.boxes.length > DRAW_LIMIT ? 2e-3 : 0.62);
    if (scene.horizontal && scene.placed.width * camera.k > dims()[0]) camera.x = 6;
    if (cursor) showBox(cursor);
    drawSoon();
  }
  function fit() {
    if (!scene) return;
    fitTo(camera, scene.placed.width, scene.placed.height, ...dims());
    drawSoon();
  }
  function showBox(id) {
    const i = scene?.visible.boxes.findIndex((box) => box.id === id) ?? -1;
    if (!scene || i < 0) return;
    const [w, height] = dims();
    if (camera.k < 0.3) camera.k = 0.7;
    const [sx, sy] = [scene.placed.x[i] * camera.k + camera.x, scene.placed.y[i] * camera.k + camera.y];
    const [mx, my] = [Math.min(BOX.width / 2 * camera.k + 8, w / 2), BOX.height / 2 * camera.k + 4];
    if (sx < mx || sx > w - mx) camera.x += w / 2 - sx;
    if (sy < my || sy > height - my) camera.y += height / 2 - sy;
    drawSoon();
  }
  function boxUnder(event) {
    if (!scene) return null;
    const marked = event.target?.closest?.("[data-box]");
    if (marked) return scene.visible.boxes[Number(marked.getAttribute("data-box"))] ?? null;
    const at2 = stage.getBoundingClientRect();
    const x = (event.clientX - at2.left - camera.x) / camera.k;
    const y = (event.clientY - at2.top - camera.y) / camera.k;
    const { placed } = scene;
    const i = scene.visible.boxes.findIndex((_, b) => Math.abs(placed.x[b] - x) <= BOX.width / 2 && Math.abs(placed.y[b] - y) <= BOX.height / 2);
    return i < 0 ? null : scene.visible.boxes[i];
  }
  function pick(box) {
    cursor = box.id;
    showBox(cursor);
    if (box.node) {
      if (model2.get("selection").node !== box.node.id) write(model2, { selection: { node: box.node.id, index: null } });
    }
    paint();
    const where = scene.placed.rank[scene.visible.boxOf.get(box.members[0])] + 1;
    ctx.announce(box.node ? `${box.node.op} ${box.node.id}, shape ${shapeText(box.node.shape)}, layer ${where}` : `group ${box.group.label}, ${box.members.length} nodes, collapsed`);
  }
  function setCollapsed(change, then) {
    const before = cursor ?? then;
    const old = scene?.visible.boxes.findIndex((box) => box.id === before || box.id === then) ?? -1;
    const from = scene && old >= 0 ? [scene.placed.x[old] * camera.k + camera.x, scene.placed.y[old] * camera.k + camera.y] : null;
    const next = new Set(collapsed);
    change(next);
    collapsed = next;
    if (then !== null) cursor = then;
    settle();
    const now = scene.visible.boxes.findIndex((box) => box.id === cursor);
    if (from && now >= 0) {
      camera.x = from[0] - scene.placed.x[now] * camera.k;
      camera.y = from[1] - scene.placed.y[now] * camera.k;
      showBox(cursor);
    } else fit();
    drawSoon();
  }
  function expand(group) {
    const first = group.members[0];
    setCollapsed((set) => set.delete(group.path), null);
    const box = scene.visible.boxes[scene.visible.boxOf.get(first)];
    pick(box);
    ctx.announce(`group ${group.label} opened, ${scene.visible.boxes.length} boxes`);
  }
  function toggle() {
    const box = scene?.visible.boxes.find((b) => b.id === cursor);
    if (box?.group) return expand(box.group);
    const own = box ? innermostOpen(box.id, scene.visible.open) : null;
    if (own !== null) return setCollapsed((set) => set.add(own), `group:${own}`);
    if (groups.size) setCollapsed((set) => set.size ? set.clear() : [...groups.keys()].forEach((path) => set.add(path)), null);
    else ctx.toast("this graph has no groups to collapse");
  }
  function reveal(id) {
    const closed = pathTo(groups, collapsed, id);
    if (closed.length) {
      cursor = null;
      setCollapsed((set) => closed.forEach((path) => set.delete(path)), null);
    }
    const box = scene?.visible.boxes.find((b) => b.id === id);
    if (box) {
      if (camera.k < 0.5) camera.k = 0.8;
      pick(box);
    }
  }
  function takeSelection() {
    const node2 = model2.get("selection").node ?? null;
    const i = node2 === null ? void 0 : scene?.visible.boxOf.get(node2);
    const box = i === void 0 ? null : scene.visible.boxes[i];
    const changed = (box?.id ?? null) !== cursor;
    cursor = box?.id ?? null;
    if (changed && cursor && framed) showBox(cursor);
    paint();
  }
  function takeGraph() {
    const next = model2.get("graph");
    graph = "nodes" in next ? next : EMPTY;
    groups = findGroups(graph);
    collapsed = initialCollapse(graph, groups);
    cursor = model2.get("selection").node ?? null;
    settle();
    takeSelection();
    frame();
  }
  stage.addEventListener(
    "keydown",
    (event) => {
      if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
      const box = scene?.visible.boxes.find((b) => b.id === cursor);
      const boxes = scene?.visible.boxes ?? [];
      if (event.key.startsWith("Arrow")) {
        const from = box ? boxes.indexOf(box) : -1;
        const to = from < 0 ? 0 : neighbour(scene.placed, scene.visible.edges, from, event.key, horizontal);
        if (to !== null && boxes[to]) pick(boxes[to]);
      } else if (event.key === "Home" && boxes.length) pick(boxes[0]);
      else if (event.key === "End" && boxes.length) pick(boxes[boxes.length - 1]);
      else if (event.key === "Enter") box?.group ? expand(box.group) : open();
      else if (event.key === "Escape") {
        cursor = null;
        write(model2, { selection: { node: null, index: null } });
        paint();
        ctx.announce("nothing selected");
      } else if (event.key === "/") search.open();
      else if (event.key === "f") fit();
      else if (event.key === "c") toggle();
      else if (event.key === "+" || event.key === "=" || event.key === "-") {
        zoomAt(camera, event.key === "-" ? 0.8 : 1.25, dims()[0] / 2, dims()[1] / 2);
        drawSoon();
      } else if (event.key === "[" || event.key === "]") model2.send({ type: event.key === "[" ? "back" : "forward" });
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal }
  );
  stage.addEventListener(
    "pointermove",
    (event) => {
      if (event.buttons || event.target.closest(".wb-search")) return tip.hide();
      const box = boxUnder(event);
      if (box) tip.show(describe(box), event.clientX, event.clientY);
      else tip.hide();
    },
    { signal }
  );
  stage.addEventListener("pointerleave", () => tip.hide(), { signal });
  stage.addEventListener("dblclick", (event) => !boxUnder(event) && fit(), { signal });
  function describe(box) {
    const now = paintNow();
    const value = overlayValue(box, now);
    const sum = phaseSum(box, now.phases);
    const lines = [h("b", {}, boxTitle(box)), boxName(box)];
    if (box.node) {
      const about = graph.ops?.[box.node.op];
      if (about?.formula) lines.push(h("div", { class: "wb-num" }, about.formula));
      lines.push(h("div", { class: "wb-num" }, `${box.node.dtype} ${shapeText(box.node.shape)}${box.node.params ? `, ${count(box.node.params)} parameters` : ""}`));
      if (box.node.group) lines.push(h("div", { class: "wb-lab" }, box.node.group));
    } else lines.push(h("div", { class: "wb-lab" }, "Enter, or a second click, opens the group"));
    if (sum) lines.push(`${count(sum[0])} on, ${count(sum[1])} unstable, ${count(sum[2])} off`);
    if (value !== null) lines.push(`${now.overlay.label ?? ""}: ${short(value, 4)} ${now.overlay.unit ?? ""}${model2.get("stamp") ? ` (\u03B5 ${short(model2.get("stamp").eps, 6)})` : ""}`);
    return lines;
  }
  const file = () => safeName(graph.name);
  const picture = () => svgText(ctx.root, scene, paintNow(), graph.name);
  const menu = menuButton(ctx, "\u22EF", "graph: layout, export, code", () => [
    { label: horizontal ? "lay out top down" : "lay out left to right", act: turn },
    { label: "open all groups", act: () => setCollapsed((set) => set.clear(), null) },
    { label: "close all groups", act: () => setCollapsed((set) => [...groups.keys()].forEach((path) => set.add(path)), null) },
    { label: "save SVG", act: () => save(`${file()}.svg`, new Blob([picture()], { type: "image/svg+xml" })) },
    { label: "save PNG", act: () => void savePng(picture(), file()).catch((error) => ctx.toast(error.message)) },
    { label: "save DOT", act: () => save(`${file()}.dot`, new Blob([toDot(graph)], { type: "text/vnd.graphviz" })) },
    { label: "save JSON", act: () => save(`${file()}.json`, new Blob([toJson(graph, model2.get("overlay"), model2.get("phases"), model2.get("stamp"))], { type: "application/json" })) },
    { label: "copy code", act: () => ctx.copy(model2.get("code")["graph"] ?? "", "the code of this view") }
  ]);
  function turn() {
    horizontal = !horizontal;
    put(stage, { "data-direction": horizontal ? "LR" : "TB" });
    settle();
    frame();
  }
  const tool = (key2, label, hint, act) => {
    const el2 = button("", hint, act, signal);
    el2.append(h("kbd", {}, key2), label);
    return el2;
  };
  const el = h(
    "div",
    { class: "wb-pane wb-graph" },
    h(
      "div",
      { class: "wb-head" },
      title,
      size,
      h("span", { class: "wb-grow" }),
      tool("/", "search", "search nodes (/)", () => search.open()),
      tool("f", "fit", "show the whole graph (f)", fit),
      tool("c", "collapse", "close or open the group (c)", toggle),
      menu
    ),
    stage,
    h("div", { class: "wb-foot" }, overlayPick.el, scale, h("span", { class: "wb-grow" }))
  );
  ctx.watch(["graph"], takeGraph);
  ctx.watch(["selection"], takeSelection);
  ctx.watch(["overlay", "overlays", "phases", "stamp"], scheduler(paint, signal));
  ctx.watch(["eps", "method", "format", "example", "controls", "status"], freshness);
  ctx.onTheme(() => {
    colours = null;
    drawSoon();
  });
  onResize(stage, () => framed ? drawSoon() : frame(), signal);
  takeGraph();
  return { el, focus: () => stage.focus({ preventScroll: true }) };
}

// src/views/render.ts
function widget(label, draw) {
  return {
    initialize() {
    },
    render({ model: model2, el, signal }) {
      const own = new AbortController();
      if (signal?.aborted) own.abort();
      signal?.addEventListener("abort", () => own.abort(), { once: true, signal: own.signal });
      el.setAttribute("data-lm-suppress-shortcuts", "true");
      draw(mount(el, model2, own.signal, label));
      return () => own.abort();
    }
  };
}

// src/entries/graph.ts
var graph_default = widget("computation graph", (ctx) => {
  ctx.root.classList.add("wb-alone");
  ctx.root.append(graphPane(ctx, () => void 0).el);
});

// src/core/neurons.ts
function drawn(detail, side) {
  const a = detail.arrays;
  const pre = side === "input" && a["pre_lower"] && a["pre_upper"];
  const lower = pre ? a["pre_lower"] : a["lower"];
  const upper = pre ? a["pre_upper"] : a["upper"];
  if (!lower || !upper) return null;
  const get = (key2) => a[pre ? `pre_${key2}` : key2] ?? null;
  return {
    lower,
    upper,
    looseLower: get("lower_loose"),
    looseUpper: get("upper_loose"),
    center: get("center"),
    samples: get("samples")
  };
}
var hasInput = (detail) => detail.arrays["pre_lower"] !== void 0;
function phase(detail, i) {
  const lower = detail.arrays["pre_lower"]?.[i];
  const upper = detail.arrays["pre_upper"]?.[i];
  if (lower === void 0 || upper === void 0 || Number.isNaN(lower) || Number.isNaN(upper)) return null;
  return lower >= 0 ? "on" : upper <= 0 ? "off" : "unstable";
}
var indexAt = (detail, i) => detail.arrays["index"]?.[i] ?? i;
function positionOf(detail, index) {
  if (index === null || index === void 0) return -1;
  const list = detail.arrays["index"];
  if (!list) return index >= 0 && index < detail.header.rows ? index : -1;
  let low = 0;
  let high = list.length - 1;
  while (low <= high) {
    const middle = low + high >> 1;
    if (list[middle] === index) return middle;
    if (list[middle] < index) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
function order(detail, side, sort, filter) {
  const view = drawn(detail, side);
  const rows = detail.header.rows;
  let list = Int32Array.from({ length: rows }, (_, i) => i);
  if (filter === "unstable" && hasInput(detail)) list = list.filter((i) => phase(detail, i) === "unstable");
  if (!view || sort === "index") return list;
  const worst = (v) => Number.isNaN(v) ? Infinity : v;
  const key2 = sort === "width" ? (i) => worst(view.upper[i] - view.lower[i]) : sort === "lower" ? (i) => view.lower[i] : (i) => view.center?.[i] ?? (view.lower[i] + view.upper[i]) / 2;
  const keys = Float64Array.from({ length: rows }, (_, i) => worst(key2(i)));
  return list.sort((a, b) => keys[a] === keys[b] ? a - b : keys[b] > keys[a] ? 1 : -1);
}
function range(view) {
  let low = Infinity;
  let high = -Infinity;
  const take = (values) => {
    if (!values) return;
    for (const v of values) {
      if (!Number.isFinite(v)) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
  };
  take(view.lower);
  take(view.upper);
  take(view.center);
  take(view.samples);
  if (low > high) return null;
  const span = high - low || Math.abs(high) || 1;
  const tight = [low, high];
  take(view.looseLower);
  take(view.looseUpper);
  return [Math.max(low, tight[0] - span), Math.min(high, tight[1] + span)];
}
function pictures(shape) {
  let dims = [...shape];
  while (dims.length > 1 && dims[0] === 1) dims = dims.slice(1);
  if (dims.length === 3 && dims[1] > 1 && dims[2] > 1) return { channels: dims[0], height: dims[1], width: dims[2] };
  if (dims.length === 2 && dims[0] >= 4 && dims[1] >= 4 && dims[0] * dims[1] <= 1e5) {
    return { channels: 1, height: dims[0], width: dims[1] };
  }
  return null;
}
function square(shape) {
  const n = shape.reduce((a, b) => a * b, 1);
  const side = Math.round(Math.sqrt(n));
  return side * side === n && side >= 5 && shape.filter((d) => d > 1).length === 1 ? { channels: 1, height: side, width: side } : null;
}

// src/views/chart.ts
var LEFT = 50;
var RIGHT = 8;
var TOP = 10;
var TALL = 214;
var LOW = 184;
var STRIP = 30;
function makeChart(ctx, choose) {
  const { signal, tip } = ctx;
  let data = null;
  let start = 0;
  let slot = 0;
  let HEIGHT = TALL;
  let key2 = "";
  const grid = s("g");
  const marks = s("g");
  const chosen = s("rect", { class: "wb-chosen", fill: "none", stroke: "var(--acc)", "stroke-width": 1.5, rx: 3, hidden: true });
  const hover = s("rect", { fill: "var(--acc)", "fill-opacity": 0.1, hidden: true });
  const svg = s("svg", { class: "wb-plot", tabindex: 0, role: "listbox", "aria-orientation": "horizontal", height: TALL }, grid, hover, marks, chosen);
  const strip = h("canvas", { class: "wb-plot", height: STRIP, hidden: true, role: "img", "aria-label": "all neurons: drag to move the part that is shown" });
  const where = h("span", { class: "wb-lab" });
  const pager = h(
    "span",
    { class: "wb-row", hidden: true, style: "flex:none;gap:2px" },
    button("\u2039", "earlier neurons (Page Up)", () => move(-1), signal),
    where,
    button("\u203A", "later neurons (Page Down)", () => move(1), signal),
    button("\u2212", "narrower: more neurons (-)", () => widen(0.7), signal),
    button("+", "wider: fewer neurons (+)", () => widen(1.4), signal)
  );
  const el = h("div", {}, svg, strip);
  const drawSoon = scheduler(draw, signal);
  let measured = 0;
  const measure = () => void (measured = svg.clientWidth || el.clientWidth);
  const width = () => Math.max(200, measured || 720);
  const room = () => width() - LEFT - RIGHT;
  const perPage = () => Math.max(1, Math.min(data?.order.length ?? 1, Math.floor(room() / (slot || (room() / (data?.order.length ?? 1) >= 3.6 ? 3.6 : 5.5))), 400));
  function move(pages) {
    start += pages * perPage();
    draw();
  }
  function widen(factor) {
    const middle = start + perPage() / 2;
    slot = Math.min(Math.max((slot || room() / perPage()) * factor, 2.2), 40);
    start = Math.round(middle - perPage() / 2);
    draw();
  }
  function slots() {
    const list = data.order;
    const n = perPage();
    start = Math.min(Math.max(start, 0), Math.max(0, list.length - n));
    const step = Math.min(room() / n, 40);
    const w = Math.min(Math.max(1.4, step * 0.7), 18);
    return Array.from(list.subarray(start, start + n), (i, k) => {
      const mid = LEFT + (k + 0.5) * step;
      return { i, x: mid - w / 2, w, mid };
    });
  }
  function draw() {
    hover.setAttribute("hidden", "");
    if (!measured) measure();
    if (!data) {
      grid.replaceChildren();
      marks.replaceChildren();
      put(chosen, { hidden: true });
      return;
    }
    const W3 = width();
    HEIGHT = data.order.length > perPage() ? LOW : TALL;
    const bottom = HEIGHT - 10;
    put(svg, { height: HEIGHT, viewBox: `0 0 ${W3} ${HEIGHT}`, "aria-label": data.label });
    const axis = data.axis(TOP, bottom);
    grid.replaceChildren(
      ...axis.ticks.flatMap((tick) => {
        const y = axis.y(tick.at).toFixed(1);
        return [
          s("line", { x1: LEFT, x2: W3 - RIGHT, y1: y, y2: y, stroke: tick.strong ? "var(--tx3)" : "var(--line2)" }),
          s("text", { class: "wb-n", x: LEFT - 6, y: Number(y) + 4, "text-anchor": "end" }, tick.label)
        ];
      })
    );
    const list = slots();
    data.marks(marks, list, axis);
    const at2 = list.find((one) => one.i === data.selected);
    put(chosen, at2 ? { hidden: false, x: at2.x - 3, y: TOP - 6, width: at2.w + 6, height: bottom - TOP + 12 } : { hidden: true });
    put(svg, { "aria-activedescendant": at2 ? `${ctx.unique}-n${indexAt(data.detail, at2.i)}` : null, "data-shown": list.length, "data-start": start });
    const total = data.order.length;
    const paged = total > list.length;
    pager.hidden = !paged && slot === 0;
    strip.hidden = !paged;
    const unit = data.detail.header.bin > 1 ? "bins" : "neurons";
    say(where, `${count(start + 1)}\u2013${count(start + list.length)} of ${count(total)} ${unit}`);
    if (paged) drawStrip(list.length);
  }
  function drawStrip(n) {
    const W3 = width();
    const ratio = Math.min(devicePixelRatio || 1, 2);
    strip.width = Math.round(W3 * ratio);
    strip.height = Math.round(STRIP * ratio);
    strip.style.height = `${STRIP}px`;
    const context = strip.getContext("2d");
    if (!context || !data) return;
    context.scale(ratio, ratio);
    const axis = data.axis(4, STRIP - 4);
    const total = data.order.length;
    const columns = Math.floor(room());
    const [plain, strong] = (data.hues ?? ["--int2", "--int"]).map(ctx.colour);
    for (let c = 0; c < columns; c++) {
      const from = Math.floor(c * total / columns);
      const to = Math.max(from + 1, Math.floor((c + 1) * total / columns));
      let [low, high, attention] = [Infinity, -Infinity, false];
      for (let k = from; k < to; k++) {
        const [a, b, flag] = data.strip(data.order[k]);
        if (a < low) low = a;
        if (b > high) high = b;
        attention ||= flag;
      }
      if (!(low <= high)) continue;
      const [y0, y1] = [axis.y(high), axis.y(low)];
      context.fillStyle = attention ? strong : plain;
      context.fillRect(LEFT + c, y0, 1, Math.max(1, y1 - y0));
    }
    context.strokeStyle = ctx.colour("--acc");
    context.lineWidth = 1.5;
    context.strokeRect(LEFT + start / total * room(), 1, Math.max(3, n / total * room()), STRIP - 2);
  }
  function slotUnder(event) {
    if (!data) return null;
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * width() / (box.width || width());
    const list = slots();
    const step = list.length > 1 ? list[1].mid - list[0].mid : 40;
    return list.find((one) => Math.abs(one.mid - x) <= step / 2) ?? null;
  }
  function pick(i) {
    if (!data) return;
    const at2 = data.order.indexOf(i);
    const n = perPage();
    if (at2 < start) start = at2 - Math.floor(n / 4);
    else if (at2 >= start + n) start = at2 - Math.ceil(3 * n / 4);
    choose(indexAt(data.detail, i));
  }
  svg.addEventListener(
    "click",
    (event) => {
      const own = event.target.closest("[data-i]")?.getAttribute("data-i");
      const at2 = own !== null && own !== void 0 ? Number(own) : slotUnder(event)?.i;
      svg.focus({ preventScroll: true });
      if (at2 !== void 0) pick(at2);
    },
    { signal }
  );
  svg.addEventListener(
    "pointermove",
    (event) => {
      const at2 = slotUnder(event);
      if (!at2 || !data) {
        tip.hide();
        return put(hover, { hidden: true });
      }
      put(hover, { hidden: false, x: at2.x - 2, y: TOP - 4, width: at2.w + 4, height: HEIGHT - 10 });
      tip.show(data.describe(at2.i), event.clientX, event.clientY);
    },
    { signal }
  );
  svg.addEventListener(
    "pointerleave",
    () => {
      tip.hide();
      put(hover, { hidden: true });
    },
    { signal }
  );
  svg.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      widen(Math.exp(-event.deltaY * 4e-3));
    },
    { signal, passive: false }
  );
  svg.addEventListener(
    "keydown",
    (event) => {
      if (!data || event.ctrlKey || event.metaKey || event.altKey) return;
      const now = data.order.indexOf(data.selected);
      const last = data.order.length - 1;
      const step = {
        ArrowRight: now + 1,
        ArrowLeft: now < 0 ? 0 : now - 1,
        ArrowDown: now + 1,
        ArrowUp: now < 0 ? 0 : now - 1,
        PageDown: now + perPage(),
        PageUp: now - perPage(),
        Home: 0,
        End: last
      };
      if (event.key === "+" || event.key === "-") widen(event.key === "+" ? 1.4 : 0.7);
      else if (event.key in step && last >= 0) pick(data.order[Math.min(Math.max(step[event.key], 0), last)]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal }
  );
  const drag = (event) => {
    if (!data || event.type === "pointermove" && !event.buttons) return;
    if (event.type === "pointerdown") strip.setPointerCapture?.(event.pointerId);
    const box = strip.getBoundingClientRect();
    start = Math.round((event.clientX - box.left - LEFT) / room() * data.order.length - perPage() / 2);
    drawSoon();
  };
  strip.addEventListener("pointerdown", drag, { signal });
  strip.addEventListener("pointermove", drag, { signal });
  onResize(
    el,
    () => {
      const before = measured;
      measure();
      if (measured !== before) drawSoon();
    },
    signal
  );
  ctx.onTheme(drawSoon);
  return {
    el,
    svg,
    pager,
    show(next) {
      const nextKey = next ? `${next.detail.header.node} ${next.detail.header.window}` : "";
      if (nextKey !== key2) {
        key2 = nextKey;
        start = 0;
        slot = 0;
      }
      const moved = next && data && next.selected !== data.selected;
      data = next;
      if (next && next.selected >= 0 && (moved || start === 0)) {
        const at2 = next.order.indexOf(next.selected);
        if (at2 >= 0 && (at2 < start || at2 >= start + perPage())) start = at2 - Math.floor(perPage() / 2);
      }
      draw();
    },
    focus: () => svg.focus({ preventScroll: true })
  };
}
function pool(layer, tag, name, n) {
  const have = [...layer.querySelectorAll(`:scope > .${name}`)];
  while (have.length > n) have.pop().remove();
  while (have.length < n) {
    const made = s(tag, { class: name });
    layer.append(made);
    have.push(made);
  }
  return have;
}

// src/views/bars.ts
function linearAxis(low, high, top, bottom) {
  const y = (v) => bottom - (Math.min(Math.max(v, low), high) - low) / (high - low || 1) * (bottom - top);
  const marks = ticks(low, high, Math.max(2, Math.floor((bottom - top) / 22)));
  return { y, ticks: marks.map((at2) => ({ at: at2, label: short(at2, 4), strong: at2 === 0 })) };
}
function stateOf(detail, view, i) {
  const [lo, hi] = [view.lower[i], view.upper[i]];
  if (Number.isNaN(lo) || Number.isNaN(hi)) return "nan";
  if (!Number.isFinite(lo) || !Number.isFinite(hi)) return "infinite";
  return phase(detail, i) ?? "plain";
}
var n1 = (v) => v.toFixed(1);
function drawBars(ctx, detail, view, layer, slots, axis, selected) {
  const { unique } = ctx;
  const top = axis.y(Infinity);
  const bottom = axis.y(-Infinity);
  const one = (name, attrs) => {
    const el = pool(layer, "path", name, 1)[0];
    put(el, attrs);
    return el;
  };
  const [hull, loose, haze] = ["", "", ""];
  const paths = { hull, loose, haze, caps: "", dots: "", arrows: "", crosses: "" };
  const { header, arrays } = detail;
  const [hullLower, hullUpper] = [arrays["hull_lower"], arrays["hull_upper"]];
  for (const { i, x, w, mid } of slots) {
    const block = (lo2, hi2, grow) => `M${n1(x - grow)} ${n1(axis.y(hi2))}h${n1(w + 2 * grow)}V${n1(Math.max(axis.y(lo2), axis.y(hi2) + 1))}h${n1(-w - 2 * grow)}z`;
    if (hullLower && hullUpper && !Number.isNaN(hullLower[i])) paths.hull += block(hullLower[i], hullUpper[i], 1);
    if (view.looseLower && view.looseUpper && !Number.isNaN(view.looseLower[i])) paths.loose += block(view.looseLower[i], view.looseUpper[i], 0);
    const [lo, hi] = [view.lower[i], view.upper[i]];
    if (Number.isNaN(lo) || Number.isNaN(hi)) {
      paths.crosses += `M${n1(x)} ${n1(bottom)}L${n1(x + w)} ${n1(bottom - w)}M${n1(x)} ${n1(bottom - w)}L${n1(x + w)} ${n1(bottom)}`;
    } else {
      const grow = Math.min(1.5, w * 0.25);
      for (const end of [lo, hi]) if (Number.isFinite(end)) paths.caps += `M${n1(x - grow)} ${n1(axis.y(end))}h${n1(w + 2 * grow)}`;
      if (hi === Infinity) paths.arrows += `M${n1(mid - 3)} ${n1(top + 4)}L${n1(mid)} ${n1(top - 1)}L${n1(mid + 3)} ${n1(top + 4)}`;
      if (lo === -Infinity) paths.arrows += `M${n1(mid - 3)} ${n1(bottom - 4)}L${n1(mid)} ${n1(bottom + 1)}L${n1(mid + 3)} ${n1(bottom - 4)}`;
    }
    if (view.samples) {
      for (let k = 0; k < header.samples; k++) {
        const v = view.samples[k * header.rows + i];
        if (Number.isFinite(v)) paths.haze += `M${n1(mid - w * 0.32)} ${n1(axis.y(v))}h${n1(w * 0.64)}`;
      }
    }
    const c = view.center?.[i];
    if (c !== void 0 && Number.isFinite(c)) paths.dots += `M${n1(mid)} ${n1(axis.y(c))}h0.01`;
  }
  one("wb-m-hull", { d: paths.hull, fill: "var(--int2)", "fill-opacity": 0.25 });
  one("wb-m-loose", { d: paths.loose, fill: "var(--int2)", "fill-opacity": 0.45 });
  let group = layer.querySelector(":scope > .wb-m-bars");
  if (!group) {
    group = document.createElementNS("http://www.w3.org/2000/svg", "g");
    group.setAttribute("class", "wb-m-bars");
    layer.append(group);
  }
  const bars = pool(group, "rect", "wb-m-bar", slots.length);
  slots.forEach(({ i, x, w }, k) => {
    const bar2 = bars[k];
    const index = indexAt(detail, i);
    const state = stateOf(detail, view, i);
    const look = state === "infinite" ? phase(detail, i) ?? "plain" : state;
    const [lo, hi] = [view.lower[i], view.upper[i]];
    const y = state === "nan" ? top : axis.y(hi);
    const own = { lo: arrays["lower"]?.[i], hi: arrays["upper"]?.[i] };
    const pre = view.lower === arrays["pre_lower"];
    put(bar2, {
      class: `wb-m-bar wb-p-${look}`,
      id: `${unique}-n${index}`,
      role: "option",
      "aria-selected": String(i === selected),
      "aria-label": `neuron ${index}, ${short(lo, 4)} to ${short(hi, 4)}, ${state}`,
      fill: look === "unstable" ? `url(#${unique}-h)` : state === "nan" ? "none" : null,
      "stroke-width": 0.7,
      "stroke-dasharray": state === "nan" ? "2 2" : null,
      x: n1(x),
      y: n1(y),
      width: n1(w),
      height: n1(state === "nan" ? bottom - top : Math.max(1.5, axis.y(lo) - y)),
      "data-i": i,
      "data-index": index,
      "data-lo": own.lo === void 0 ? null : exact(own.lo),
      "data-hi": own.hi === void 0 ? null : exact(own.hi),
      "data-pre-lo": pre ? exact(lo) : null,
      "data-pre-hi": pre ? exact(hi) : null,
      "data-eps": exact(header.eps),
      "data-seq": header.seq,
      "data-method": header.method,
      "data-state": state
    });
  });
  one("wb-m-caps", { d: paths.caps, stroke: "var(--int)", "stroke-width": 1.3, fill: "none", "pointer-events": "none" });
  one("wb-m-arrows", { d: paths.arrows, stroke: "var(--int)", "stroke-width": 1.5, fill: "none", "pointer-events": "none" });
  one("wb-m-crosses", { d: paths.crosses, stroke: "var(--no)", "stroke-width": 1.3, fill: "none", "pointer-events": "none" });
  one("wb-m-haze", { d: paths.haze, stroke: "var(--pt)", "stroke-opacity": 0.3, "stroke-width": 1, fill: "none", "pointer-events": "none" });
  one("wb-m-dots", { d: paths.dots, stroke: "var(--pt)", "stroke-width": 3, "stroke-linecap": "round", fill: "none", "pointer-events": "none" });
}
function describeBar(detail, view, side, i) {
  const { header, arrays } = detail;
  const [lo, hi] = [view.lower[i], view.upper[i]];
  const state = stateOf(detail, view, i);
  const words = { nan: "no bound: the method met a NaN", infinite: "not bounded on one side", on: "always on", off: "always off", unstable: "unstable: 0 lies inside" };
  const lines = [h("b", {}, `neuron ${indexAt(detail, i)}`)];
  if (header.bin > 1) lines.push(`the widest of ${header.bin} neurons; the pale bar holds all of them`);
  lines.push(h("div", { class: "wb-num" }, `${methodLabel(header.method)} [${outward(lo, false, 5)}, ${outward(hi, true, 5)}]`));
  if (view.looseLower && view.looseUpper) lines.push(h("div", { class: "wb-num" }, `IBP [${outward(view.looseLower[i], false, 5)}, ${outward(view.looseUpper[i], true, 5)}]`));
  if (view.center) lines.push(h("div", { class: "wb-num" }, `centre ${short(view.center[i], 5)}`));
  if (words[state]) lines.push(words[state]);
  if (side === "input" && header.operand !== null && view.lower === arrays["pre_lower"]) lines.push(h("div", { class: "wb-lab" }, `before ${header.op.toLowerCase()}: the value of ${header.operand}`));
  return lines;
}

// src/views/inspect.ts
function detailSource(ctx) {
  let header;
  let bytes;
  let made = null;
  return {
    detail() {
      const [h1, b1] = [ctx.model.get("detail"), ctx.model.get("detail_data")];
      if (h1 !== header || b1 !== bytes) {
        [header, bytes] = [h1, b1];
        made = decodeDetail(h1, b1);
      }
      return made;
    }
  };
}
function chooseNeuron(ctx, node2, index) {
  const now = ctx.model.get("selection");
  if (now.node === node2 && now.index === index) return;
  write(ctx.model, { selection: { node: node2, index } });
}
function chosenIndex(ctx, node2) {
  const now = ctx.model.get("selection");
  return now.node === node2 ? now.index ?? null : null;
}
function empty(ctx, what) {
  const node2 = ctx.model.get("selection").node ?? null;
  const status = ctx.model.get("status");
  const box = (head, text) => h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, head), text);
  if (node2 === null) return box("No node is selected", `Click a node of the graph, or walk it with the arrow keys, to see its ${what}.`);
  if (status.state === "computing") return box("Computing\u2026", `The ${what} of ${node2} will stand here.`);
  if (status.state === "failed") return box("Nothing could be computed", status.message ?? "");
  if (status.state === "cancelled") return box("Cancelled", "Change a setting, or press Compute, to start again.");
  return box("Nothing is known of this node yet", `Choose an input and an epsilon to compute the ${what} of ${node2}.`);
}

// src/views/maps.ts
var ON = [31, 111, 209];
var UNSTABLE = [230, 159, 0];
var OFF = [214, 221, 230];
function quantities(detail, view) {
  const found = {
    width: { label: "width", unit: "", log: true, value: (i) => view.upper[i] - view.lower[i] }
  };
  if (view.center) found["center"] = { label: "centre value", unit: "", log: false, value: (i) => view.center[i] };
  found["lower"] = { label: "lower", unit: "", log: false, value: (i) => view.lower[i] };
  found["upper"] = { label: "upper", unit: "", log: false, value: (i) => view.upper[i] };
  if (detail.arrays["pre_lower"]) {
    const code = { on: 2, unstable: 1, off: 0 };
    found["phase"] = {
      label: "phase",
      unit: "",
      log: false,
      value: (i) => {
        const own = phase(detail, i);
        return own ? code[own] : NaN;
      },
      paint: (v) => [OFF, UNSTABLE, ON][v]
    };
  }
  return found;
}
function diverging(limit) {
  const mix = (a, b, t) => Math.round(a + (b - a) * t);
  return (v) => {
    const t = Math.min(Math.abs(v) / (limit || 1), 1);
    const end = v < 0 ? [0, 90, 181] : [200, 90, 0];
    return [mix(245, end[0], t), mix(245, end[1], t), mix(245, end[2], t)];
  };
}
var PAGE = 64;
function makeMaps(ctx, choose) {
  const { signal, tip } = ctx;
  const grid = h("div", { class: "wb-maps" });
  const foot = h("div", { class: "wb-row" });
  const el = h("div", { class: "wb-maps-pane" }, grid, foot);
  let now = null;
  let first = 0;
  let node2 = "";
  const at2 = (event) => {
    const canvas = event.target.closest("canvas");
    const map = canvas?.closest("[data-channel]");
    if (!canvas || !map || !now) return null;
    const box = canvas.getBoundingClientRect();
    const { picture } = now;
    const px = Math.min(picture.width - 1, Math.max(0, Math.floor((event.clientX - box.left) / (box.width || 1) * picture.width)));
    const py = Math.min(picture.height - 1, Math.max(0, Math.floor((event.clientY - box.top) / (box.height || 1) * picture.height)));
    return (Number(map.dataset["channel"]) * picture.height + py) * picture.width + px;
  };
  grid.addEventListener(
    "click",
    (event) => {
      const index = at2(event);
      if (index !== null) choose(index);
    },
    { signal }
  );
  grid.addEventListener(
    "pointermove",
    (event) => {
      const index = at2(event);
      const i = index === null || !now ? -1 : positionOf(now.detail, index);
      if (i < 0 || !now) return tip.hide();
      const v = now.quantity.value(i);
      const text = now.quantity.paint && now.quantity.label === "phase" ? phase(now.detail, i) ?? "unknown" : short(v, 5);
      tip.show([h("b", {}, `neuron ${index}`), h("div", { class: "wb-num" }, `${now.quantity.label} ${text}`)], event.clientX, event.clientY);
    },
    { signal }
  );
  grid.addEventListener("pointerleave", () => tip.hide(), { signal });
  const turn = (by) => {
    first += by;
    if (now) draw(-1);
  };
  const back = h("button", { type: "button", class: "wb-btn wb-flat", title: "earlier channels" }, "\u2039");
  const next = h("button", { type: "button", class: "wb-btn wb-flat", title: "later channels" }, "\u203A");
  back.addEventListener("click", () => turn(-PAGE), { signal });
  next.addEventListener("click", () => turn(PAGE), { signal });
  function draw(selected) {
    const { detail, picture, quantity, zoom } = now;
    const size = picture.height * picture.width;
    const begin = indexAt(detail, 0);
    const end = begin + detail.header.rows;
    const [low, high] = [Math.ceil(begin / size), Math.floor(end / size)];
    first = Math.min(Math.max(first, low), Math.max(low, high - 1));
    const last = Math.min(first + PAGE, high);
    let scale = null;
    if (!quantity.paint) scale = ramp(Array.from({ length: detail.header.rows }, (_, i) => quantity.value(i)), quantity.log);
    const maps = [];
    for (let channel = first; channel < last; channel++) {
      const canvas = h("canvas", { width: picture.width, height: picture.height, style: `width:${picture.width * zoom}px;height:${picture.height * zoom}px` });
      const context = canvas.getContext("2d");
      if (context) {
        const image = context.createImageData(picture.width, picture.height);
        for (let p = 0; p < size; p++) {
          const i = channel * size + p - begin;
          const v = quantity.value(i);
          const colour = Number.isNaN(v) ? null : quantity.paint ? quantity.paint(v) : viridisRGB(scale?.at(v) ?? 0);
          if (colour) image.data.set([...colour, 255], 4 * p);
          else image.data.set([179, 38, 30, (p + Math.floor(p / picture.width)) % 2 ? 255 : 60], 4 * p);
        }
        context.putImageData(image, 0, 0);
        const own = selected - channel * size;
        if (own >= 0 && own < size && zoom >= 2) {
          const overlay = h("span", { "aria-hidden": "true", style: `position:absolute;pointer-events:none;outline:2px solid var(--acc);left:${own % picture.width * zoom + 1}px;top:${Math.floor(own / picture.width) * zoom + 1}px;width:${zoom}px;height:${zoom}px` });
          maps.push(h("figure", { class: "wb-map", "data-channel": channel, "data-selected": "true", style: "position:relative" }, canvas, overlay, h("figcaption", {}, String(channel))));
          continue;
        }
      }
      maps.push(h("figure", { class: "wb-map", "data-channel": channel }, canvas, h("figcaption", {}, picture.channels > 1 ? String(channel) : "")));
    }
    grid.replaceChildren(...maps);
    put(grid, { "data-eps": detail.header.eps, "data-seq": detail.header.seq, "data-method": detail.header.method });
    const words = quantity.label === "phase" ? phaseKey() : [h("span", { class: "wb-lab" }, quantity.label), ...scale ? [legend(scale, quantity.unit)] : []];
    foot.replaceChildren(...words, h("span", { class: "wb-grow" }));
    if (high - low > last - first) foot.append(back, h("span", { class: "wb-lab" }, `channels ${first}\u2013${last - 1} of ${count(picture.channels)}`), next);
  }
  return {
    el,
    show(detail, picture, quantity, selected) {
      if (node2 !== detail.header.node) first = 0;
      node2 = detail.header.node ?? "";
      const wide = el.clientWidth || 700;
      const columns = Math.ceil(Math.sqrt(Math.min(picture.channels, PAGE) * 1.8));
      const zoom = Math.max(1, Math.min(14, Math.floor((wide / columns - 10) / picture.width), Math.floor(220 / picture.height)));
      now = { detail, picture, quantity, zoom };
      draw(selected);
    }
  };
}
function phaseKey() {
  return [["always on", ON], ["unstable", UNSTABLE], ["always off", OFF]].map(
    ([name, rgb]) => h("span", { class: "wb-chip" }, h("span", { style: `width:11px;height:11px;border:1px solid var(--tx3);background:rgb(${rgb.join()})` }), name)
  );
}

// src/views/neuron.ts
var W2 = 360;
var H2 = 178;
var term = (line) => {
  const [a, b] = [line.slope, line.offset];
  const first = a === 0 ? "" : a === 1 ? "z" : `${short(a, 4)}\u2009z`;
  if (b === 0) return first || "0";
  return first ? `${first} ${b < 0 ? "\u2212" : "+"} ${short(Math.abs(b), 4)}` : short(b, 4);
};
function relaxationPicture(r) {
  const value = (line, z2) => line.slope * z2 + line.offset;
  const ends2 = [r.l, r.u];
  const heights = [...r.curve.map((p2) => p2[1]), ...[r.lower, r.upper].flatMap((line) => line ? ends2.map((z2) => value(line, z2)) : [])];
  const pad = (r.u - r.l) * 0.28 || Math.abs(r.l) * 0.2 || 1;
  const xs = [r.l - pad, r.u + pad];
  let [y0, y1] = [Math.min(...heights, 0), Math.max(...heights, 0)];
  const room = Math.max((y1 - y0) * 0.12, (r.u - r.l) * 0.25) || 1;
  [y0, y1] = [y0 - room, y1 + room];
  const x = (z2) => 40 + (z2 - xs[0]) / (xs[1] - xs[0]) * (W2 - 52);
  const y = (v) => H2 - 26 - (v - y0) / (y1 - y0) * (H2 - 36);
  const p = (z2, v) => `${x(z2).toFixed(1)} ${y(v).toFixed(1)}`;
  const svg = s("svg", { viewBox: `0 0 ${W2} ${H2}`, width: "100%", role: "img", "data-l": exact(r.l), "data-u": exact(r.u), class: "wb-relaxation", style: "max-width:420px;display:block" });
  const label = `${r.formula} on [${short(r.l, 4)}, ${short(r.u, 4)}]; upper line ${r.upper ? term(r.upper) : "none"}, lower line ${r.lower ? term(r.lower) : "none"}`;
  svg.append(s("title", {}, label));
  for (const v of ticks(y0, y1, 4)) {
    svg.append(s("line", { x1: 40, x2: W2 - 8, y1: y(v), y2: y(v), stroke: v === 0 ? "var(--tx3)" : "var(--line2)" }), s("text", { class: "wb-n", x: 34, y: y(v) + 4, "text-anchor": "end" }, short(v)));
  }
  if (xs[0] < 0 && xs[1] > 0) svg.append(s("line", { x1: x(0), x2: x(0), y1: 8, y2: H2 - 26, stroke: "var(--line)" }));
  if (r.lower && r.upper) {
    svg.append(s("path", { d: `M${p(r.l, value(r.upper, r.l))}L${p(r.u, value(r.upper, r.u))}L${p(r.u, value(r.lower, r.u))}L${p(r.l, value(r.lower, r.l))}Z`, fill: "var(--int2)", "fill-opacity": 0.38 }));
  }
  for (const [line, dash] of [[r.upper, null], [r.lower, "5 3"]]) {
    if (line) svg.append(s("path", { d: `M${p(r.l, value(line, r.l))}L${p(r.u, value(line, r.u))}`, stroke: "var(--int)", "stroke-width": 2, "stroke-dasharray": dash, fill: "none" }));
  }
  if (r.curve.length) svg.append(s("path", { d: `M${r.curve.map(([z2, v]) => p(z2, v)).join("L")}`, stroke: "var(--pt)", "stroke-width": 2, fill: "none" }));
  const apart = x(r.u) - x(r.l) > 90;
  [[r.l, "l", "middle"], [r.u, "u", "middle"]].forEach(([z2, name, anchor], i) => {
    svg.append(
      s("line", { x1: x(z2), x2: x(z2), y1: 8, y2: H2 - 24, stroke: "var(--tx3)", "stroke-dasharray": "2 3" }),
      s("text", { class: "wb-n", x: x(z2) + (apart ? 0 : i ? 4 : -4), y: H2 - 8, "text-anchor": apart ? anchor : i ? "start" : "end" }, `${name} = ${short(z2, 4)}`)
    );
  });
  if (r.center && r.center[1] !== null && r.center[1] !== void 0) svg.append(s("circle", { cx: x(r.center[0]), cy: y(r.center[1]), r: 3.5, fill: "var(--pt)" }, s("title", {}, "the value at the centre")));
  return svg;
}
function key(stroke, dash, text, full) {
  const mark2 = s("svg", { width: 22, height: 8 }, s("path", { d: "M0 4h22", stroke, "stroke-width": 2, "stroke-dasharray": dash }));
  return h("span", { class: "wb-chip", title: full }, mark2, h("span", { class: "wb-num" }, text));
}
function neuronPanel(ctx) {
  const el = h("div", { class: "wb-two wb-neuron" });
  let digits2 = false;
  let last = [{}, ""];
  const all = button("all digits", "show every digit of the float64 numbers", () => {
    digits2 = !digits2;
    show(...last);
  }, ctx.signal);
  const code = button("copy code", "the line of Python that selects this neuron", () => ctx.copy(last[0].code ?? "", "the code of this neuron"), ctx.signal);
  function show(neuron, op) {
    last = [neuron, op];
    if (neuron.index === null || neuron.index === void 0 || !neuron.numbers) {
      el.replaceChildren(h("div", { class: "wb-lab", style: "grid-column:1/-1;padding:6px 0" }, "Click a bar, or walk with \u2190 \u2192, to see one neuron: its numbers, and what the proof uses in its place."));
      return;
    }
    const place = neuron.position && neuron.position.length > 1 ? ` at (${neuron.position.join(", ")})` : "";
    const r = neuron.relaxation;
    const left = h("div", {}, h("div", { class: "wb-lab", style: "min-height:24px;line-height:24px" }, r ? `neuron ${neuron.index}: what the proof uses in place of ${op.toLowerCase()}` : `neuron ${neuron.index}`));
    if (r) {
      left.append(relaxationPicture(r));
      const keys = h("div", { class: "wb-row", style: "flex-wrap:wrap;gap:2px 14px" });
      if (r.upper) keys.append(key("var(--int)", null, `upper ${term(r.upper)}`, `upper line: ${exact(r.upper.slope)} z + ${exact(r.upper.offset)}`));
      if (r.lower) keys.append(key("var(--int)", "5 3", `lower ${term(r.lower)}`, `lower line: ${exact(r.lower.slope)} z + ${exact(r.lower.offset)}`));
      if (r.formula) keys.append(key("var(--pt)", null, r.formula, "the function itself"));
      left.append(keys);
    } else left.append(h("div", { class: "wb-lab", style: "white-space:normal;padding:8px 0" }, `${op || "This operator"} is linear here: the proof uses it as it is, there is nothing to relax.`));
    const table = h("table", { class: "wb-table" });
    for (const row of neuron.numbers) {
      const shown = digits2 && row.full ? row.full : row.text;
      table.append(h("tr", { "data-kind": row.kind }, h("th", { scope: "row" }, row.label), h("td", { title: row.full && !digits2 ? `float64: ${row.full}` : null }, shown)));
    }
    all.textContent = digits2 ? "fewer digits" : "all digits";
    const head = h("div", { class: "wb-row", style: "min-height:24px" }, h("span", { class: "wb-lab" }, `neuron ${neuron.index}${place}`), h("span", { class: "wb-grow" }), all, code);
    el.replaceChildren(left, h("div", {}, head, table));
  }
  return { el, show };
}

// src/views/bounds.ts
var SORTS = [
  { key: "index", label: "index" },
  { key: "center", label: "centre" },
  { key: "width", label: "width" },
  { key: "lower", label: "lower" }
];
var SHOWS = [
  { key: "all", label: "all" },
  { key: "unstable", label: "unstable only" }
];
var CHANNEL_WINDOW = 16384;
function boundsPane(ctx, source) {
  const { signal, model: model2 } = ctx;
  let side = "input";
  let sort = null;
  let filter = "all";
  let mode = "bars";
  let quantity = "width";
  let domain = null;
  let domainOf = "";
  const shown = h("span", { class: "wb-for" });
  const modes = segmented("bars or maps", (key2) => set(() => mode = key2), signal);
  const sides = segmented("before or after the activation", (key2) => set(() => side = key2), signal);
  const filterPick = picker("which neurons", (key2) => set(() => filter = key2), signal);
  const sortPick = picker("order of the neurons", (key2) => set(() => sort = key2), signal);
  const quantityPick = picker("what the maps show", (key2) => set(() => quantity = key2), signal);
  const showLabel = h("label", {}, "show", filterPick.el);
  const sortLabel = h("label", {}, "sort", sortPick.el);
  const quantityLabel = h("label", {}, "colour", quantityPick.el);
  const overview = button("\u2190 overview", "all neurons, binned", () => write(model2, { window: null }), signal);
  const closer = button("every neuron here", "load every neuron around the selected bin", zoomIn, signal);
  const code = button("copy code", "the Python that reproduces this view", () => ctx.copy(model2.get("code")["bounds"] ?? "", "the code of this view"), signal);
  const picture = button("\u2913 SVG", "save this picture as SVG", savePicture, signal);
  const tools = h("div", { class: "wb-tools" }, modes.el, sides.el, showLabel, sortLabel, quantityLabel, overview, closer, h("span", { class: "wb-grow" }), shown, code, picture);
  const choose = (index) => chooseNeuron(ctx, source.detail()?.header.node ?? null, index);
  const chart = makeChart(ctx, choose);
  chart.svg.prepend(s("defs", {}, hatch(`${ctx.unique}-h`)));
  const maps = makeMaps(ctx, choose);
  const left = h("span", { class: "wb-lab" });
  const right = h("span", { class: "wb-lab wb-clip" });
  const caption = h("div", { class: "wb-row", style: "justify-content:space-between;padding-left:50px" }, left, chart.pager, right);
  const panel = neuronPanel(ctx);
  const stage = h("div", { class: "wb-drawn wb-bounds" }, chart.el, maps.el, caption, panel.el);
  const nothing = h("div", { style: "display:contents" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": "bounds" }, tools, stage, nothing);
  function set(change) {
    change();
    domain = null;
    show();
  }
  function zoomIn() {
    const detail = source.detail();
    if (!detail) return;
    const middle = chosenIndex(ctx, detail.header.node) ?? 0;
    write(model2, { window: [Math.max(0, middle - 2048), middle + 2048] });
  }
  function savePicture() {
    const copy = chart.svg.cloneNode(true);
    copy.setAttribute("width", String(chart.svg.clientWidth || 720));
    save(`${safeName(source.detail()?.header.node ?? "bounds")}-bounds.svg`, new Blob([standalone(chart.el, copy)], { type: "image/svg+xml" }));
  }
  function show() {
    const detail = source.detail();
    const wanted = model2.get("selection").node ?? null;
    const view = detail ? drawn(detail, side) : null;
    stage.hidden = !view;
    nothing.replaceChildren(...view ? [] : [empty(ctx, "bounds")]);
    mark(stage, detail?.header ?? null, model2);
    if (detail && wanted !== null && detail.header.node !== wanted) put(stage, { "data-state": "stale" });
    put(stage, { "data-node": detail?.header.node ?? null });
    forLabel(shown, detail?.header ?? null, model2);
    const look = detail && pictures(detail.header.shape);
    const maplike = Boolean(look && look.channels * look.height * look.width === detail?.header.n && (look.channels > 1 || look.height > 1));
    const asMaps = mode === "maps" && maplike;
    modes.el.hidden = !maplike;
    sides.el.hidden = !detail || !hasInput(detail);
    showLabel.hidden = sides.el.hidden || asMaps;
    sortLabel.hidden = asMaps || !view;
    quantityLabel.hidden = !asMaps;
    picture.hidden = asMaps || !view;
    overview.hidden = !detail?.header.window;
    closer.hidden = !detail || detail.header.bin === 1 || asMaps;
    if (!detail || !view) return chart.show(null);
    const { header } = detail;
    modes.update([{ key: "bars", label: "bars" }, { key: "maps", label: "maps" }], mode);
    sides.update([{ key: "input", label: "before", title: `before ${header.op}: where the phase is decided` }, { key: "output", label: "after", title: `after ${header.op}` }], side);
    filterPick.update(SHOWS, filter);
    const sortNow = sort ?? (header.n > 24 ? "center" : "index");
    sortPick.update(SORTS, sortNow);
    chart.el.hidden = asMaps;
    maps.el.hidden = !asMaps;
    caption.hidden = asMaps;
    const selected = positionOf(detail, chosenIndex(ctx, header.node));
    if (asMaps && look) {
      if (header.bin > 1) {
        const per = look.height * look.width;
        write(model2, { window: [0, Math.max(1, Math.floor(CHANNEL_WINDOW / per)) * per] });
      } else {
        const list = quantities(detail, view);
        if (!list[quantity]) quantity = "width";
        quantityPick.update(Object.entries(list).map(([key2, q2]) => ({ key: key2, label: q2.label })), quantity);
        maps.show(detail, look, list[quantity], chosenIndex(ctx, header.node) ?? -1);
      }
    } else {
      const list = order(detail, side, sortNow, filter);
      const finite = range(view);
      const key2 = `${header.node} ${side} ${header.window}`;
      domain = sticky(key2 === domainOf ? domain : null, finite ?? [-1, 1]);
      domainOf = key2;
      const [low, high] = domain;
      chart.show({
        detail,
        order: list,
        axis: (top, bottom) => linearAxis(low, high, top, bottom),
        marks: (layer, slots, axis) => drawBars(ctx, detail, view, layer, slots, axis, selected),
        strip: (i) => [view.lower[i], view.upper[i], ["unstable", "nan", "infinite"].includes(stateOf(detail, view, i))],
        describe: (i) => describeBar(detail, view, side, i),
        selected,
        label: `bounds of ${header.n} neurons of ${header.node}, epsilon ${header.eps}, ${methodLabel(header.method)}; arrow keys walk`
      });
      const by = SORTS.find((one) => one.key === sortNow).label;
      say(left, list.length ? `neuron, by ${by}${header.bin > 1 ? `; each bar is the widest of ${header.bin}` : ""}` : "no neuron is unstable here");
      const behind = view.looseLower && header.method !== "ibp" ? `${methodLabel(header.method)} in front, IBP pale behind, ` : "";
      say(right, `${behind}dot = centre${view.samples ? `, haze = ${header.samples} samples` : ""}`);
    }
    panel.show(model2.get("neuron"), header.op);
  }
  return { el, show, focus: () => chart.focus() };
}

// src/views/operator.ts
function operatorPane(ctx) {
  const { model: model2, signal } = ctx;
  const content = h("div", { style: "max-width:640px" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": "operator" }, content);
  let code = "";
  const copy = button("copy code", "the Python that finds this node", () => ctx.copy(code, "the code of this node"), signal);
  function show() {
    const graph = model2.get("graph");
    const id = model2.get("selection").node ?? null;
    const node2 = graph.nodes?.find((one) => one.id === id);
    if (!node2) {
      content.replaceChildren(empty(ctx, "operator"));
      return;
    }
    const about = graph.ops?.[node2.op];
    code = `model.graph[${JSON.stringify(node2.id)}]`;
    const row = (label, text) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, text));
    const link = (ids, label) => {
      const cell = h("td", {});
      for (const other of ids) {
        const to = h("button", { type: "button", class: "wb-btn wb-flat", "data-go": other, title: `select ${other}` }, other);
        cell.append(to);
      }
      if (!ids.length) cell.append("\u2013");
      return h("tr", {}, h("th", { scope: "row" }, label), cell);
    };
    const users = (graph.nodes ?? []).filter((one) => one.inputs.includes(node2.id)).map((one) => one.id);
    content.replaceChildren(
      h("div", { class: "wb-formula" }, about?.formula || node2.op),
      about?.doc ? h("p", {}, about.doc) : "",
      h(
        "table",
        { class: "wb-table" },
        row("operator", node2.op),
        row("name", node2.id),
        row("result", `${node2.dtype} ${shapeText(node2.shape)}`),
        row("parameters", node2.params ? count(node2.params) : "none"),
        ...node2.group ? [row("group", node2.group)] : [],
        ...(node2.attrs ?? []).map(([key2, value]) => row(key2, value)),
        link(node2.inputs, "computed from"),
        link(users, "used by")
      ),
      h("div", { class: "wb-row", style: "margin-top:10px" }, h("span", { class: "wb-lab" }, "in Python"), h("span", { class: "wb-grow" }), copy),
      h("pre", { class: "wb-code" }, code)
    );
  }
  content.addEventListener(
    "click",
    (event) => {
      const to = event.target.closest("[data-go]")?.dataset["go"];
      if (to !== void 0) write(model2, { selection: { node: to, index: null } });
    },
    { signal }
  );
  return { el, show };
}

// src/views/rounding.ts
function logAxis(low, high, top, bottom) {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const y = (v) => bottom - (Math.min(Math.max(v > 0 ? Math.log10(v) : a, a), b) - a) / (b - a || 1) * (bottom - top);
  return { y, ticks: decades(low, high).map((at2) => ({ at: at2, label: short(at2, 1) })) };
}
var n12 = (v) => v.toFixed(1);
function roundingPane(ctx, source) {
  const { signal, model: model2 } = ctx;
  let unit = "absolute";
  let sort = "index";
  const shown = h("span", { class: "wb-for" });
  const units = segmented("unit", (key2) => {
    unit = key2;
    show();
  }, signal);
  const sortPick = picker("order of the neurons", (key2) => {
    sort = key2;
    show();
  }, signal);
  const code = button("copy code", "the Python that reproduces this view", () => ctx.copy(model2.get("code")["rounding"] ?? "", "the code of this view"), signal);
  const tools = h("div", { class: "wb-tools" }, units.el, h("label", {}, "sort", sortPick.el), h("span", { class: "wb-grow" }), shown, code);
  const chart = makeChart(ctx, (index) => chooseNeuron(ctx, source.detail()?.header.node ?? null, index));
  const caption = h("div", { class: "wb-row", style: "justify-content:space-between;padding-left:50px" });
  const summary = h("span", { class: "wb-lab" });
  caption.append(summary, chart.pager, h("span", { class: "wb-lab wb-clip" }, "cap = proved, any order of summation; dot = largest seen"));
  const list = h("div", { class: "wb-attribution" });
  const stage = h("div", { class: "wb-drawn wb-rounding" }, chart.el, caption, list);
  const nothing = h("div", { style: "display:contents" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": "rounding errors" }, tools, stage, nothing);
  function values(detail, key2) {
    const own = detail.arrays[key2];
    const ulp = detail.arrays["ulp"];
    if (!own || unit === "ulp" && !ulp) return null;
    return unit === "ulp" ? (i) => own[i] / ulp[i] : (i) => own[i];
  }
  function show() {
    const detail = source.detail();
    const bound = detail ? values(detail, "rounding") : null;
    mark(stage, detail?.header ?? null, model2);
    forLabel(shown, detail?.header ?? null, model2);
    units.update([{ key: "absolute", label: "absolute" }, { key: "ulp", label: "ulp", title: "units in the last place of the number format, at the largest magnitude in the neuron's interval" }], unit);
    sortPick.update([{ key: "index", label: "index" }, { key: "bound", label: "bound" }, { key: "observed", label: "observed" }], sort);
    stage.hidden = !detail || !bound;
    nothing.replaceChildren();
    if (!detail || !bound) {
      chart.show(null);
      const known = detail ? h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, "No rounding error here"), detail.header.op === "Input" ? "An input is given exactly: errors begin at the first operation." : `Nothing is known of the rounding error of ${detail.header.node} in ${detail.header.format}.`) : empty(ctx, "rounding errors");
      nothing.append(known);
      return;
    }
    const seen = values(detail, "observed");
    const { header } = detail;
    let [low, high, worst] = [Infinity, 0, 0];
    for (let i = 0; i < header.rows; i++) {
      for (const v of [bound(i), seen?.(i) ?? NaN]) {
        if (v > 0 && Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
      }
      if (!(bound(i) <= worst)) worst = bound(i);
    }
    const ends2 = high > 0 ? [10 ** (Math.floor(Math.log10(low)) - 0.15), 10 ** (Math.log10(high) + 0.25)] : [1e-9, 1];
    if (ends2[1] / ends2[0] > 1e14) ends2[0] = ends2[1] / 1e14;
    const positions = Array.from({ length: header.rows }, (_, i) => i);
    const by = sort === "bound" ? bound : sort === "observed" ? seen : null;
    if (by) positions.sort((a, b) => (Number.isNaN(by(b)) ? Infinity : by(b)) - (Number.isNaN(by(a)) ? Infinity : by(a)) || a - b);
    const selected = positionOf(detail, chosenIndex(ctx, header.node));
    const word = unit === "ulp" ? " ulp" : "";
    chart.show({
      detail,
      order: Int32Array.from(positions),
      axis: (top, bottom) => logAxis(ends2[0], ends2[1], top, bottom),
      marks: (layer, slots, axis) => marks(layer, slots, axis, detail, bound, seen, selected),
      strip: (i) => [seen?.(i) || ends2[0], bound(i), bound(i) === worst],
      hues: ["--rnd2", "--rnd"],
      describe: (i) => [
        h("b", {}, `neuron ${indexAt(detail, i)}`),
        h("div", { class: "wb-num" }, `bound \u2264 ${outward(bound(i), true)}${word}`),
        h("div", { class: "wb-num" }, seen ? `observed ${outward(seen(i), true)}${word}` : "not observed"),
        ...seen && seen(i) > 0 ? [`bound is ${short(bound(i) / seen(i))} times what was seen`] : [],
        h("div", { class: "wb-lab" }, `${header.format}, any order of summation`)
      ],
      selected,
      label: `rounding errors of ${header.n} neurons of ${header.node} in ${header.format}, logarithmic, ${unit}`
    });
    say(summary, `${header.format}: every error \u2264 ${outward(worst, true)}${word}`);
    attribution();
  }
  function marks(layer, slots, axis, detail, bound, seen, selected) {
    let [caps, dots, arrows] = ["", "", ""];
    const floor = axis.y(0);
    const top = axis.y(Infinity);
    const bars = pool(layer, "rect", "wb-r-bar", slots.length);
    slots.forEach(({ i, x, w, mid }, k) => {
      const [b, o] = [bound(i), seen?.(i)];
      const bad = !Number.isFinite(b);
      const y = bad ? top : axis.y(b);
      const foot = o !== void 0 && o > 0 ? axis.y(o) : floor;
      put(bars[k], {
        id: `${ctx.unique}-n${indexAt(detail, i)}`,
        role: "option",
        "aria-selected": String(i === selected),
        "aria-label": `neuron ${indexAt(detail, i)}, error at most ${short(b)}${o === void 0 ? "" : `, observed ${short(o)}`} ${unit === "ulp" ? "ulp" : ""}`,
        fill: "var(--rnd2)",
        "fill-opacity": o !== void 0 && o > 0 ? 0.75 : 0.35,
        x: n12(x),
        y: n12(y),
        width: n12(w),
        height: n12(b === 0 ? 0 : Math.max(1, foot - y)),
        "data-i": i,
        "data-index": indexAt(detail, i),
        "data-bound": exact(detail.arrays["rounding"][i]),
        "data-observed": detail.arrays["observed"] ? exact(detail.arrays["observed"][i]) : null,
        "data-eps": exact(detail.header.eps),
        "data-seq": detail.header.seq,
        "data-method": detail.header.method,
        "data-state": Number.isNaN(b) ? "nan" : bad ? "infinite" : b === 0 ? "exact" : "bounded"
      });
      const grow = Math.min(1.5, w * 0.25);
      if (bad) arrows += `M${n12(mid - 3)} ${n12(top + 4)}L${n12(mid)} ${n12(top - 1)}L${n12(mid + 3)} ${n12(top + 4)}`;
      else if (b > 0) caps += `M${n12(x - grow)} ${n12(y)}h${n12(w + 2 * grow)}`;
      else caps += `M${n12(mid - 2)} ${n12(floor)}h4`;
      if (o !== void 0 && o > 0) dots += `M${n12(mid)} ${n12(axis.y(o))}h0.01`;
    });
    for (const [name, d, stroke, width] of [["wb-r-caps", caps, "var(--rnd)", 2], ["wb-r-arrows", arrows, "var(--no)", 1.6], ["wb-r-dots", dots, "var(--pt)", 3]]) {
      put(pool(layer, "path", name, 1)[0], { d, stroke, "stroke-width": width, "stroke-linecap": name === "wb-r-dots" ? "round" : null, fill: "none", "pointer-events": "none" });
    }
  }
  function attribution() {
    const found = model2.get("attribution");
    if (!found || !found.items.length) {
      list.replaceChildren(h("div", { class: "wb-lab", style: "padding:8px 0" }, "Which neurons contribute most to the error of the output is not known for this result."));
      return;
    }
    const largest = Math.max(...found.items.map((item) => Math.abs(item.contribution ?? 0)), Number.MIN_VALUE);
    const rows = found.items.map((item) => {
      const size = Math.abs(item.contribution ?? 0);
      const bar2 = s("svg", { width: 140, height: 8, "aria-hidden": "true" }, s("rect", { width: Math.max(1, 140 * size / largest), height: 8, fill: "var(--rnd2)", stroke: "var(--rnd)", "stroke-width": 0.7 }));
      const share = found.total ? `${(100 * size / found.total).toPrecision(2)} %` : "";
      const row = h("tr", { class: "wb-click", tabindex: 0, "data-node": item.node, "data-index": item.index, title: "select this neuron" }, h("th", { scope: "row", class: "wb-num" }, `${item.node}[${item.index}]`), h("td", {}, ""), h("td", { style: "text-align:right" }, share), h("td", {}, short(item.contribution)));
      row.children[1].append(bar2);
      return row;
    });
    list.replaceChildren(
      h("div", { class: "wb-lab", style: "padding:8px 0 2px" }, `what the error bound of ${found.output}[${found.index}] is made of: the largest ${rows.length} of ${count(found.count)} neurons`),
      h("table", { class: "wb-table" }, ...rows)
    );
  }
  const go = (event) => {
    const row = event.target.closest("tr[data-node]");
    if (row) write(model2, { selection: { node: row.dataset["node"], index: Number(row.dataset["index"]) } });
  };
  list.addEventListener("click", go, { signal });
  list.addEventListener("keydown", (event) => event.key === "Enter" && go(event), { signal });
  return { el, show, focus: () => chart.focus() };
}

// src/views/values.ts
function numberPane(ctx, source, key2, name, missing) {
  const { model: model2 } = ctx;
  const choose = (index) => chooseNeuron(ctx, source.detail()?.header.node ?? null, index);
  const shown = h("span", { class: "wb-for" });
  const summary = h("span", { class: "wb-lab" });
  const chart = makeChart(ctx, choose);
  const maps = makeMaps(ctx, choose);
  const stage = h("div", { class: "wb-drawn" }, maps.el, chart.el);
  const nothing = h("div", { style: "display:contents" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": name }, h("div", { class: "wb-tools" }, summary, h("span", { class: "wb-grow" }), chart.pager, shown), stage, nothing);
  function show() {
    const detail = source.detail();
    const own = detail?.arrays[key2];
    mark(stage, detail?.header ?? null, model2);
    forLabel(shown, detail?.header ?? null, model2);
    stage.hidden = !own;
    nothing.replaceChildren(...own ? [] : [missing(detail)]);
    say(summary, "");
    if (!detail || !own) return chart.show(null);
    const samples = key2 === "center" ? detail.arrays["samples"] : void 0;
    let [low, high] = [Infinity, -Infinity];
    for (const list of [own, samples ?? []]) for (const v of list) if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
    if (low > high) [low, high] = [-1, 1];
    const pad = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
    const picture = detail.header.bin === 1 && !detail.header.window ? pictures(detail.header.shape) ?? square(detail.header.shape) : null;
    maps.el.hidden = !picture;
    const selected = positionOf(detail, chosenIndex(ctx, detail.header.node));
    if (picture) {
      const limit = Math.max(Math.abs(low), Math.abs(high));
      const paint = key2 === "gradient" ? { paint: diverging(limit) } : {};
      maps.show(detail, picture, { label: name, unit: "", log: false, value: (i) => own[i], ...paint }, chosenIndex(ctx, detail.header.node) ?? -1);
    }
    const { header } = detail;
    chart.show({
      detail,
      order: Int32Array.from({ length: header.rows }, (_, i) => i),
      axis: (top, bottom) => linearAxis(Math.min(low - pad, 0), Math.max(high + pad, 0), top, bottom),
      marks: (layer, slots, axis) => {
        const bars = pool(layer, "rect", "wb-v-bar", slots.length);
        let haze = "";
        slots.forEach(({ i, x, w, mid }, k) => {
          const v = own[i];
          const [y0, y1] = [axis.y(0), axis.y(Number.isNaN(v) ? 0 : v)];
          put(bars[k], {
            id: `${ctx.unique}-n${indexAt(detail, i)}`,
            role: "option",
            "aria-label": `neuron ${indexAt(detail, i)}, ${short(v, 4)}`,
            "aria-selected": String(i === selected),
            fill: v < 0 ? "var(--bg)" : "var(--haze)",
            stroke: Number.isNaN(v) ? "var(--no)" : "var(--haze)",
            x: x.toFixed(1),
            y: Math.min(y0, y1).toFixed(1),
            width: w.toFixed(1),
            height: Math.max(1, Math.abs(y0 - y1)).toFixed(1),
            "data-i": i,
            "data-index": indexAt(detail, i),
            "data-value": exact(v),
            "data-eps": exact(header.eps),
            "data-seq": header.seq,
            "data-method": header.method
          });
          if (samples) for (let sample = 0; sample < header.samples; sample++) haze += `M${(mid - w * 0.3).toFixed(1)} ${axis.y(samples[sample * header.rows + i]).toFixed(1)}h${(w * 0.6).toFixed(1)}`;
        });
        put(pool(layer, "path", "wb-v-haze", 1)[0], { d: haze, stroke: "var(--int)", "stroke-opacity": 0.55, fill: "none", "pointer-events": "none" });
      },
      strip: (i) => [Math.min(own[i], 0), Math.max(own[i], 0), false],
      describe: (i) => [h("b", {}, `neuron ${indexAt(detail, i)}`), h("div", { class: "wb-num" }, `${name} ${exact(own[i])}`)],
      selected,
      label: `${name} of ${header.n} neurons of ${header.node}`
    });
    say(summary, `${name}: ${short(low, 4)} to ${short(high, 4)}${samples ? `; bar = centre, lines = ${header.samples} samples from the region` : ""}`);
  }
  return { el, show, focus: () => chart.focus() };
}
var valuesPane = (ctx, source) => numberPane(ctx, source, "center", "value", () => empty(ctx, "values"));
var gradientPane = (ctx, source) => numberPane(
  ctx,
  source,
  "gradient",
  "gradient",
  (detail) => detail ? h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, "No gradient is computed here"), `This result carries no derivative of the output with respect to ${detail.header.node}. Where a model provides one, each neuron's share stands here: how much the output moves when that neuron moves a little.`) : empty(ctx, "gradient")
);

// src/views/inspector.ts
var TABS = ["Bounds", "Rounding", "Values", "Gradient", "Operator"];
function inspector(ctx, tabs) {
  const { model: model2, signal, unique } = ctx;
  const source = detailSource(ctx);
  const make = {
    Bounds: () => boundsPane(ctx, source),
    Rounding: () => roundingPane(ctx, source),
    Values: () => valuesPane(ctx, source),
    Gradient: () => gradientPane(ctx, source),
    Operator: () => operatorPane(ctx)
  };
  const panes = /* @__PURE__ */ new Map();
  let current = tabs[0];
  const name = h("b", { class: "wb-clip" });
  const about = h("span", { class: "wb-lab wb-clip" });
  const chips = h("span", { class: "wb-row", style: "gap:10px;flex:none" });
  const list = h("div", { class: "wb-tabs", role: "tablist", "aria-label": "what is shown of the node" });
  const body = h("div", { style: "display:contents" });
  const head = h("div", { class: "wb-head" }, name, about, h("span", { class: "wb-grow" }), chips);
  const el = h("div", { class: "wb-pane wb-inspector" }, head);
  if (tabs.length > 1) el.append(h("div", { class: "wb-head", style: "padding:0 4px;overflow-x:auto" }, list));
  el.append(body);
  for (const tab of tabs) {
    list.append(h("button", { type: "button", role: "tab", "data-tab": tab, id: `${unique}-t${tab}` }, tab));
  }
  const choose = (tab) => {
    current = tab;
    let pane = panes.get(tab);
    if (!pane) {
      pane = make[tab]();
      panes.set(tab, pane);
    }
    for (const child of list.children) {
      const on2 = child.dataset["tab"] === tab;
      put(child, { "aria-selected": String(on2), tabindex: on2 ? 0 : -1 });
    }
    body.replaceChildren(pane.el);
    put(pane.el, { "aria-labelledby": tabs.length > 1 ? `${unique}-t${tab}` : null });
    show();
  };
  list.addEventListener(
    "click",
    (event) => {
      const tab = event.target.closest("[data-tab]")?.dataset["tab"];
      if (tab) choose(tab);
    },
    { signal }
  );
  list.addEventListener(
    "keydown",
    (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      const next = tabs[(tabs.indexOf(current) + step + tabs.length) % tabs.length];
      choose(next);
      list.children[tabs.indexOf(next)].focus();
      event.preventDefault();
    },
    { signal }
  );
  function header() {
    const id = model2.get("selection").node ?? null;
    const node2 = model2.get("graph").nodes?.find((one) => one.id === id);
    const detail = source.detail()?.header;
    const own = node2 ?? (detail && detail.node === id ? detail : null);
    const n = own ? own.shape.reduce((a, b) => a * b, 1) : 0;
    say(name, id ?? "no node selected");
    put(name, { title: id });
    say(about, own ? `${own.op}, ${count(n)} neuron${n === 1 ? "" : "s"}${own.shape.length > 1 ? `, ${shapeText(own.shape)}` : ""}` : "");
    const counts = id === null ? void 0 : (model2.get("phases") ?? {})[id] ?? counted();
    chips.replaceChildren(...counts ? ["on", "unstable", "off"].map((phase2, i) => chip(phase2, counts[i])) : []);
  }
  function counted() {
    const detail = source.detail();
    const [lower, upper] = [detail?.arrays["pre_lower"], detail?.arrays["pre_upper"]];
    if (!detail || !lower || !upper || detail.header.bin > 1 || detail.header.window) return void 0;
    const on2 = lower.reduce((sum, v) => sum + (v >= 0 ? 1 : 0), 0);
    const off = upper.reduce((sum, v, i) => sum + (v <= 0 && !(lower[i] >= 0) ? 1 : 0), 0);
    return [on2, lower.length - on2 - off, off];
  }
  function chip(phase2, n) {
    const id = `${unique}-c`;
    const svg = s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("defs", {}, hatch(id)), s("rect", { x: 0.5, y: 0.5, width: 11, height: 11, rx: 2, class: `wb-p-${phase2}`, fill: phase2 === "unstable" ? `url(#${id})` : null, "stroke-width": 1 }));
    return h("span", { class: "wb-chip", "data-phase": phase2, "data-count": n }, svg, `${count(n)} ${phase2}`);
  }
  function show() {
    header();
    panes.get(current)?.show();
  }
  const showSoon = scheduler(show, signal);
  ctx.watch(["detail", "detail_data", "neuron", "selection", "stamp", "phases", "graph", "attribution", "eps", "method", "format", "example", "controls", "status", "window"], showSoon);
  ctx.onTheme(showSoon);
  choose(current);
  showSoon();
  return { el, focus: () => panes.get(current)?.focus?.() };
}

// src/entries/bounds.ts
var bounds_default = widget("bounds of every neuron", (ctx) => {
  ctx.root.classList.add("wb-alone");
  ctx.root.append(inspector(ctx, ["Bounds"]).el);
});

// src/entries/rounding.ts
var rounding_default = widget("rounding error of every neuron", (ctx) => {
  ctx.root.classList.add("wb-alone");
  ctx.root.append(inspector(ctx, ["Rounding"]).el);
});

// src/views/controls.ts
var STEPS = 400;
var SLOW_MS = 180;
function paintThumb(canvas, thumb) {
  canvas.width = thumb.w;
  canvas.height = thumb.h;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(thumb.w, thumb.h);
  const channels = thumb.channels ?? 1;
  for (let p = 0; p < thumb.w * thumb.h; p++) {
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = thumb.data[channels * p + (channels === 3 ? c : 0)] ?? 0;
    image.data[4 * p + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
function controlBar(ctx) {
  const { model: model2, signal } = ctx;
  let held = false;
  let typing = false;
  const thumb = h("canvas", { class: "wb-thumb", role: "img", "aria-label": "the input" });
  const name = h("div", { class: "wb-name wb-clip" });
  const pick = picker("input", (key2) => write(model2, { example: Number(key2) }), signal);
  const slider = h("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": "epsilon, the radius of the region" });
  const text = h("input", { class: "wb-text", type: "text", inputmode: "decimal", "aria-label": "epsilon as a number", spellcheck: "false", autocomplete: "off" });
  const norm = h("span", { class: "wb-lab" });
  const methods = segmented("method", (key2) => write(model2, { method: key2 }), signal);
  const formats = picker("number format", (key2) => write(model2, { format: key2 }), signal);
  const live = h("input", { type: "checkbox" });
  const act = button("Compute", "", press, signal, "wb-main");
  act.style.minWidth = "82px";
  act.style.justifyContent = "center";
  const max = () => model2.get("controls").eps_max || 1;
  const setEps = (value) => {
    if (value !== model2.get("eps")) write(model2, { eps: value });
    placeSlider(value);
  };
  function placeSlider(value) {
    const t = epsToSlider(value, max());
    if (!held) slider.value = String(Math.round(t * STEPS));
    slider.style.setProperty("--at", `${100 * Number(slider.value) / STEPS}%`);
    put(slider, { "aria-valuetext": epsilon(value) });
    if (!typing) {
      text.value = epsilon(value);
      put(text, { "aria-invalid": null });
    }
  }
  slider.addEventListener("pointerdown", () => held = true, { signal });
  const release = () => {
    held = false;
    placeSlider(model2.get("eps"));
  };
  for (const event of ["pointerup", "pointercancel", "blur"]) slider.addEventListener(event, release, { signal });
  slider.addEventListener("input", () => setEps(sliderToEps(Number(slider.value) / STEPS, max())), { signal });
  slider.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  const commit = () => {
    if (!typing) return;
    const value = Number(text.value.trim().replace(",", ".").replace("\u2212", "-") || NaN);
    if (Number.isFinite(value) && value >= 0) {
      typing = false;
      setEps(value);
    } else {
      put(text, { "aria-invalid": "true" });
      ctx.toast("epsilon must be a finite number, 0 or more");
    }
  };
  text.addEventListener("input", () => typing = true, { signal });
  text.addEventListener("change", commit, { signal });
  text.addEventListener(
    "keydown",
    (event) => {
      event.stopPropagation();
      if (event.key === "Enter") commit();
      else if (event.key === "Escape") {
        typing = false;
        placeSlider(model2.get("eps"));
      } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        typing = false;
        const now = model2.get("eps") || max() / 1e3;
        setEps(Number((now * (event.key === "ArrowUp" ? 1.05 : 1 / 1.05)).toPrecision(4)));
      } else return;
      event.preventDefault();
    },
    { signal }
  );
  live.addEventListener("change", () => write(model2, { live: live.checked }), { signal });
  const computing = () => model2.get("status").state === "computing";
  function press() {
    model2.send({ type: computing() ? "cancel" : "compute" });
  }
  const help = h(
    "div",
    { class: "wb-menu wb-help", role: "dialog", "aria-label": "help", tabindex: -1, hidden: true },
    h(
      "dl",
      {},
      ...[
        ["click", "select a node or a neuron; hover only shows"],
        ["\u2190 \u2191 \u2193 \u2192", "walk along the edges, or the neurons"],
        ["Enter", "open a group; on a node, go to its neurons"],
        ["Esc", "clear the selection"],
        ["/", "search; Enter next, Shift+Enter previous"],
        ["f", "fit the graph"],
        ["c", "collapse or open a group"],
        ["e", "go to epsilon"],
        ["[ ]", "back and forward through selections"],
        ["wheel", "zoom, once the graph has been clicked (ctrl+wheel always)"]
      ].flatMap(([key2, text2]) => [h("dt", {}, key2), h("dd", {}, text2)])
    ),
    h("p", {}, "A bar holds every value that the neuron can take while the input stays within \u03B5 of the chosen one: proved, not sampled. A faded picture with a clock belongs to older settings.")
  );
  const helpButton = button("?", "keys, and how to read the pictures", () => {
    help.hidden = !help.hidden;
    if (!help.hidden) help.focus();
  }, signal);
  help.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape") return;
      help.hidden = true;
      helpButton.focus();
      event.stopPropagation();
    },
    { signal }
  );
  ctx.root.addEventListener(
    "pointerdown",
    (event) => {
      if (!help.hidden && !help.contains(event.target) && event.target !== helpButton) help.hidden = true;
    },
    { signal }
  );
  ctx.root.append(help);
  const more = menuButton(ctx, "\u22EF", "more", () => [
    { label: "copy code", title: "the Python that reproduces this state", act: () => ctx.copy(model2.get("code")["workbench"] ?? "", "the code of this state") },
    { label: "back  [", act: () => model2.send({ type: "back" }) },
    { label: "forward  ]", act: () => model2.send({ type: "forward" }) }
  ]);
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting), { once: true });
  function showAction() {
    clearTimeout(waiting);
    const draw = () => {
      const busy = computing();
      say(act, busy ? "Cancel" : "Compute");
      put(act, { title: busy ? "stop the computation; the last result stays" : "compute for these settings", "data-action": busy ? "cancel" : "compute" });
      act.classList.toggle("wb-main", !busy);
    };
    if (computing()) waiting = setTimeout(draw, SLOW_MS);
    else draw();
  }
  function show() {
    const c = model2.get("controls");
    if (c.methods === void 0) return;
    const graph = model2.get("graph");
    say(name, graph.name ?? "");
    put(name, { title: graph.name });
    thumb.hidden = !c.thumbnail;
    if (c.thumbnail) paintThumb(thumb, c.thumbnail);
    const examples = c.examples ?? [];
    const own = model2.get("example");
    pick.update(own === null ? [{ key: "", label: "own input" }, ...examples.map((label, i) => ({ key: String(i), label }))] : examples.map((label, i) => ({ key: String(i), label })), own === null ? "" : String(own));
    pick.el.hidden = !examples.length;
    methods.update(c.methods, model2.get("method"));
    formats.update(c.formats ?? [], model2.get("format"));
    live.checked = model2.get("live");
    say(norm, `${ball(c.norm ?? "inf")} \u2264`);
    placeSlider(model2.get("eps"));
    showAction();
  }
  const el = h(
    "div",
    { class: "wb-bar", role: "toolbar", "aria-label": "what is computed" },
    h("div", { class: "wb-row" }, thumb, h("div", { class: "wb-pick", style: "min-width:0" }, name, pick.el)),
    h("label", { class: "wb-row wb-eps", title: "the region: every input within this distance of the chosen one" }, h("span", { class: "wb-lab" }, "\u03B5"), slider, norm, text),
    h("span", { class: "wb-row" }, h("span", { class: "wb-lab" }, "method"), methods.el),
    h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, "runs as"), formats.el),
    h("label", { class: "wb-row", title: "compute as soon as a setting changes", style: "gap:4px" }, live, h("span", { class: "wb-lab" }, "live")),
    h("span", { class: "wb-row", style: "margin-left:auto;gap:2px" }, act, helpButton, more)
  );
  ctx.watch(["controls", "eps", "method", "format", "example", "live", "graph"], show);
  ctx.watch(["status"], showAction);
  show();
  return {
    el,
    focusEpsilon() {
      text.focus();
      text.select();
    }
  };
}

// src/views/status.ts
var SIGNS = { verified: "\u2713", falsified: "\u2717", unknown: "?" };
function statusLine(ctx) {
  const { model: model2, signal } = ctx;
  const pill = h("span", { class: "wb-verdict" });
  const words = h("span", { style: "min-width:0" });
  const details = h("span", { class: "wb-row", style: "gap:12px;flex-wrap:wrap" });
  const said = h("span", { class: "wb-row wb-drawn", style: "gap:2px 12px;flex-wrap:wrap" }, words, details);
  const statement = h("span", { class: "wb-row wb-grow", style: "flex-basis:280px;gap:12px" }, pill, said);
  const work = h("span", { class: "wb-row", role: "status", style: "flex:0 1 auto" });
  const fill = h("i");
  const bar2 = h("span", { class: "wb-prog", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const told = h("span", { class: "wb-lab" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  work.append(bar2, told);
  const line = h("div", { class: "wb-stat" }, statement, work);
  const el = h("div", { class: "wb-status" }, notice, line);
  let busySince = 0;
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting), { once: true });
  function show() {
    const stamp = model2.get("stamp");
    const verdict = model2.get("verdict");
    const status = model2.get("status");
    const now = settingsNow(model2);
    const stale = isStale(stamp, now);
    mark(said, stamp, model2);
    const state = status.state ?? "idle";
    put(line, { "data-status": state, "data-state": stamp ? stale ? "stale" : "fresh" : "empty", "data-seq": stamp?.seq, "data-eps": stamp?.eps });
    const sign = verdict.state && SIGNS[verdict.state];
    const failed = state === "failed";
    put(pill, { "data-state": failed ? "failed" : stale ? "stale" : verdict.state ?? "none" });
    say(pill, failed ? "\u2717 FAILED" : stale ? "\u25F7 STALE" : sign ? `${sign} ${verdict.state.toUpperCase()}` : stamp ? "BOUNDS" : "READY");
    say(words, failed ? status.message ?? "" : `${verdict.text ?? ""}${verdict.math ? `, ${verdict.math}` : ""}`);
    put(words, { style: "min-width:0;overflow-wrap:anywhere" });
    details.hidden = stale;
    details.replaceChildren(
      ...(verdict.details ?? []).map((d) => h("span", { class: "wb-chip", "data-state": d.state }, h("b", { style: `color:var(--${d.state === "verified" ? "ok" : d.state === "falsified" ? "no" : "un"})` }, SIGNS[d.state] ?? "?"), d.semantics))
    );
    working(state, status, stale);
    const text = model2.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
  }
  function working(state, status, stale) {
    const stamp = model2.get("stamp");
    clearTimeout(waiting);
    if (state === "computing") {
      busySince ||= performance.now();
      const wait = busySince + SLOW_MS - performance.now();
      if (wait > 0) {
        waiting = setTimeout(show, wait);
        return;
      }
      const f = status.for;
      bar2.hidden = false;
      const share = status.progress;
      put(bar2, { "aria-valuenow": share === null || share === void 0 ? null : Math.round(share * 100) });
      fill.style.width = `${100 * (share ?? 0.08)}%`;
      say(told, [`computing ${f ? `${methodLabel(f.method)}, \u03B5 ${epsilon(f.eps)}` : ""}`, status.message, status.eta ? `about ${seconds(status.eta)} left` : ""].filter(Boolean).join(", "));
      return;
    }
    busySince = 0;
    bar2.hidden = true;
    const made = stamp ? `${methodLabel(stamp.method)}, ${stamp.format}, ${ball(stamp.norm)} \u2264 ${epsilon(stamp.eps)}${stamp.seconds === null ? "" : `, ${seconds(stamp.seconds)}`}` : "";
    say(told, stale ? `this was for ${made}${state === "cancelled" ? "; the new computation was cancelled" : ""}` : made);
  }
  ctx.watch(["stamp", "verdict", "status", "eps", "method", "format", "example", "controls", "notice"], show);
  show();
  return el;
}

// src/views/workbench.ts
var LEAST2 = 220;
function workbench(ctx) {
  const { root, signal } = ctx;
  const controls = controlBar(ctx);
  const inspect = inspector(ctx, TABS);
  const graph = graphPane(ctx, () => inspect.focus());
  const split = h("div", { class: "wb-split", role: "separator", tabindex: 0, "aria-orientation": "vertical", "aria-label": "width of the graph", title: "drag to make room" });
  const grid = h("div", { class: "wb-main-grid" }, graph.el, split, inspect.el);
  const resize = (px) => {
    const most = (grid.clientWidth || 1e3) - 360;
    const width = Math.round(Math.min(Math.max(px, LEAST2), Math.max(LEAST2, most)));
    grid.style.setProperty("--split", `${width}px`);
    put(split, { "aria-valuenow": width });
  };
  split.addEventListener("pointerdown", (event) => split.setPointerCapture?.(event.pointerId), { signal });
  split.addEventListener("pointermove", (event) => event.buttons && resize(event.clientX - grid.getBoundingClientRect().left), { signal });
  split.addEventListener(
    "keydown",
    (event) => {
      const by = event.key === "ArrowLeft" ? -24 : event.key === "ArrowRight" ? 24 : 0;
      if (!by) return;
      resize((graph.el.clientWidth || 372) + by);
      event.preventDefault();
    },
    { signal }
  );
  root.append(controls.el, grid, statusLine(ctx));
  root.addEventListener(
    "keydown",
    (event) => {
      const typing = event.target.closest("input, textarea, select");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "e") controls.focusEpsilon();
      else if (event.key === "Escape") graph.focus();
      else if (event.key === "[" || event.key === "]") ctx.model.send({ type: event.key === "[" ? "back" : "forward" });
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal }
  );
}

// src/entries/workbench.ts
var workbench_default = widget("NN Workbench", workbench);

// dev/fake.ts
var random = (seed) => () => {
  seed = seed * 16807 % 2147483647;
  return seed / 2147483647;
};
var FORMULAS = { Input: "x", Gemm: "y = x W\u1D40 + b", Relu: "y = max(x, 0)", Conv: "y = W \u2217 x + b", Add: "y = a + b", Flatten: "y = x, in one row", GlobalAveragePool: "y = mean over the picture" };
function fakeModel(graph, options) {
  const listeners = /* @__PURE__ */ new Map();
  const byId = new Map(graph.nodes.map((n) => [n.id, n]));
  const depth = /* @__PURE__ */ new Map();
  graph.nodes.forEach((n) => depth.set(n.id, n.inputs.length ? 1 + Math.max(...n.inputs.map((i) => depth.get(i) ?? 0)) : 0));
  const size = (n) => n.shape.reduce((a, b) => a * b, 1);
  let seq = 0;
  function fields(n, s2) {
    if (n.op === "Relu") {
      const own = fields(byId.get(n.inputs[0]), s2);
      return Object.fromEntries(Object.entries(own).map(([k, v]) => [k, v.map((x) => Math.max(x, 0))]));
    }
    const r = random(7 + graph.nodes.indexOf(n) * 31 + (s2.example ?? 0) * 997);
    const f = { lower: [], upper: [], lower_loose: [], upper_loose: [], center: [] };
    const grow = s2.eps * (1 + 2.2 * (depth.get(n.id) ?? 0)) * (s2.method === "ibp" ? 2.4 : s2.method === "crown-ibp" ? 1.3 : 1);
    for (let i = 0; i < size(n); i++) {
      const c = n.op === "Input" ? Math.max(0, Math.sin(i * 0.9) + (r() - 0.5) * 0.3) : (r() - 0.56) * 1.8;
      const [a, b, k] = [grow * (0.3 + r() * 1.2), grow * (0.3 + r() * 1.2), 1.6 + r()];
      f.center.push(c);
      f.lower.push(c - a);
      f.upper.push(c + b);
      f.lower_loose.push(s2.method === "ibp" ? c - a : c - a * k);
      f.upper_loose.push(s2.method === "ibp" ? c + b : c + b * k);
    }
    if (options.odd && n.op !== "Input") {
      [f.upper[3], f.upper_loose[3]] = [Infinity, Infinity];
      [f.lower[9], f.upper[9]] = [NaN, NaN];
      f.lower[15] = -Infinity;
    }
    return f;
  }
  const settings = () => ({ eps: state.eps, norm: "inf", method: state.method, format: state.format, example: state.example });
  function detail(s2) {
    const n = byId.get(state.selection.node ?? "");
    if (!n) return { detail: { node: null }, detail_data: new DataView(new ArrayBuffer(0)), neuron: {}, attribution: null };
    const f = fields(n, s2);
    const operand = n.op === "Relu" ? n.inputs[0] : null;
    const pre = operand ? fields(byId.get(operand), s2) : null;
    const r = random(5);
    const S2 = 12;
    const parts = { ...f };
    const sample = (g) => Array.from({ length: S2 }, () => g.center.map((c, i) => c + (r() - 0.5) * (g.upper[i] - g.lower[i]) * 0.5)).flat();
    if (pre) for (const [k, v] of Object.entries(pre)) parts[`pre_${k}`] = v;
    parts["samples"] = sample(f);
    if (pre) parts["pre_samples"] = sample(pre);
    if (n.op !== "Input" && n.op !== "Flatten") {
      const u2 = { binary64: 1e-16, binary32: 6e-8, binary16: 5e-4, bfloat16: 4e-3 }[s2.format] ?? 6e-8;
      parts["rounding"] = f.center.map(() => u2 * (4 + 9 * r()) * (depth.get(n.id) ?? 1));
      parts["observed"] = parts["rounding"].map((b) => b * 10 ** (-0.6 - 1.6 * r()));
      parts["ulp"] = f.upper.map((hi, i) => 2 * u2 * 2 ** Math.floor(Math.log2(Math.max(Math.abs(hi), Math.abs(f.lower[i]), 1e-9))));
    }
    let offset = 0;
    const arrays = Object.entries(parts).map(([key2, v]) => {
      const one = { key: key2, offset, length: v.length };
      offset += 8 * v.length;
      return one;
    });
    const index = state.selection.index;
    const [l, u] = index === null || !pre ? [0, 0] : [pre.lower[index], pre.upper[index]];
    const slope = u > 0 && l < 0 ? u / (u - l) : u > 0 ? 1 : 0;
    const row = (label, kind, text, full = "") => ({ label, value: null, unit: "", kind, text, full });
    const show = (v) => v.toFixed(4).replace("-", "\u2212");
    return {
      detail: { node: n.id, op: n.op, shape: n.shape, n: size(n), rows: size(n), bin: 1, window: null, samples: S2, operand, arrays, bytes: offset, ...s2 },
      detail_data: new DataView(Float64Array.from(Object.values(parts).flat()).buffer),
      neuron: index === null ? { node: n.id, index: null, relaxation: null, numbers: [], code: "" } : {
        node: n.id,
        index,
        position: n.shape.length > 3 ? [0, 0, 0, index] : [0, index],
        relaxation: pre ? { l, u, formula: "y = max(z, 0)", upper: { slope, offset: l < 0 && u > 0 ? -slope * l : 0 }, lower: { slope: l >= 0 ? 1 : u > -l ? 0.62 : 0, offset: 0 }, curve: [[l - (u - l) * 0.25, Math.max(0, l - (u - l) * 0.25)], ...l < 0 && u > 0 ? [[0, 0]] : [], [u + (u - l) * 0.25, Math.max(0, u + (u - l) * 0.25)]], center: [pre.center[index], f.center[index]] } : null,
        numbers: [row("CROWN", "interval", `[${show((pre ?? f).lower[index])}, ${show((pre ?? f).upper[index])}]`, `[${(pre ?? f).lower[index]}, ${(pre ?? f).upper[index]}]`), row("IBP", "loose", `[${show((pre ?? f).lower_loose[index])}, ${show((pre ?? f).upper_loose[index])}]`), row("value at the centre", "value", show(f.center[index]), String(f.center[index])), row("phase", "phase", l >= 0 ? "always on" : u <= 0 ? "always off" : "unstable"), row(`rounding, ${s2.format}`, "rounding", "\u2264 3.1e\u22127  (5.2 ulp)"), row("rounding observed", "rounding", "2.4e\u22128")],
        code: `model.selection = ("${n.id}", ${index})`
      },
      attribution: { output: graph.outputs[0], index: 0, total: 1e-6, count: 264, items: Array.from({ length: 12 }, (_, i) => ({ node: i % 3 ? "fc1" : "fc2", index: i * 37 % 64, contribution: 2e-7 / (i + 1) })) }
    };
  }
  function overlay(s2) {
    const key2 = state.overlay_key || "width";
    const values = {};
    const large2 = graph.nodes.length > 500;
    for (const n of graph.nodes) {
      const spread = large2 ? s2.eps * (1 + 0.02 * (depth.get(n.id) ?? 0)) * (1 + graph.nodes.indexOf(n) * 7919 % 13) : 0;
      const f = large2 ? null : fields(n, s2);
      values[n.id] = key2 === "ulp" ? 1 + (depth.get(n.id) ?? 0) ** 1.7 : f ? Math.max(...f.upper.map((u, i) => u - f.lower[i]).filter(Number.isFinite)) : spread;
    }
    return key2 === "ulp" ? { key: key2, label: "rounding error, max", unit: "ulp", log: true, values } : { key: key2, label: "bound width, max", unit: "", log: true, values };
  }
  function phases(s2) {
    const found = {};
    if (graph.nodes.length > 500) return found;
    for (const n of graph.nodes) {
      if (n.op !== "Relu") continue;
      const f = fields(byId.get(n.inputs[0]), s2);
      const on2 = f.lower.filter((v) => v >= 0).length;
      const off = f.upper.filter((v) => v <= 0).length;
      found[n.id] = [on2, size(n) - on2 - off, off];
    }
    return found;
  }
  let timer;
  function compute() {
    clearTimeout(timer);
    const now = settings();
    setPython({ status: { ...state.status, state: "computing", progress: 0.4, eta: options.slow / 1e3, for: now } });
    timer = setTimeout(() => answer({ ...now, seq: ++seq, seconds: options.slow / 1e3 }), options.slow);
  }
  function answer(s2) {
    const text = "logit 7 exceeds every other by at least 1.83";
    setPython({
      stamp: s2,
      ...detail(s2),
      overlay: overlay(s2),
      phases: phases(s2),
      verdict: { state: s2.eps < 0.03 ? "verified" : "unknown", text: s2.eps < 0.03 ? text : "the margin could not be bounded away from 0", math: `for all x with \u2016x \u2212 x\u2080\u2016\u221E \u2264 ${s2.eps}`, details: [{ semantics: "reals", state: s2.eps < 0.03 ? "verified" : "unknown" }, { semantics: "binary32, any order", state: s2.eps < 0.03 ? "verified" : "unknown" }, { semantics: "bfloat16", state: "unknown" }] },
      status: { state: "fresh", message: "", progress: null, eta: null, seq: s2.seq, seconds: s2.seconds, for: settings() }
    });
  }
  function setPython(values) {
    Object.assign(state, values);
    for (const key2 of Object.keys(values)) for (const act of listeners.get(`change:${key2}`) ?? []) act();
  }
  const thumb = Array.from({ length: 64 }, (_, i) => [0, 60, 200, 250][(Math.abs(i % 8 - 4 + Math.floor(i / 8) * 0.4) < 1.4 || i < 8 ? 3 : 0) - (i % 3 === 0 ? 0 : 0)] ?? 0);
  const state = {
    graph: { ...graph, ops: Object.fromEntries(Object.entries(FORMULAS).map(([op, formula]) => [op, { formula, doc: "" }])) },
    stamp: null,
    overlay: {},
    overlays: [{ key: "width", label: "bound width, max" }, { key: "ulp", label: "rounding error, max" }],
    phases: {},
    selection: { node: options.node ?? (byId.has("relu_1") ? "relu_1" : graph.nodes[2]?.id ?? null), index: 17 },
    controls: { eps: 0.02, eps_max: 0.1, norm: "inf", method: "crown", methods: [{ key: "ibp", label: "IBP" }, { key: "crown-ibp", label: "CROWN-IBP" }, { key: "crown", label: "CROWN" }], format: "binary32", formats: ["binary64", "binary32", "binary16", "bfloat16"].map((key2) => ({ key: key2, label: key2 })), example: 0, examples: ["test image 17, class 7", "test image 18, class 8", "test image 19, class 9"], thumbnail: { w: 8, h: 8, data: thumb }, live: true },
    status: {},
    verdict: {},
    detail: {},
    detail_data: new DataView(new ArrayBuffer(0)),
    neuron: {},
    attribution: null,
    code: { workbench: "model.eps = 0.02\nmodel", graph: "model.graph_view()", bounds: "model.bounds_view()", rounding: "model.rounding_view()" },
    notice: "",
    eps: 0.02,
    method: "crown",
    format: "binary32",
    example: 0,
    live: true,
    overlay_key: "width",
    window: null
  };
  const pending = /* @__PURE__ */ new Set();
  queueMicrotask(compute);
  return {
    get: (name) => state[name],
    set(name, value) {
      if (Object.is(state[name], value)) return;
      state[name] = value;
      pending.add(name);
      for (const act of listeners.get(`change:${name}`) ?? []) act();
    },
    on: (event, act) => void (listeners.get(event) ?? listeners.set(event, /* @__PURE__ */ new Set()).get(event)).add(act),
    off: (event, act) => void listeners.get(event)?.delete(act),
    save_changes() {
      const names = [...pending];
      pending.clear();
      if (names.some((n) => ["eps", "method", "format", "example"].includes(n)) && state.live) compute();
      if (names.includes("selection") && state.stamp) setTimeout(() => setPython(detail(state.stamp)), 2);
      if (names.includes("overlay_key") && state.stamp) setTimeout(() => setPython({ overlay: overlay(state.stamp) }), 2);
    },
    send({ type }) {
      if (type === "compute") compute();
      if (type === "cancel") {
        clearTimeout(timer);
        setPython({ status: { ...state.status, state: "cancelled" } });
      }
    },
    setPython
  };
}

// dev/page.ts
var node = (id, op, shape, inputs, group = "", params = 0) => ({ id, op, shape, dtype: "float32", inputs, group, params, attrs: op === "Conv" ? [["kernel_shape", "[3, 3]"], ["pads", "[1, 1, 1, 1]"]] : [] });
function digits() {
  const nodes = [node("x", "Input", [1, 8, 8], []), node("flatten", "Flatten", [1, 64], ["x"]), node("fc1", "Gemm", [1, 128], ["flatten"], "", 8320), node("relu_1", "Relu", [1, 128], ["fc1"]), node("fc2", "Gemm", [1, 64], ["relu_1"], "", 8256), node("relu_2", "Relu", [1, 64], ["fc2"]), node("logits", "Gemm", [1, 10], ["relu_2"], "", 650), node("margin", "Gemm", [1, 9], ["logits"])];
  return { name: "digits.onnx", sha256: null, nodes, inputs: ["x"], outputs: ["margin"] };
}
function resnet() {
  const nodes = [node("image", "Input", [1, 3, 32, 32], []), node("stem", "Conv", [1, 16, 32, 32], ["image"], "", 448), node("stem_relu", "Relu", [1, 16, 32, 32], ["stem"])];
  let last = "stem_relu";
  for (let layer = 1; layer <= 3; layer++) {
    const [c, s2] = [8 * 2 ** layer, 64 / 2 ** layer];
    for (let block = 1; block <= 2; block++) {
      const g = `layer${layer}/block${block}`;
      const id = (name) => `${g}/${name}`;
      nodes.push(node(id("conv1"), "Conv", [1, c, s2, s2], [last], g, 9 * c * c), node(id("relu1"), "Relu", [1, c, s2, s2], [id("conv1")], g), node(id("conv2"), "Conv", [1, c, s2, s2], [id("relu1")], g, 9 * c * c), node(id("skip"), "Conv", [1, c, s2, s2], [last], g, c * c), node(id("add"), "Add", [1, c, s2, s2], [id("conv2"), id("skip")], g), node(id("relu2"), "Relu", [1, c, s2, s2], [id("add")], g));
      last = id("relu2");
    }
  }
  nodes.push(node("pool", "GlobalAveragePool", [1, 64, 1, 1], [last]), node("logits", "Gemm", [1, 10], ["pool"], "", 650));
  return { name: "resnet_cifar.onnx <b>not bold</b>", sha256: null, nodes, inputs: ["image"], outputs: ["logits"] };
}
function large(n) {
  const nodes = [node("n0", "Input", [1, 64], [])];
  for (let i = 1; i < n; i++) {
    const inputs = i < 4 ? ["n0"] : [`n${i - 4}`];
    if (i % 37 === 0) inputs.push(`n${i - 30}`);
    if (i % 11 === 0 && i > 4) inputs.push(`n${i - 3}`);
    nodes.push(node(`n${i}`, ["Gemm", "Relu", "Add", "Conv"][i % 4], [1, 64], inputs));
  }
  return { name: `synthetic-${n}`, sha256: null, nodes, inputs: ["n0"], outputs: [`n${n - 1}`] };
}
var ask = new URLSearchParams(location.search);
var nets = { digits, resnet, large: () => large(Number(ask.get("n") ?? 1e4)) };
var views = { graph: graph_default, bounds: bounds_default, rounding: rounding_default, workbench: workbench_default };
if (ask.get("theme")) {
  document.body.dataset["jpThemeLight"] = String(ask.get("theme") === "light");
  document.body.style.background = ask.get("theme") === "dark" ? "#0d0f13" : "#fff";
}
var net = (nets[ask.get("net") ?? "digits"] ?? digits)();
var model = fakeModel(net, { slow: Number(ask.get("slow") ?? 8), node: ask.get("node"), odd: ask.get("odd") });
var abort = new AbortController();
var host = document.getElementById("host");
host.style.width = `${ask.get("width") ?? 1180}px`;
for (const name of (ask.get("view") ?? "workbench").split(",")) {
  const el = document.createElement("div");
  el.style.marginBottom = "16px";
  host.append(el);
  views[name].render({ model, el, signal: abort.signal });
}
Object.assign(window, { model, abort, traits: model });
