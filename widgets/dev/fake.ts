// Made-up results with the shape of real ones: deterministic, wider with epsilon and with depth, IBP wider than CROWN.
import type { Model, Settings, Stamp, Traits, WireGraph, WireNode } from "../src/core/wire.js";

const random = (seed: number) => () => {
  seed = (seed * 16807) % 2147483647;
  return seed / 2147483647;
};
const FORMULAS: Record<string, string> = { Input: "x", Gemm: "y = x W\u1d40 + b", Relu: "y = max(x, 0)", Conv: "y = W \u2217 x + b", Add: "y = a + b", Flatten: "y = x, in one row", GlobalAveragePool: "y = mean over the picture" };

interface Options {
  slow: number;
  node: string | null;
  odd: string | null;
}

type Fields = { lower: number[]; upper: number[]; lower_loose: number[]; upper_loose: number[]; center: number[] };

export function fakeModel(graph: WireGraph, options: Options): Model & { setPython(values: Partial<Traits>): void } {
  const listeners = new Map<string, Set<() => void>>();
  const byId = new Map(graph.nodes.map((n) => [n.id, n]));
  const depth = new Map<string, number>();
  graph.nodes.forEach((n) => depth.set(n.id, n.inputs.length ? 1 + Math.max(...n.inputs.map((i) => depth.get(i) ?? 0)) : 0));
  const size = (n: WireNode): number => n.shape.reduce((a, b) => a * b, 1);
  let seq = 0;

  function fields(n: WireNode, s: Settings): Fields {
    if (n.op === "Relu") {
      const own = fields(byId.get(n.inputs[0]!)!, s);
      return Object.fromEntries(Object.entries(own).map(([k, v]) => [k, v.map((x) => Math.max(x, 0))])) as Fields;
    }
    const r = random(7 + graph.nodes.indexOf(n) * 31 + (s.example ?? 0) * 997);
    const f: Fields = { lower: [], upper: [], lower_loose: [], upper_loose: [], center: [] };
    const grow = s.eps * (1 + 2.2 * (depth.get(n.id) ?? 0)) * (s.method === "ibp" ? 2.4 : s.method === "crown-ibp" ? 1.3 : 1);
    for (let i = 0; i < size(n); i++) {
      const c = n.op === "Input" ? Math.max(0, Math.sin(i * 0.9) + (r() - 0.5) * 0.3) : (r() - 0.56) * 1.8;
      const [a, b, k] = [grow * (0.3 + r() * 1.2), grow * (0.3 + r() * 1.2), 1.6 + r()];
      f.center.push(c);
      f.lower.push(c - a);
      f.upper.push(c + b);
      f.lower_loose.push(s.method === "ibp" ? c - a : c - a * k);
      f.upper_loose.push(s.method === "ibp" ? c + b : c + b * k);
    }
    if (options.odd && n.op !== "Input") {
      [f.upper[3], f.upper_loose[3]] = [Infinity, Infinity];
      [f.lower[9], f.upper[9]] = [NaN, NaN];
      f.lower[15] = -Infinity;
    }
    return f;
  }

  const settings = (): Settings => ({ eps: state.eps, norm: "inf", method: state.method, format: state.format, example: state.example });

  function detail(s: Stamp): Pick<Traits, "detail" | "detail_data" | "neuron" | "attribution"> {
    const n = byId.get((state.selection as { node: string }).node ?? "");
    if (!n) return { detail: { node: null }, detail_data: new DataView(new ArrayBuffer(0)), neuron: {}, attribution: null };
    const f = fields(n, s);
    const operand = n.op === "Relu" ? n.inputs[0]! : null;
    const pre = operand ? fields(byId.get(operand)!, s) : null;
    const r = random(5);
    const S = 12;
    const parts: Record<string, number[]> = { ...f };
    const sample = (g: Fields): number[] => Array.from({ length: S }, () => g.center.map((c, i) => c + (r() - 0.5) * (g.upper[i]! - g.lower[i]!) * 0.5)).flat();
    if (pre) for (const [k, v] of Object.entries(pre)) parts[`pre_${k}`] = v;
    if (pre) parts["phase"] = pre.lower.map((low, i) => (low >= 0 ? 1 : pre.upper[i]! <= 0 ? -1 : 0));
    parts["samples"] = sample(f);
    if (pre) parts["pre_samples"] = sample(pre);
    if (n.op !== "Input" && n.op !== "Flatten") {
      const u = { binary64: 1e-16, binary32: 6e-8, binary16: 5e-4, bfloat16: 4e-3 }[s.format] ?? 6e-8;
      parts["rounding"] = f.center.map(() => u * (4 + 9 * r()) * (depth.get(n.id) ?? 1));
      parts["observed"] = parts["rounding"].map((b) => b * 10 ** (-0.6 - 1.6 * r()));
      parts["ulp"] = f.upper.map((hi, i) => 2 * u * 2 ** Math.floor(Math.log2(Math.max(Math.abs(hi), Math.abs(f.lower[i]!), 1e-9))));
    }
    let offset = 0;
    const arrays = Object.entries(parts).map(([key, v]) => {
      const one = { key, offset, length: v.length };
      offset += 8 * v.length;
      return one;
    });
    const index = (state.selection as { index: number | null }).index;
    const [l, u] = index === null || !pre ? [0, 0] : [pre.lower[index]!, pre.upper[index]!];
    const slope = u > 0 && l < 0 ? u / (u - l) : u > 0 ? 1 : 0;
    const row = (label: string, kind: string, text: string, full = ""): { label: string; value: number | null; unit: string; kind: string; text: string; full: string } => ({ label, value: null, unit: "", kind, text, full });
    const show = (v: number): string => v.toFixed(4).replace("-", "\u2212");
    return {
      detail: { node: n.id, op: n.op, shape: n.shape, n: size(n), rows: size(n), bin: 1, window: null, samples: S, operand, arrays, bytes: offset, ...s },
      detail_data: new DataView(Float64Array.from(Object.values(parts).flat()).buffer),
      neuron:
        index === null
          ? { node: n.id, index: null, relaxation: null, numbers: [] }
          : {
              node: n.id,
              index,
              position: n.shape.length > 3 ? [0, 0, 0, index] : [0, index],
              relaxation: pre ? { l, u, formula: "y = max(z, 0)", upper: { slope, offset: l < 0 && u > 0 ? -slope * l : 0 }, lower: { slope: l >= 0 ? 1 : u > -l ? 0.62 : 0, offset: 0 }, curve: [[l - (u - l) * 0.25, Math.max(0, l - (u - l) * 0.25)], ...(l < 0 && u > 0 ? [[0, 0] as [number, number]] : []), [u + (u - l) * 0.25, Math.max(0, u + (u - l) * 0.25)]], center: [pre.center[index]!, f.center[index]!] } : null,
              numbers: [row("CROWN", "interval", `[${show((pre ?? f).lower[index]!)}, ${show((pre ?? f).upper[index]!)}]`, `[${(pre ?? f).lower[index]}, ${(pre ?? f).upper[index]}]`), row("IBP", "loose", `[${show((pre ?? f).lower_loose[index]!)}, ${show((pre ?? f).upper_loose[index]!)}]`), row("value at the centre", "value", show(f.center[index]!), String(f.center[index])), row("phase", "phase", l >= 0 ? "always on" : u <= 0 ? "always off" : "unstable"), row(`rounding, ${s.format}`, "rounding", "\u2264 3.1e\u22127  (5.2 ulp)"), row("rounding observed", "rounding", "2.4e\u22128")],
            },
      attribution: { output: graph.outputs[0]!, index: 0, total: 1e-6, count: 264, items: Array.from({ length: 12 }, (_, i) => ({ node: i % 3 ? "fc1" : "fc2", index: (i * 37) % 64, contribution: 2e-7 / (i + 1) })) },
    };
  }

  function overlay(s: Settings): Traits["overlay"] {
    const key = state.overlay_key || "width";
    const values: Record<string, number> = {};
    const large = graph.nodes.length > 500;
    for (const n of graph.nodes) {
      const spread = large ? s.eps * (1 + 0.02 * (depth.get(n.id) ?? 0)) * (1 + ((graph.nodes.indexOf(n) * 7919) % 13)) : 0;
      const f = large ? null : fields(n, s);
      values[n.id] = key === "ulp" ? 1 + (depth.get(n.id) ?? 0) ** 1.7 : f ? Math.max(...f.upper.map((u, i) => u - f.lower[i]!).filter(Number.isFinite)) : spread;
    }
    return key === "ulp" ? { key, label: "rounding error, max", unit: "ulp", log: true, values } : { key, label: "bound width, max", unit: "", log: true, values };
  }

  function phases(s: Settings): Traits["phases"] {
    const found: Traits["phases"] = {};
    if (graph.nodes.length > 500) return found;
    for (const n of graph.nodes) {
      if (n.op !== "Relu") continue;
      const f = fields(byId.get(n.inputs[0]!)!, s);
      const on = f.lower.filter((v) => v >= 0).length;
      const off = f.upper.filter((v) => v <= 0).length;
      found[n.id] = [on, size(n) - on - off, off];
    }
    return found;
  }

  let timer: ReturnType<typeof setTimeout> | undefined;
  function compute(): void {
    clearTimeout(timer);
    const now = settings();
    setPython({ status: { ...state.status, state: "computing", progress: 0.4, eta: options.slow / 1000, for: now } as Traits["status"] });
    timer = setTimeout(() => answer({ ...now, seq: ++seq, seconds: options.slow / 1000 }), options.slow);
  }

  function answer(s: Stamp): void {
    const text = "logit 7 exceeds every other by at least 1.83";
    setPython({
      stamp: s,
      ...detail(s),
      overlay: overlay(s),
      phases: phases(s),
      verdict: { state: s.eps < 0.03 ? "verified" : "unknown", text: s.eps < 0.03 ? text : "the margin could not be bounded away from 0", math: `for all x with \u2016x \u2212 x\u2080\u2016\u221e \u2264 ${s.eps}`, details: [{ semantics: "reals", state: s.eps < 0.03 ? "verified" : "unknown" }, { semantics: "binary32, any order", state: s.eps < 0.03 ? "verified" : "unknown" }, { semantics: "bfloat16", state: "unknown" }] },
      status: { state: "fresh", message: "", progress: null, eta: null, seq: s.seq, seconds: s.seconds, for: settings() },
    });
  }

  function setPython(values: Partial<Traits>): void {
    Object.assign(state, values);
    for (const key of Object.keys(values)) for (const act of listeners.get(`change:${key}`) ?? []) act();
  }

  const thumb = Array.from({ length: 64 }, (_, i) => [0, 60, 200, 250][(Math.abs((i % 8) - 4 + Math.floor(i / 8) * 0.4) < 1.4 || i < 8 ? 3 : 0) - (i % 3 === 0 ? 0 : 0)] ?? 0);
  const state: Traits = {
    graph: { ...graph, ops: Object.fromEntries(Object.entries(FORMULAS).map(([op, formula]) => [op, { formula, doc: "" }])) },
    stamp: null, overlay: {}, overlays: [{ key: "width", label: "bound width, max" }, { key: "ulp", label: "rounding error, max" }], phases: {},
    selection: { node: options.node ?? (byId.has("relu_1") ? "relu_1" : (graph.nodes[2]?.id ?? null)), index: 17 },
    controls: { eps_max: 0.1, norm: "inf", methods: [{ key: "ibp", label: "IBP" }, { key: "crown-ibp", label: "CROWN-IBP" }, { key: "crown", label: "CROWN" }], formats: ["binary64", "binary32", "binary16", "bfloat16"].map((key) => ({ key, label: key })), examples: ["test image 17, class 7", "test image 18, class 8", "test image 19, class 9"] },
    thumbnail: { w: 8, h: 8, data: thumb },
    status: {}, verdict: {}, detail: {}, detail_data: new DataView(new ArrayBuffer(0)), neuron: {}, attribution: null,
    code: { workbench: "model.eps = 0.02\nmodel", graph: "model.graph_view()", bounds: "model.bounds_view()", rounding: "model.rounding_view()" },
    notice: "", eps: 0.02, method: "crown", format: "binary32", example: 0, live: true, overlay_key: "width", window: null,
  };
  const pending = new Set<keyof Traits>();
  queueMicrotask(compute);
  return {
    get: (name) => state[name],
    set(name, value) {
      if (Object.is(state[name], value)) return;
      state[name] = value;
      pending.add(name);
      for (const act of listeners.get(`change:${name}`) ?? []) act();
    },
    on: (event, act) => void (listeners.get(event) ?? listeners.set(event, new Set()).get(event)!).add(act),
    off: (event, act) => void listeners.get(event)?.delete(act),
    save_changes() {
      const names = [...pending];
      pending.clear();
      if (names.some((n) => ["eps", "method", "format", "example"].includes(n)) && state.live) compute();
      if (names.includes("selection") && state.stamp) setTimeout(() => setPython(detail(state.stamp!)), 2);
      if (names.includes("overlay_key") && state.stamp) setTimeout(() => setPython({ overlay: overlay(state.stamp!) }), 2);
    },
    send({ type }) {
      if (type === "compute") compute();
      if (type === "cancel") {
        clearTimeout(timer);
        setPython({ status: { ...state.status, state: "cancelled" } as Traits["status"] });
      }
    },
    setPython,
  };
}
