// The whole: controls above, graph | inspector, status below.

import { h, put } from "./dom.js";
import { controlBar } from "./controls.js";
import type { Context } from "./frame.js";
import { graphPane } from "./graph.js";
import { inspector, TABS } from "./inspector.js";
import { statusLine } from "./status.js";

const LEAST = 220;

export function workbench(ctx: Context): void {
  const { root, signal } = ctx;
  const controls = controlBar(ctx);
  const inspect = inspector(ctx, TABS);
  const graph = graphPane(ctx, () => inspect.focus());
  const split = h("div", { class: "wb-split", role: "separator", tabindex: 0, "aria-orientation": "vertical", "aria-label": "width of the graph", title: "drag to make room" });
  const grid = h("div", { class: "wb-main-grid" }, graph.el, split, inspect.el);

  const resize = (px: number): void => {
    const most = (grid.clientWidth || 1000) - 360;
    const width = Math.round(Math.min(Math.max(px, LEAST), Math.max(LEAST, most)));
    grid.style.setProperty("--split", `${width}px`);
    put(split, { "aria-valuenow": width });
  };
  split.addEventListener("pointerdown", (event) => split.setPointerCapture?.(event.pointerId), { signal });
  split.addEventListener("pointermove", (event) => event.buttons && resize(event.clientX - grid.getBoundingClientRect().left), { signal });
  split.addEventListener(
    "keydown",
    (event) => {
      const by = event.key === "ArrowLeft" ? -24 : event.key === "ArrowRight" ? 24 : 0;
      if (!by) return;
      resize((graph.el.clientWidth || 372) + by);
      event.preventDefault();
    },
    { signal },
  );
  root.append(controls.el, grid, statusLine(ctx));
  root.addEventListener(
    "keydown",
    (event) => {
      const typing = (event.target as Element).closest("input, textarea, select");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "e") controls.focusEpsilon();
      else if (event.key === "Escape") graph.focus();
      else if (event.key === "[" || event.key === "]") ctx.model.send({ type: event.key === "[" ? "back" : "forward" });
      else return;
      event.preventDefault();
      event.stopPropagation(); // JupyterLab has shortcuts of its own on single keys
    },
    { signal },
  );
}
