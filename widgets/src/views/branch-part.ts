// The selected part of a proof: how it came about, its box and its signs, and what to split there.

import { clip, exact, outward, short } from "../core/format.js";
import { button, h, put, say } from "./dom.js";
import type { Context } from "./frame.js";
import { codeLine } from "./inspect.js";
import type { About, BranchModel, Choice, Part } from "./branch.js";

const MOST = 12; // inputs and signs that are drawn

interface Acts {
  send(content: Record<string, unknown>): void;
  choose(id: number): void;
  about(): Partial<About>;
}

export function partPane(ctx: Context, model: BranchModel, acts: Acts): { el: HTMLElement; show(): void } {
  const { signal } = ctx;
  const title = h("b", {});
  const fact = h("span", { class: "wb-lab" });
  const path = h("div", { class: "wb-t-path" });
  const box = h("div", { class: "wb-t-box" });
  const signs = h("div", { class: "wb-lab wb-t-signs" });
  const choices = h("div", { class: "wb-t-choices" });
  const inAll = button("Show in all views", "let every view of the model show this part: its box, its bounds (s)", () => acts.send({ type: "show", id: model.get("part")?.id ?? 0 }), signal, "");
  const whole = button("Whole region", "let the model's other views show the whole region again (Esc)", () => acts.send({ type: "whole" }), signal, "");
  const worst = button("Worst open", "select the open leaf with the least bound (n)", () => ctx.root.dispatchEvent(new CustomEvent("wb-worst")), signal);
  const up = button("Collapse", "forget everything below this part (Backspace)", () => acts.send({ type: "collapse", id: model.get("part")?.id ?? 0 }), signal);

  // a split of one's own: an input and where, or the neuron that is selected in the model
  const axis = h("select", { "aria-label": "input to cut" });
  const at = h("input", { class: "wb-text", type: "text", inputmode: "decimal", "aria-label": "where to cut it; empty: in the middle", placeholder: "middle", spellcheck: "false", autocomplete: "off" });
  const cut = button("Cut", "split this part at that input", () => splitInput(), signal, "");
  at.addEventListener("keydown", (event) => event.key === "Enter" && splitInput(), { signal });
  const neuron = button("", "split at the sign of the neuron that is selected in the model's views", () => {
    const { node, index } = model.get("selection") ?? {};
    if (node && index !== null && index !== undefined) acts.send({ type: "split", id: model.get("part")?.id ?? 0, kind: "neuron", node, element: index });
  }, signal, "");
  const own = h("div", { class: "wb-t-own" }, h("span", { class: "wb-lab" }, "your own:"), axis, at, cut, neuron);
  const el = h("div", { class: "wb-t-part" }, h("div", { class: "wb-row", style: "flex-wrap:wrap" }, title, fact), path, h("div", { class: "wb-row", style: "flex-wrap:wrap" }, inAll, whole, worst, up), box, signs, choices, own);

  function splitInput(): void {
    const text = at.value.trim().replace("\u2212", "-");
    const value = Number(text);
    put(at, { "aria-invalid": text && !Number.isFinite(value) ? "true" : null });
    if (text && !Number.isFinite(value)) return;
    acts.send({ type: "split", id: model.get("part")?.id ?? 0, kind: "input", index: Number(axis.value), at: text ? value : null });
  }

  let drawn = "";
  function show(): void {
    const p = model.get("part") as Part | undefined;
    if (!p || p.id === undefined) return;
    const chosen = model.get("chosen");
    const old = chosen?.id !== p.id || chosen?.tree !== p.tree; // another was selected, and its description is under way
    put(el, { "data-part": p.id, "data-part-status": p.status, "data-shown": p.shown ? "true" : "false", "data-state": old ? "stale" : "fresh" });
    el.classList.add("wb-drawn");
    const about = acts.about();
    say(title, p.id === 0 ? "the whole region" : `part ${p.id}`);
    const bound = p.bound === null ? (p.status === "empty" ? "no input lies here" : "no bound yet") : `bound \u2265 ${outward(p.bound, false)}`;
    say(fact, `${p.leaf ? p.status : `split: ${p.split}`} \u00b7 ${bound} \u00b7 ${short(100 * p.weight, 3)} %`);
    put(fact, { title: p.bound === null ? "how far every unsafe alternative is missed here" : `every unsafe alternative is missed by at least ${exact(p.bound)} here` });
    whole.hidden = !p.shown;
    inAll.hidden = p.shown;
    inAll.disabled = p.status === "empty";
    up.disabled = p.leaf;
    const open = p.leaf && (p.status === "open" || p.status === "stuck");
    own.hidden = !open;
    const selected = model.get("selection") ?? {};
    const fits = (about.layers ?? []).some((l) => l.node === selected.node) && selected.index !== null && selected.index !== undefined;
    neuron.hidden = !fits;
    say(neuron, fits ? `Split ${clip(`${selected.node}[${selected.index}]`, 24)}` : "");
    const key = JSON.stringify([p, about.low]);
    if (key === drawn) return;
    drawn = key;
    path.replaceChildren(...(p.path.length ? p.path.map((words) => h("span", {}, words)) : [h("span", { class: "wb-lab" }, "no split yet: the root")]));
    const [low, high] = [about.low ?? [], about.high ?? []];
    box.replaceChildren(
      ...p.box.slice(0, MOST).map(([i, l, u], k) => {
        const span = high[k]! - low[k]! || 1;
        const [from, to] = [(100 * (l - low[k]!)) / span, (100 * (u - low[k]!)) / span];
        return h("div", { title: `[${exact(l)}, ${exact(u)}]` }, h("span", { class: "wb-lab" }, `X_${i}`), h("span", { class: "wb-t-bar" }, h("i", { style: `left:${from.toFixed(2)}%;width:${Math.max(0.8, to - from).toFixed(2)}%` })), h("span", { class: "wb-num" }, `[${outward(l, false)}, ${outward(u, true)}]`));
      }),
      ...(p.box.length > MOST ? [h("div", { class: "wb-lab" }, `and ${(about.free_count ?? p.box.length) - MOST} more inputs`)] : []),
    );
    signs.replaceChildren(...(p.signs.length ? [`signs decided: ${p.signs.slice(0, MOST).map(([node, i, sign]) => `${node}[${i}] ${sign > 0 ? "on" : "off"}`).join(", ")}${p.decided > MOST ? ` and ${p.decided - MOST} more` : ""}`] : []));
    const most = Math.max(...p.choices.map((c) => c.score ?? 0), 1e-300);
    choices.replaceChildren(
      ...(p.choices.length ? [h("div", { class: "wb-lab" }, "what to split, the machine's choice first:")] : []),
      ...p.choices.map((c) => choice(c, most)),
      ...(!open && p.leaf ? [h("div", { class: "wb-lab" }, p.status === "proved" ? "Proved: no unsafe output comes from here." : p.status === "empty" ? "Its signs cannot all hold: no input lies here." : p.status === "unsafe" ? "A counterexample was found here." : "")] : []),
      ...(p.id === 0 && open ? [codeLine(ctx, "view.split(0)")] : []),
    );
    const names = (about.free ?? []).map((i) => [i, `X_${i}`] as const);
    if (axis.childElementCount !== names.length) axis.replaceChildren(...names.map(([i, name]) => h("option", { value: i }, name)));
  }

  function choice(c: Choice, most: number): HTMLElement {
    const share = c.score === null ? 0 : Math.max(0, Math.min(1, c.score / most));
    const act = button(clip(c.words, 34), `split here: ${c.words}${c.low === null || c.high === null ? "" : `, now in [${short(c.low, 4)}, ${short(c.high, 4)}]`}`, () => {
      acts.send(c.kind === "input" ? { type: "split", id: model.get("part")?.id ?? 0, kind: "input", index: c.index, at: c.at } : { type: "split", id: model.get("part")?.id ?? 0, kind: "neuron", node: c.node, element: c.element });
    }, signal, "wb-t-choice");
    const row = h("div", { class: "wb-t-row" }, act, h("span", { class: "wb-t-bar", title: `score ${c.score === null ? "\u2013" : short(c.score)}` }, h("i", { style: `left:0;width:${(100 * share).toFixed(1)}%` })));
    if (c.kind === "sign") {
      // seeing the neuron is how a person chooses: hovering over the name selects nothing, its own button does
      row.append(button("\u25c9", `select ${c.node}[${c.element}] in the model's views`, () => {
        model.set("selection", { node: c.node, index: c.element });
        model.save_changes();
      }, signal));
    }
    return row;
  }

  return { el, show };
}
