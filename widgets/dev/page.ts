// A page without Jupyter: made-up networks and made-up bounds, to look at and to measure the views.
import type { Model, Traits, WireGraph, WireNode } from "../src/core/wire.js";
import graph from "../src/entries/graph.js";
import bounds from "../src/entries/bounds.js";
import rounding from "../src/entries/rounding.js";
import workbench from "../src/entries/workbench.js";
import { fakeModel } from "./fake.js";

const node = (id: string, op: string, shape: number[], inputs: string[], group = "", params = 0): WireNode => ({ id, op, shape, dtype: "float32", inputs, group, params, attrs: op === "Conv" ? [["kernel_shape", "[3, 3]"], ["pads", "[1, 1, 1, 1]"]] : [] });

function digits(): WireGraph {
  const nodes = [node("x", "Input", [1, 8, 8], []), node("flatten", "Flatten", [1, 64], ["x"]), node("fc1", "Gemm", [1, 128], ["flatten"], "", 8320), node("relu_1", "Relu", [1, 128], ["fc1"]), node("fc2", "Gemm", [1, 64], ["relu_1"], "", 8256), node("relu_2", "Relu", [1, 64], ["fc2"]), node("logits", "Gemm", [1, 10], ["relu_2"], "", 650), node("margin", "Gemm", [1, 9], ["logits"])];
  return { name: "digits.onnx", sha256: null, nodes, inputs: ["x"], outputs: ["margin"] };
}

function resnet(): WireGraph {
  const nodes = [node("image", "Input", [1, 3, 32, 32], []), node("stem", "Conv", [1, 16, 32, 32], ["image"], "", 448), node("stem_relu", "Relu", [1, 16, 32, 32], ["stem"])];
  let last = "stem_relu";
  for (let layer = 1; layer <= 3; layer++) {
    const [c, s] = [8 * 2 ** layer, 64 / 2 ** layer];
    for (let block = 1; block <= 2; block++) {
      const g = `layer${layer}/block${block}`;
      const id = (name: string): string => `${g}/${name}`;
      nodes.push(node(id("conv1"), "Conv", [1, c, s, s], [last], g, 9 * c * c), node(id("relu1"), "Relu", [1, c, s, s], [id("conv1")], g), node(id("conv2"), "Conv", [1, c, s, s], [id("relu1")], g, 9 * c * c), node(id("skip"), "Conv", [1, c, s, s], [last], g, c * c), node(id("add"), "Add", [1, c, s, s], [id("conv2"), id("skip")], g), node(id("relu2"), "Relu", [1, c, s, s], [id("add")], g));
      last = id("relu2");
    }
  }
  nodes.push(node("pool", "GlobalAveragePool", [1, 64, 1, 1], [last]), node("logits", "Gemm", [1, 10], ["pool"], "", 650));
  return { name: "resnet_cifar.onnx <b>not bold</b>", sha256: null, nodes, inputs: ["image"], outputs: ["logits"] };
}

function large(n: number): WireGraph {
  const nodes = [node("n0", "Input", [1, 64], [])];
  for (let i = 1; i < n; i++) {
    const inputs = i < 4 ? ["n0"] : [`n${i - 4}`];
    if (i % 37 === 0) inputs.push(`n${i - 30}`);
    if (i % 11 === 0 && i > 4) inputs.push(`n${i - 3}`);
    nodes.push(node(`n${i}`, ["Gemm", "Relu", "Add", "Conv"][i % 4]!, [1, 64], inputs));
  }
  return { name: `synthetic-${n}`, sha256: null, nodes, inputs: ["n0"], outputs: [`n${n - 1}`] };
}

const ask = new URLSearchParams(location.search);
const nets: Record<string, () => WireGraph> = { digits, resnet, large: () => large(Number(ask.get("n") ?? 10_000)) };
const views = { graph, bounds, rounding, workbench } as const;
if (ask.get("theme")) {
  document.body.dataset["jpThemeLight"] = String(ask.get("theme") === "light");
  document.body.style.background = ask.get("theme") === "dark" ? "#0d0f13" : "#fff";
}
const net = (nets[ask.get("net") ?? "digits"] ?? digits)();
const model = fakeModel(net, { slow: Number(ask.get("slow") ?? 8), node: ask.get("node"), odd: ask.get("odd") });
const abort = new AbortController();
const host = document.getElementById("host")!;
host.style.width = `${ask.get("width") ?? 1180}px`;
for (const name of (ask.get("view") ?? "workbench").split(",") as (keyof typeof views)[]) {
  const el = document.createElement("div");
  el.style.marginBottom = "16px";
  host.append(el);
  views[name].render({ model: model as Model, el, signal: abort.signal });
}
Object.assign(window, { model, abort, traits: model as { get(name: keyof Traits): unknown } });
