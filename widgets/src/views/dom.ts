// Small helpers over the DOM.  Text only ever enters as text: there is no innerHTML in this project.

type Attrs = Record<string, string | number | boolean | null | undefined>;
type Child = Node | string | null | undefined;

const SVG = "http://www.w3.org/2000/svg";

export function put(el: Element, attrs: Attrs): void {
  for (const [key, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) el.removeAttribute(key);
    else {
      const text = value === true ? "" : String(value);
      if (el.getAttribute(key) !== text) el.setAttribute(key, text);
    }
  }
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attrs: Attrs = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  put(el, attrs);
  el.append(...children.filter((c): c is Node | string => c !== null && c !== undefined));
  return el;
}

export function s<K extends keyof SVGElementTagNameMap>(tag: K, attrs: Attrs = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const el = document.createElementNS(SVG, tag) as SVGElementTagNameMap[K];
  put(el, attrs);
  el.append(...children.filter((c): c is Node | string => c !== null && c !== undefined));
  return el;
}

/**
 * Makes the children of `el` look like `next`, and touches only what differs: a page lays out and paints again what is
 * replaced, also where the new looks like the old.  Listeners belong on what stays.
 */
export function morph(el: Element, ...next: (Node | null | undefined)[]): void {
  const wanted = next.filter((node): node is Node => node !== null && node !== undefined);
  wanted.forEach((node, i) => {
    const old = el.childNodes[i];
    if (!old) el.append(node);
    else if (old === node) return;
    else if (old.nodeName !== node.nodeName) old.replaceWith(node);
    else if (old instanceof Element) {
      const to = node as Element;
      for (const { name } of [...old.attributes]) if (!to.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of to.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
      morph(old, ...to.childNodes);
    } else if (old.nodeValue !== node.nodeValue) old.nodeValue = node.nodeValue;
  });
  while (el.childNodes.length > wanted.length) el.lastChild!.remove();
}

/** A coordinate to a tenth of a pixel; several times faster than toFixed, which matters for thousands a frame. */
export const n1 = (v: number): string => String(Math.round(v * 10) / 10);

/** Set text only where it changed: a screen reader's live region speaks each write. */
export function say(el: Element, text: string): void {
  if (el.textContent !== text) el.textContent = text;
}

export function button(label: string, title: string, act: () => void, signal: AbortSignal, kind = "wb-flat"): HTMLButtonElement {
  const el = h("button", { type: "button", class: `wb-btn ${kind}`, title }, label);
  el.addEventListener("click", act, { signal });
  return el;
}

/** Calls `draw` once in the next frame, however often it is asked for; never after the signal aborts. */
export function scheduler(draw: () => void, signal: AbortSignal): () => void {
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

/** Calls `draw` once when the code that runs now has ended, however often it is asked for: one message changes many traits. */
export function together(draw: () => void, signal: AbortSignal): () => void {
  let asked = false;
  return () => {
    if (asked || signal.aborted) return;
    asked = true;
    queueMicrotask(() => {
      asked = false;
      if (!signal.aborted) draw();
    });
  };
}

/** Watches the size of `el`. */
export function onResize(el: Element, act: () => void, signal: AbortSignal): void {
  if (typeof ResizeObserver === "undefined") return;
  const observer = new ResizeObserver(act);
  observer.observe(el);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}

/** Choices side by side, one chosen: a radio group, walked with the arrow keys. */
export interface Segmented {
  el: HTMLElement;
  update(choices: readonly { key: string; label: string; title?: string }[], chosen: string): void;
}

export function segmented(label: string, choose: (key: string) => void, signal: AbortSignal): Segmented {
  const el = h("div", { class: "wb-seg", role: "radiogroup", "aria-label": label });
  let drawn = "";
  el.addEventListener(
    "click",
    (event) => {
      const key = (event.target as Element).closest<HTMLElement>("[data-key]")?.dataset["key"];
      if (key !== undefined) choose(key);
    },
    { signal },
  );
  el.addEventListener(
    "keydown",
    (event) => {
      const step = ["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : ["ArrowLeft", "ArrowUp"].includes(event.key) ? -1 : 0;
      if (!step) return;
      const all = [...el.children] as HTMLElement[];
      const next = all[(all.findIndex((b) => b.getAttribute("aria-checked") === "true") + step + all.length) % all.length];
      event.preventDefault();
      event.stopPropagation();
      if (next?.dataset["key"] !== undefined) {
        choose(next.dataset["key"]);
        next.focus();
      }
    },
    { signal },
  );
  return {
    el,
    update(choices, chosen) {
      const keys = choices.map((c) => c.key + c.label).join("\n");
      if (keys !== drawn) {
        drawn = keys;
        el.replaceChildren(...choices.map((c) => h("button", { type: "button", role: "radio", "data-key": c.key, title: c.title }, c.label)));
      }
      for (const child of el.children) {
        const on = (child as HTMLElement).dataset["key"] === chosen;
        put(child, { "aria-checked": String(on), tabindex: on ? 0 : -1 });
      }
    },
  };
}

/** A native select: the system's own list, keyboard and screen reader come with it. */
export function picker(label: string, choose: (key: string) => void, signal: AbortSignal): { el: HTMLSelectElement; update: Segmented["update"] } {
  const el = h("select", { "aria-label": label, title: label });
  let drawn = "";
  el.addEventListener("change", () => choose(el.value), { signal });
  return {
    el,
    update(choices, chosen) {
      const keys = choices.map((c) => `${c.key}\t${c.label}`).join("\n");
      if (keys !== drawn) {
        drawn = keys;
        el.replaceChildren(...choices.map((c) => h("option", { value: c.key }, c.label)));
      }
      if (el.value !== chosen) el.value = chosen;
    },
  };
}

export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const safeName = (name: string): string => name.replace(/[^\w.-]+/g, "_").slice(0, 80) || "graph";
