// A widget model for the tests: the golden wire, with Python's side in the hands of the test.

import golden from "../../tests/golden/wire.json";
import type { Model, Traits, WireGraph } from "./core/wire.js";

export const EVIL = golden.graph.nodes.at(-1)!.id;

export interface Fake extends Model {
  /** What Python sends. */
  python(values: Partial<Traits>): void;
  sent: { type: string }[];
  saved: Partial<Traits>[];
  listeners(): number;
}

export function goldenTraits(): Traits {
  const copy = structuredClone(golden) as unknown as Traits & { detail_data: string };
  const bytes = Uint8Array.from(atob(golden.detail_data), (c) => c.charCodeAt(0));
  return { ...copy, detail_data: new DataView(bytes.buffer) };
}

export function fake(changes: Partial<Traits> = {}): Fake {
  const state: Traits = { ...goldenTraits(), ...changes };
  const listeners = new Map<string, Set<() => void>>();
  let pending: Partial<Traits> = {};
  const tell = (name: string): void => [...(listeners.get(`change:${name}`) ?? [])].forEach((act) => act());
  const made: Fake = {
    sent: [],
    saved: [],
    get: (name) => state[name],
    set(name, value) {
      if (Object.is(state[name], value)) return;
      state[name] = value;
      pending = { ...pending, [name]: value };
      tell(name);
    },
    on: (event, act) => void (listeners.get(event) ?? listeners.set(event, new Set()).get(event)!).add(act),
    off: (event, act) => void listeners.get(event)?.delete(act),
    save_changes() {
      if (Object.keys(pending).length) made.saved.push(pending);
      pending = {};
    },
    send: (content) => void made.sent.push(content),
    python(values) {
      Object.assign(state, values);
      Object.keys(values).forEach(tell);
    },
    listeners: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
  return made;
}

/** A chain with a side branch every few nodes. */
export function chain(n: number, group: (i: number) => string = () => ""): WireGraph {
  const nodes = Array.from({ length: n }, (_, i) => ({
    id: `n${i}`,
    op: i ? "Relu" : "Input",
    shape: [1, 4],
    dtype: "float32",
    inputs: i ? [`n${i - 1}`, ...(i % 7 === 0 ? [`n${i - 5}`] : [])] : [],
    group: group(i),
    params: 0,
  }));
  return { name: "chain", sha256: null, nodes, inputs: ["n0"], outputs: [`n${n - 1}`] };
}

export const frame = (): Promise<void> => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
