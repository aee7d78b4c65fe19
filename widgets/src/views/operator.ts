// The operator pane: what this node computes, from what, and the code that finds it again.

import { count, shapeText } from "../core/format.js";
import type { WireGraph, WireNode } from "../core/wire.js";
import { button, h } from "./dom.js";
import { write, type Context } from "./frame.js";
import { empty, type Pane } from "./inspect.js";

/** The formula with this node's own attributes in it, where they change it. */
function formula(node: WireNode): string {
  if (node.op !== "Gemm") return "";
  const own = new Map(node.attrs);
  const times = (key: string): string => (Number(own.get(key) ?? 1) === 1 ? "" : `${own.get(key)} `);
  const turned = (key: string): string => (Number(own.get(key) ?? 0) ? "\u1d40" : "");
  return `y = ${times("alpha")}a${turned("transA")} b${turned("transB")} + ${times("beta")}c`;
}

export function operatorPane(ctx: Context): Pane {
  const { model, signal } = ctx;
  const content = h("div", { style: "max-width:640px" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": "operator" }, content);
  let code = "";
  const copy = button("copy code", "the Python that finds this node", () => ctx.copy(code, "the code of this node"), signal);

  function show(): void {
    const graph = model.get("graph") as Partial<WireGraph>;
    const id = (model.get("selection") as { node?: string | null }).node ?? null;
    const node = graph.nodes?.find((one) => one.id === id);
    if (!node) {
      content.replaceChildren(empty(ctx, "operator"));
      return;
    }
    const about = graph.ops?.[node.op];
    code = `model.graph[${JSON.stringify(node.id)}]`;
    const row = (label: string, text: string): HTMLElement => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, text));
    const link = (ids: string[], label: string): HTMLElement => {
      const cell = h("td", {});
      for (const other of ids) {
        const to = h("button", { type: "button", class: "wb-btn wb-flat", "data-go": other, title: `select ${other}` }, other);
        cell.append(to);
      }
      if (!ids.length) cell.append("\u2013");
      return h("tr", {}, h("th", { scope: "row" }, label), cell);
    };
    const users = (graph.nodes ?? []).filter((one) => one.inputs.includes(node.id)).map((one) => one.id);
    content.replaceChildren(
      h("div", { class: "wb-formula" }, formula(node) || about?.formula || node.op),
      about?.doc ? h("p", {}, about.doc) : "",
      h(
        "table",
        { class: "wb-table" },
        row("operator", node.op),
        row("name", node.id),
        row("result", `${node.dtype} ${shapeText(node.shape)}`),
        row("parameters", node.params ? count(node.params) : "none"),
        ...(node.group ? [row("group", node.group)] : []),
        ...(node.attrs ?? []).map(([key, value]) => row(key, value)),
        link(node.inputs, "computed from"),
        link(users, "used by"),
      ),
      h("div", { class: "wb-row", style: "margin-top:10px" }, h("span", { class: "wb-lab" }, "in Python"), h("span", { class: "wb-grow" }), copy),
      h("pre", { class: "wb-code" }, code),
    );
  }
  content.addEventListener(
    "click",
    (event) => {
      const to = (event.target as Element).closest<HTMLElement>("[data-go]")?.dataset["go"];
      if (to !== undefined) write(model, { selection: { node: to, index: null } });
    },
    { signal },
  );
  return { el, show, freshen: () => {} };
}
