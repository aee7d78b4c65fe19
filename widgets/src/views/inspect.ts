// What all panes of the inspector share: the decoded arrays of the selected node, its stamp, and what to say instead.

import { decodeDetail, inputCode, type Detail, type DetailHeader } from "../core/wire.js";
import { button, h } from "./dom.js";
import { write, type Context } from "./frame.js";

export interface Pane {
  el: HTMLElement;
  /** Draws what the model holds now. */
  show(): void;
  /** Says anew whether what is drawn is still what is asked for: settings moved, the numbers did not. */
  freshen(): void;
  focus?(): void;
}

export interface Source {
  detail(): Detail | null;
}

/** Decodes the arrays once for each message, however many panes ask. */
export function detailSource(ctx: Context): Source {
  let header: unknown;
  let bytes: unknown;
  let made: Detail | null = null;
  return {
    detail() {
      const [h1, b1] = [ctx.model.get("detail"), ctx.model.get("detail_data")];
      if (h1 !== header || b1 !== bytes) {
        [header, bytes] = [h1, b1];
        made = decodeDetail(h1, b1);
      }
      return made;
    },
  };
}

export function chooseNeuron(ctx: Context, node: string | null, index: number): void {
  const now = ctx.model.get("selection") as { node?: string | null; index?: number | null };
  if (now.node === node && now.index === index) return;
  write(ctx.model, { selection: { node, index } });
}

/** The neuron that the model has selected in `node`, or null. */
export function chosenIndex(ctx: Context, node: string | null): number | null {
  const now = ctx.model.get("selection") as { node?: string | null; index?: number | null };
  return now.node === node ? (now.index ?? null) : null;
}

/** A line of Python, and a button that copies it. */
export const codeLine = (ctx: Context, code: string): HTMLElement =>
  h("span", { class: "wb-row wb-line" }, h("code", { class: "wb-num wb-clip", title: code }, code), button("copy", "copy this line", () => ctx.copy(code, "the line"), ctx.signal));

/** Why there is nothing to draw, and what to do about it. */
export function empty(ctx: Context, what: string): HTMLElement {
  const node = (ctx.model.get("selection") as { node?: string | null }).node ?? null;
  const status = ctx.model.get("status") as { state?: string; message?: string };
  const box = (head: string, text: string): HTMLElement => h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, head), text);
  if (node === null) return box("No node is selected", `Click a node of the graph, or walk it with the arrow keys, to see its ${what}.`);
  if (status.state === "computing") return box("Computing\u2026", `The ${what} of ${node} will stand here.`);
  if (status.state === "failed") return box("Nothing could be computed", status.message ?? "");
  if (status.state === "cancelled") return box("Cancelled", "Change a setting, or press Compute, to start again.");
  const code = inputCode(ctx.model);
  if (code !== null) return h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, "No input is chosen"), `The ${what} of ${node} hold for a region around an input. Choose one in Python:`, codeLine(ctx, code));
  return box("Nothing is known of this node yet", `Press Compute to see the ${what} of ${node}.`);
}

/** How many samples are drawn, and of how many: a haze needs no more. */
export const haze = (header: DetailHeader): string => `${header.samples}${header.drawn && header.drawn > header.samples ? ` of ${header.drawn}` : ""} samples`;

export const headerOf = (detail: Detail | null): DetailHeader | null => detail?.header ?? null;
