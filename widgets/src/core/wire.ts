// The wire: what Python tells the views.  Its other half, and the description of every field, is
// workbench/views/wire.py; tests/golden/wire.json is read by the tests of both sides.

export interface Settings {
  eps: number;
  norm: string;
  method: string;
  format: string;
  example: number | null;
  /** tells regions of one radius apart */
  region?: string;
}

/** What a result was computed for. */
export interface Stamp extends Settings {
  seq: number;
  seconds: number | null;
}

export interface WireNode {
  id: string;
  op: string;
  shape: number[];
  dtype: string;
  inputs: string[];
  group: string;
  params: number;
  attrs?: [string, string][];
}

export interface WireGraph {
  name: string;
  sha256: string | null;
  nodes: WireNode[];
  inputs: string[];
  outputs: string[];
  ops?: Record<string, { formula: string; doc: string }>;
}

export interface Overlay {
  key: string;
  label: string;
  unit: string;
  log: boolean;
  values: Record<string, number | null>;
}

export type Phases = Record<string, [number, number, number]>;

export interface Selection {
  node: string | null;
  index: number | null;
}

export interface Choice {
  key: string;
  label: string;
}

export interface Thumbnail {
  w: number;
  h: number;
  channels?: number;
  data: number[];
}

/** What the controls may be set to; what they are set to are small traits of their own. */
export interface Controls {
  norm: string;
  eps_max: number;
  methods: Choice[];
  formats: Choice[];
  examples: string[];
}

export interface Status {
  state: "idle" | "stale" | "computing" | "fresh" | "failed" | "cancelled";
  message: string;
  progress: number | null;
  eta: number | null;
  seq: number;
  seconds: number | null;
  for: Settings;
}

export interface Verdict {
  state: "verified" | "falsified" | "unknown" | "none";
  text: string;
  math: string;
  details: { semantics: string; state: string }[];
  /** what was asked, in one sentence */
  question?: string;
  /** the output that is largest at the centre: node and index */
  largest?: [string, number] | null;
}

export interface DetailHeader extends Stamp {
  node: string | null;
  op: string;
  shape: number[];
  n: number;
  rows: number;
  bin: number;
  window: [number, number] | null;
  samples: number;
  /** how many samples were drawn altogether */
  drawn?: number;
  operand: string | null;
  /** `f4` where a picture needs no more digits (samples); otherwise float64 */
  arrays: { key: string; offset: number; length: number; type?: "f4" | "f8" }[];
  bytes: number;
}

export interface Line {
  slope: number;
  offset: number;
}

export interface Relaxation {
  l: number;
  u: number;
  lower: Line | null;
  upper: Line | null;
  curve: [number, number][];
  formula: string;
  center?: [number, number | null];
}

export interface NumberRow {
  label: string;
  value: number | null;
  unit: string;
  kind: string;
  text: string;
  full: string;
}

export interface Neuron {
  node: string | null;
  index: number | null;
  position?: number[];
  relaxation: Relaxation | null;
  numbers: NumberRow[];
}

export interface Attribution {
  output: string;
  index: number;
  items: { node: string; index: number; contribution: number | null }[];
  total: number | null;
  count: number;
}

/** Every trait, by name: what `model.get(name)` gives. */
export interface Traits {
  graph: WireGraph | Record<string, never>;
  stamp: Stamp | null;
  overlay: Overlay | Record<string, never>;
  overlays: Choice[];
  phases: Phases;
  selection: Selection | Record<string, never>;
  thumbnail: Thumbnail | null;
  controls: Controls | { norm: string } | Record<string, never>;
  status: Status | Record<string, never>;
  verdict: Verdict | Record<string, never>;
  detail: DetailHeader | { node: string | null } | Record<string, never>;
  detail_data: DataView | ArrayBuffer | Uint8Array;
  neuron: Neuron | Record<string, never>;
  attribution: Attribution | null;
  code: Record<string, string>;
  notice: string;
  eps: number;
  method: string;
  format: string;
  example: number | null;
  live: boolean;
  overlay_key: string;
  window: [number, number] | null;
}

/** What a view needs of a Jupyter widget model; the tests' and the dev page's fake models are this too. */
export interface Model {
  get<K extends keyof Traits>(name: K): Traits[K];
  set<K extends keyof Traits>(name: K, value: Traits[K]): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
  save_changes(): void;
  send(content: { type: "cancel" | "compute" | "back" | "forward" }): void;
}

export interface Detail {
  header: DetailHeader;
  arrays: Record<string, Float64Array>;
}

function bytesOf(data: DataView | ArrayBuffer | Uint8Array): { buffer: ArrayBuffer; start: number; length: number } {
  if (data instanceof ArrayBuffer) return { buffer: data, start: 0, length: data.byteLength };
  return { buffer: data.buffer as ArrayBuffer, start: data.byteOffset, length: data.byteLength };
}

const isDetail = (header: Traits["detail"] | undefined): header is DetailHeader => header !== undefined && "arrays" in header;

/** The arrays of the selected node; null where nothing is computed, or where description and bytes do not belong together. */
export function decodeDetail(header: Traits["detail"], data: Traits["detail_data"] | null | undefined): Detail | null {
  if (!isDetail(header) || !data) return null;
  const { buffer, start, length } = bytesOf(data);
  if (length !== header.bytes) return null;
  const arrays: Record<string, Float64Array> = {};
  for (const { key, offset, length: count, type } of header.arrays) {
    const size = type === "f4" ? 4 : 8;
    if (offset + size * count > length) return null;
    const at = start + offset;
    // a Float64Array needs 8-byte alignment, which the Jupyter protocol does not promise
    if (size === 4) arrays[key] = Float64Array.from(new Float32Array(buffer.slice(at, at + 4 * count)));
    else arrays[key] = at % 8 === 0 ? new Float64Array(buffer, at, count) : new Float64Array(buffer.slice(at, at + 8 * count));
  }
  return { header, arrays };
}

/** The settings in force: the small traits that a person's hand writes come before what Python last confirmed. */
export function settingsNow(model: Model): Settings {
  const controls = model.get("controls") as Partial<Controls> | undefined;
  const status = model.get("status") as Partial<Status> | undefined;
  return {
    eps: model.get("eps"),
    norm: controls?.norm ?? status?.for?.norm ?? "inf",
    method: model.get("method"),
    format: model.get("format"),
    example: model.get("example") ?? null,
    region: status?.for?.region ?? "",
  };
}

/** The Python that chooses an input of the right shape, while none is chosen; null afterwards. */
export function inputCode(model: Model): string | null {
  const status = model.get("status") as Partial<Status>;
  const graph = model.get("graph") as Partial<WireGraph>;
  if (model.get("stamp") || status.for?.region !== "" || status.for.example !== null) return null;
  const shape = graph.nodes?.find((node) => node.id === graph.inputs?.[0])?.shape;
  return shape ? `import numpy; model.explore(numpy.zeros((${shape.join(", ")}${shape.length === 1 ? "," : ""})), eps=0.01)` : "model.explore(x, eps=0.01)";
}

/** Whether something stamped may be shown as an answer to `now`. */
export function isStale(stamp: Settings | null | undefined, now: Settings): boolean {
  if (!stamp) return false;
  return (
    stamp.eps !== now.eps ||
    stamp.norm !== now.norm ||
    stamp.method !== now.method ||
    stamp.format !== now.format ||
    (stamp.example ?? null) !== now.example ||
    (stamp.region ?? "") !== (now.region ?? "")
  );
}
