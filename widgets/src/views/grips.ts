// Handles in a picture that are dragged with a pointer or moved with arrow keys: sliders, for a screen reader too.

import { put, s } from "./dom.js";

export interface Grip {
  el: SVGGElement;
  /** Put it there, in the picture's coordinates, and say its value. */
  move(x: number, y: number, value: number, text: string): void;
}

export interface Dragging {
  label: string;
  /** drawn around (0, 0) */
  shape: SVGElement;
  cursor: string;
  /** The pointer is at (x, y) of the picture; `start` on the first call of a drag. */
  drag(x: number, y: number, start: boolean): void;
  /** Arrow keys: steps to the right and up, ten times as many with Shift. */
  key(dx: number, dy: number): void;
  /** The drag ended, or a key was let go. */
  done?(): void;
  /** Double click, or Backspace: back to what it was. */
  reset?(): void;
}

const STEPS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export function grip(svg: SVGSVGElement, given: Dragging, signal: AbortSignal): Grip {
  const el = s("g", { class: "wb-x-grip", role: "slider", tabindex: 0, "aria-label": given.label, style: `cursor:${given.cursor}` }, s("title", {}, given.label), given.shape);
  const at = (event: PointerEvent): [number, number] => {
    const box = svg.getBoundingClientRect();
    const view = svg.viewBox.baseVal;
    const scale = box.width && view?.width ? view.width / box.width : 1;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  let held = false;
  el.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    el.focus({ preventScroll: true });
    el.setPointerCapture?.(event.pointerId);
    held = true;
    given.drag(...at(event), true);
  }, { signal });
  el.addEventListener("pointermove", (event) => held && given.drag(...at(event), false), { signal });
  for (const name of ["pointerup", "pointercancel"] as const) {
    el.addEventListener(name, () => {
      if (held) given.done?.();
      held = false;
    }, { signal });
  }
  el.addEventListener("dblclick", () => given.reset?.(), { signal });
  el.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step) given.key(...(step.map((v) => v * (event.shiftKey ? 10 : 1)) as [number, number]));
    else if (event.key === "Backspace" && given.reset) given.reset();
    else return;
    event.preventDefault();
    event.stopPropagation();
    given.done?.();
  }, { signal });
  return {
    el,
    move(x, y, value, text) {
      put(el, { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, "aria-valuenow": String(value), "aria-valuetext": text });
    },
  };
}
