// The search field over the graph: what matches is outlined as one types, Enter goes to the next, Shift+Enter back.

import type { WireGraph } from "../core/wire.js";
import { button, h, say } from "./dom.js";

export interface Search {
  el: HTMLElement;
  open(): void;
  /** Closes; true where it was open. */
  close(): boolean;
  hits: ReadonlySet<string>;
}

export function matches(graph: WireGraph, query: string): string[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  return graph.nodes
    .filter((node) => {
      const text = `${node.id} ${node.op} ${node.shape.join("x")} ${node.group}`.toLowerCase();
      return words.every((word) => text.includes(word.replaceAll("\u00d7", "x")));
    })
    .map((node) => node.id);
}

export function makeSearch(graph: () => WireGraph, changed: () => void, go: (id: string) => void, left: () => void, signal: AbortSignal): Search {
  const input = h("input", { type: "text", placeholder: "name, operator or shape", "aria-label": "search nodes", spellcheck: "false" });
  const state = h("span", { class: "wb-lab", "aria-live": "polite" });
  let list: string[] = [];
  let at = -1;
  const found = { hits: new Set<string>() as ReadonlySet<string> };
  const tell = (): void => say(state, input.value.trim() ? (list.length ? `${at < 0 ? "" : `${at + 1} of `}${list.length}` : "no match") : "");
  const step = (by: number): void => {
    if (!list.length) return;
    at = at < 0 ? (by > 0 ? 0 : list.length - 1) : (at + by + list.length) % list.length;
    tell();
    go(list[at]!);
  };
  const close = (): boolean => {
    if (el.hidden) return false;
    el.hidden = true;
    input.value = "";
    [list, at, found.hits] = [[], -1, new Set()];
    tell();
    changed();
    left();
    return true;
  };
  input.addEventListener(
    "input",
    () => {
      list = matches(graph(), input.value);
      at = -1;
      found.hits = new Set(list);
      tell();
      changed();
    },
    { signal },
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
    { signal },
  );
  const el = h(
    "div",
    { class: "wb-search", role: "search", hidden: true },
    input,
    state,
    button("\u2191", "previous match (Shift+Enter)", () => step(-1), signal),
    button("\u2193", "next match (Enter)", () => step(1), signal),
    button("\u2715", "close search (Esc)", close, signal),
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
    },
  };
}
