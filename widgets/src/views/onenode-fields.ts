// The ends of a box as text fields: every number can be typed.

import { exact } from "../core/format.js";
import { h, put } from "./dom.js";

export interface Box {
  low: number[];
  high: number[];
}

export function boxFields(signal: AbortSignal, box: () => Box | null, changed: () => void): { el: HTMLElement; show(): void } {
  const el = h("span", { class: "wb-row", style: "flex-wrap:wrap" });

  function field(name: string, axis: number, end: number): HTMLElement {
    const input = h("input", { class: "wb-text", type: "text", inputmode: "decimal", spellcheck: "false", autocomplete: "off", "aria-label": `${end ? "upper" : "lower"} end${name ? ` of ${name}` : ""}` });
    const enter = (): void => {
      const [value, now] = [Number(input.value.replace("\u2212", "-")), box()];
      put(input, { "aria-invalid": Number.isFinite(value) && input.value.trim() ? null : "true" });
      if (!now || !Number.isFinite(value) || !input.value.trim() || (end ? now.high : now.low)[axis] === value) return;
      (end ? now.high : now.low)[axis] = value;
      if (end && now.low[axis]! > value) now.low[axis] = value;
      if (!end && now.high[axis]! < value) now.high[axis] = value;
      changed();
    };
    input.addEventListener("change", enter, { signal });
    input.addEventListener("keydown", (event) => event.key === "Enter" && enter(), { signal });
    return h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, `${name ? `${name} ` : ""}${end ? "u" : "l"}`), input);
  }

  return {
    el,
    show() {
      const now = box();
      if (!now) return;
      const keys = (now.low.length === 2 ? ["x", "y"] : [""]).flatMap((name, axis) => [[name, axis, 0], [name, axis, 1]] as [string, number, number][]);
      if (el.childElementCount !== keys.length) el.replaceChildren(...keys.map(([name, axis, end]) => field(name, axis, end)));
      keys.forEach(([, axis, end], k) => {
        const input = el.children[k]!.querySelector("input")!;
        if (input.ownerDocument.activeElement !== input) input.value = exact((end ? now.high : now.low)[axis]!);
      });
    },
  };
}
