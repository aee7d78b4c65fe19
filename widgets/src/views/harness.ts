// What the tests of the views share: a page to draw in, and what a person does there.

import { afterEach, beforeEach } from "vitest";
import bounds from "../entries/bounds.js";
import graph from "../entries/graph.js";
import rounding from "../entries/rounding.js";
import workbench from "../entries/workbench.js";
import { frame, type Fake } from "../fake.js";

export const views = { graph, bounds, rounding, workbench } as const;
export type ViewName = keyof typeof views;

export const press = (target: Element, key: string, more: KeyboardEventInit = {}): boolean => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
export const click = (target: Element): void => {
  const at = { bubbles: true, clientX: 5, clientY: 5, pointerId: 1, button: 0 };
  target.dispatchEvent(new PointerEvent("pointerdown", at));
  target.dispatchEvent(new PointerEvent("pointerup", at));
  target.dispatchEvent(new MouseEvent("click", at));
};

export interface Page {
  host: HTMLElement;
  abort: AbortController;
  show(name: ViewName, model: Fake): Promise<void>;
  one<T extends Element = HTMLElement>(selector: string): T;
  box(id: string): Element;
}

/** An empty page before each test; after it, its views are ended. */
export function freshPage(): Page {
  const page: Page = {
    host: document.createElement("div"),
    abort: new AbortController(),
    async show(name, model) {
      views[name].render({ model, el: page.host, signal: page.abort.signal });
      await frame();
    },
    one<T extends Element = HTMLElement>(selector: string): T {
      const found = page.host.querySelector<T>(selector);
      if (!found) throw new Error(`nothing matches ${selector}`);
      return found;
    },
    box: (id) => [...page.host.querySelectorAll(".wb-g-node")].find((el) => el.getAttribute("data-id") === id)!,
  };
  beforeEach(() => {
    page.host = document.createElement("div");
    document.body.replaceChildren(page.host);
    page.abort = new AbortController();
  });
  afterEach(() => page.abort.abort());
  return page;
}
