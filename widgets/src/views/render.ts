// From an anywidget `render` call to a view: the same few lines for each of the four.

import type { Model } from "../core/wire.js";
import { mount, type Context } from "./frame.js";

interface RenderArguments {
  model: Model;
  el: HTMLElement;
  signal?: AbortSignal;
}

export interface Widget {
  initialize(): void;
  render(given: RenderArguments): () => void;
}

/** An anywidget module; hosts without `signal` get the clean-up function that they call instead. */
export function widget(label: string, draw: (ctx: Context) => void): Widget {
  return {
    initialize() {},
    render({ model, el, signal }) {
      const own = new AbortController();
      if (signal?.aborted) own.abort();
      signal?.addEventListener("abort", () => own.abort(), { once: true, signal: own.signal });
      // what a person types in a view is not a notebook's shortcut
      // (but Ctrl+S and the like stay JupyterLab's: its listener is on the document, this one comes before it)
      const mark = (event?: KeyboardEvent): void => {
        if (event?.ctrlKey || event?.metaKey) el.removeAttribute("data-lm-suppress-shortcuts");
        else el.setAttribute("data-lm-suppress-shortcuts", "true");
      };
      mark();
      window.addEventListener("keydown", mark, { capture: true, signal: own.signal });
      draw(mount(el, model, own.signal, label));
      return () => own.abort();
    },
  };
}
