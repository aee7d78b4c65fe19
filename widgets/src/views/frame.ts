// What every view stands in: the root element with its style, theme, tooltip, messages and clean-up.

import { epsilon, methodLabel } from "../core/format.js";
import { isStale, settingsNow, type Model, type Stamp, type Traits } from "../core/wire.js";
import { h, put, say } from "./dom.js";
import css from "./style.css";

export interface Context {
  model: Model;
  signal: AbortSignal;
  root: HTMLElement;
  /** Shows lines of text (or elements) near a point of the page; `hide` takes them away. */
  tip: { show(lines: (string | Node)[], x: number, y: number): void; hide(): void };
  /** Tells a screen reader. */
  announce(text: string): void;
  /** Tells everybody, for two seconds; "" takes back what was told. */
  toast(text: string): void;
  /** Puts text on the clipboard and says so. */
  copy(text: string, what: string): void;
  /** Calls `act` when one of the traits changes. */
  watch(names: readonly (keyof Traits)[], act: () => void): void;
  /** Calls `act` when the theme changes: canvases have to be painted again. */
  onTheme(act: () => void): void;
  /** The resolved colour of a custom property such as `--acc`. */
  colour(name: string): string;
  /** A prefix for ids that no other view of the page uses. */
  unique: string;
}

/** JupyterLab says which theme is on; elsewhere the editor's class or the system does. */
export function isDark(body: HTMLElement): boolean {
  const light = body.dataset["jpThemeLight"];
  if (light !== undefined) return light === "false";
  if (body.classList.contains("vscode-dark") || document.documentElement.getAttribute("theme") === "dark") return true;
  if (body.classList.contains("vscode-light")) return false;
  return typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: dark)").matches;
}

export function mount(el: HTMLElement, model: Model, signal: AbortSignal, label: string): Context {
  const live = h("div", { class: "wb-sr", "aria-live": "polite" });
  const tipBox = h("div", { class: "wb-tip", role: "tooltip", hidden: true });
  const toastBox = h("div", { class: "wb-toast", role: "status", hidden: true });
  const root = h("section", { class: "wb", "aria-label": label }, h("style", {}, css), live, tipBox, toastBox);
  el.replaceChildren(root);
  signal.addEventListener("abort", () => root.remove(), { once: true });

  const themed: (() => void)[] = [];
  const colours = new Map<string, string>();
  const theme = (): void => {
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

  // what hovers over a place is wrong as soon as keys move what lies under it
  root.addEventListener("keydown", () => (tipBox.hidden = true), { capture: true, signal });

  let fading: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(fading), { once: true });
  const toast = (text: string): void => {
    toastBox.hidden = !text;
    say(toastBox, text);
    clearTimeout(fading);
    fading = setTimeout(() => (toastBox.hidden = true), 2000);
  };

  return {
    model,
    signal,
    root,
    unique: `wb${Math.random().toString(36).slice(2, 8)}`,
    tip: {
      show(lines, x, y) {
        tipBox.replaceChildren(...lines.map((line) => (typeof line === "string" ? h("div", {}, line) : line)));
        tipBox.hidden = false;
        const box = root.getBoundingClientRect();
        const [w, height] = [tipBox.offsetWidth, tipBox.offsetHeight];
        const left = x - box.left + 14 + w > box.width ? x - box.left - w - 10 : x - box.left + 14;
        const top = y - box.top + 16 + height > box.height ? y - box.top - height - 8 : y - box.top + 16;
        tipBox.style.left = `${Math.max(2, left)}px`;
        tipBox.style.top = `${Math.max(2, top)}px`;
      },
      hide: () => (tipBox.hidden = true),
    },
    announce: (text) => say(live, text),
    toast,
    copy(text, what) {
      const done = (): void => toast(`copied ${what}`);
      const clipboard = navigator.clipboard as Clipboard | undefined;
      if (clipboard) clipboard.writeText(text).then(done, () => fallbackCopy(root, text) && done());
      else if (fallbackCopy(root, text)) done();
    },
    watch(names, act) {
      for (const name of names) {
        model.on(`change:${name}`, act);
        signal.addEventListener("abort", () => model.off(`change:${name}`, act), { once: true });
      }
    },
    onTheme: (act) => themed.push(act),
    colour(name) {
      let found = colours.get(name);
      if (found === undefined) {
        found = getComputedStyle(root).getPropertyValue(name).trim();
        if (!found) return "#888"; // not in the page yet: nothing to remember
        colours.set(name, found);
      }
      return found;
    },
  };
}

function fallbackCopy(root: HTMLElement, text: string): boolean {
  const area = h("textarea", { class: "wb-sr" });
  area.value = text;
  root.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** Writes one trait (or more) from the front end. */
export function write<K extends keyof Traits>(model: Model, values: Pick<Traits, K>): void {
  for (const key of Object.keys(values) as K[]) model.set(key, values[key]);
  model.save_changes();
}

/**
 * Marks an element that draws a result: which epsilon, method and sequence number it belongs to, and whether that is
 * still what is asked for.  Everything that shows a bound goes through here.
 */
export function mark(el: Element, stamp: Stamp | null, model: Model): boolean {
  const stale = isStale(stamp, settingsNow(model));
  put(el, {
    "data-eps": stamp ? String(stamp.eps) : null,
    "data-seq": stamp ? stamp.seq : null,
    "data-method": stamp ? stamp.method : null,
    "data-state": stamp ? (stale ? "stale" : "fresh") : "empty",
  });
  return stale;
}

/**
 * The label that says what a picture is for.  Where that is no longer what is asked for, the style sheet puts a clock before
 * it, in room that is always there: while the slider moves this comes and goes, and must not make the page lay out again.
 */
export function forLabel(el: HTMLElement, stamp: Stamp | null, model: Model): void {
  const stale = mark(el, stamp, model);
  const text = stamp ? `\u03b5 ${epsilon(stamp.eps)} \u00b7 ${methodLabel(stamp.method)}` : "";
  say(el, text);
  el.hidden = !stamp;
  put(el, { title: stale ? "The settings have changed since: this is the old result, kept until the new one is there." : null });
}
