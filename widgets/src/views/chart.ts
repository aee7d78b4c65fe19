// One mark a neuron along a row: paging, overview, keyboard, hover and selection, whatever the marks are.

import type { Detail } from "../core/wire.js";
import { count } from "../core/format.js";
import { indexAt } from "../core/neurons.js";
import { button, h, onResize, put, s, say, scheduler } from "./dom.js";
import type { Context } from "./frame.js";

export interface Axis {
  /** Height in the plot of a value; what is beyond an end is clamped to it. */
  y(value: number): number;
  ticks: { at: number; label: string; strong?: boolean }[];
}

export interface Slot {
  /** position in the arrays */
  i: number;
  /** left edge and width of the bar, and the middle */
  x: number;
  w: number;
  mid: number;
}

export interface ChartData {
  detail: Detail;
  /** positions in the order they stand */
  order: Int32Array;
  /** of the plot, with the neurons that it shows; of the overview of all of them, without */
  axis(top: number, bottom: number, shown?: readonly Slot[]): Axis;
  /** Draws the marks of the visible neurons. */
  marks(layer: SVGGElement, slots: readonly Slot[], axis: Axis): void;
  /** What the overview shows of one neuron: from, to, and whether it deserves attention. */
  strip(i: number): [number, number, boolean];
  /** custom properties of the overview's two colours: plain, and deserving attention */
  hues?: readonly [string, string];
  describe(i: number): (string | Node)[];
  /** the position of the selected neuron, or -1 */
  selected: number;
  label: string;
  /** title of the vertical axis */
  unit: string;
}

/** A dot no wider than its bar: many narrow ones would run together into a line. */
export const dotSize = (slots: readonly Slot[]): number => Math.min(3, Math.max(1.2, 0.55 * (slots[0]?.w ?? 6)));

export interface Chart {
  el: HTMLElement;
  svg: SVGSVGElement;
  /** which part is shown, and buttons to move it: for the caption */
  pager: HTMLElement;
  show(data: ChartData | null): void;
  focus(): void;
}

const LEFT = 60;
const RIGHT = 8;
const TOP = 10;
const TALL = 214;
const LOW = 184;
const STRIP = 30;
const WIDEST = 76;
const NAMED = 20; // from so many pixels a neuron on, each has its index below it

export function makeChart(ctx: Context, choose: (index: number) => void): Chart {
  const { signal, tip } = ctx;
  let data: ChartData | null = null;
  let start = 0;
  let slot = 0; // pixels a neuron; 0: as many as can be told apart
  let HEIGHT = TALL;
  let key = "";
  let gridNow = "";

  const grid = s("g");
  const marks = s("g");
  const chosen = s("rect", { class: "wb-chosen", fill: "none", stroke: "var(--acc)", "stroke-width": 1.5, rx: 3, hidden: true });
  const hover = s("rect", { fill: "var(--acc)", "fill-opacity": 0.1, hidden: true });
  const svg = s("svg", { class: "wb-plot", tabindex: 0, role: "listbox", "aria-orientation": "horizontal", height: TALL }, grid, hover, marks, chosen);
  const strip = h("canvas", { class: "wb-plot", height: STRIP, hidden: true, role: "img", "aria-label": "all neurons: drag to move the part that is shown" });
  const where = h("span", { class: "wb-lab" });
  const pager = h(
    "span",
    { class: "wb-row", hidden: true, style: "flex:none;gap:2px" },
    button("\u2039", "earlier neurons (Page Up)", () => move(-1), signal),
    where,
    button("\u203a", "later neurons (Page Down)", () => move(1), signal),
    button("\u2212", "narrower: more neurons (-)", () => widen(0.7), signal),
    button("+", "wider: fewer neurons (+)", () => widen(1.4), signal),
  );
  const el = h("div", {}, svg, strip);
  const drawSoon = scheduler(draw, signal);

  // measured only when it may have changed: asking the page for a size in the middle of drawing makes it lay out at once
  let measured = 0;
  const measure = (): void => void (measured = svg.clientWidth || el.clientWidth);
  const width = (): number => Math.max(200, measured || 720);
  const room = (): number => width() - LEFT - RIGHT;
  const perPage = (): number => Math.max(1, Math.min(data?.order.length ?? 1, Math.floor(room() / (slot || (room() / (data?.order.length ?? 1) >= 3.6 ? 3.6 : 5.5))), 400));

  function move(pages: number): void {
    start += pages * perPage();
    draw();
  }

  function widen(factor: number): void {
    const middle = start + perPage() / 2;
    slot = Math.min(Math.max((slot || room() / perPage()) * factor, 2.2), 40);
    start = Math.round(middle - perPage() / 2);
    draw();
  }

  function slots(): Slot[] {
    const list = data!.order;
    const n = perPage();
    start = Math.min(Math.max(start, 0), Math.max(0, list.length - n));
    const step = Math.min(room() / n, WIDEST);
    const w = Math.min(Math.max(1.4, step * 0.7), 22);
    return Array.from(list.subarray(start, start + n), (i, k) => {
      const mid = LEFT + (k + 0.5) * step;
      return { i, x: mid - w / 2, w, mid };
    });
  }

  function draw(): void {
    hover.setAttribute("hidden", "");
    if (!measured) measure();
    if (!data) {
      grid.replaceChildren();
      gridNow = "";
      marks.replaceChildren();
      put(chosen, { hidden: true });
      return;
    }
    const W = width();
    HEIGHT = data.order.length > perPage() ? LOW : TALL;
    const few = perPage() * NAMED <= room();
    const bottom = HEIGHT - (few ? 18 : 10);
    put(svg, { height: HEIGHT, viewBox: `0 0 ${W} ${HEIGHT}`, "aria-label": data.label });
    const list = slots();
    const axis = data.axis(TOP, bottom, list);
    drawGrid(axis, W, few ? list.map(({ i, mid }) => [mid, indexAt(data!.detail, i)]) : []);
    data.marks(marks, list, axis);
    const at = list.find((one) => one.i === data!.selected);
    put(chosen, at ? { hidden: false, x: at.x - 3, y: TOP - 6, width: at.w + 6, height: bottom - TOP + 12 } : { hidden: true });
    put(svg, { "aria-activedescendant": at ? `${ctx.unique}-n${indexAt(data.detail, at.i)}` : null, "data-shown": list.length, "data-start": start });
    const total = data.order.length;
    const paged = total > list.length;
    pager.hidden = !paged && slot === 0;
    strip.hidden = !paged;
    const unit = data.detail.header.bin > 1 ? "bins" : "neurons";
    say(where, `${count(start + 1)}\u2013${count(start + list.length)} of ${count(total)} ${unit}`);
    if (paged) drawStrip(list.length);
  }

  /** Text is what a page lays out slowest: the axis is made again only where it differs. */
  function drawGrid(axis: Axis, W: number, names: [number, number][]): void {
    const lines = axis.ticks.map((tick) => ({ ...tick, y: axis.y(tick.at).toFixed(1) }));
    const now = `${W} ${data!.unit} ${lines.map((line) => `${line.y} ${line.label}`).join(" ")} ${names.join(" ")}`;
    if (now === gridNow) return;
    gridNow = now;
    grid.replaceChildren(
      ...names.map(([x, index]) => s("text", { class: "wb-n", x: x.toFixed(1), y: HEIGHT - 2, "text-anchor": "middle" }, String(index))),
      s("text", { transform: `translate(10 ${HEIGHT / 2}) rotate(-90)`, "text-anchor": "middle" }, data!.unit),
      ...lines.flatMap(({ y, strong, label }) => [
        s("line", { x1: LEFT, x2: W - RIGHT, y1: y, y2: y, stroke: strong ? "var(--tx3)" : "var(--line2)" }),
        s("text", { class: "wb-n", x: LEFT - 6, y: Number(y) + 4, "text-anchor": "end" }, label),
      ]),
    );
  }

  /** All neurons in one row of pixels: each column shows the hull of its neurons, darker where one deserves attention. */
  function drawStrip(n: number): void {
    const W = width();
    const ratio = Math.min(devicePixelRatio || 1, 2);
    strip.width = Math.round(W * ratio);
    strip.height = Math.round(STRIP * ratio);
    strip.style.height = `${STRIP}px`;
    const context = strip.getContext("2d");
    if (!context || !data) return;
    context.scale(ratio, ratio);
    const axis = data.axis(4, STRIP - 4);
    const total = data.order.length;
    const columns = Math.floor(room());
    const [plain, strong] = (data.hues ?? ["--int2", "--int"]).map(ctx.colour) as [string, string];
    for (let c = 0; c < columns; c++) {
      const from = Math.floor((c * total) / columns);
      const to = Math.max(from + 1, Math.floor(((c + 1) * total) / columns));
      let [low, high, attention] = [Infinity, -Infinity, false];
      for (let k = from; k < to; k++) {
        const [a, b, flag] = data.strip(data.order[k]!);
        if (a < low) low = a;
        if (b > high) high = b;
        attention ||= flag;
      }
      if (!(low <= high)) continue;
      const [y0, y1] = [axis.y(high), axis.y(low)];
      context.fillStyle = attention ? strong : plain;
      context.fillRect(LEFT + c, y0, 1, Math.max(1, y1 - y0));
    }
    context.strokeStyle = ctx.colour("--acc");
    context.lineWidth = 1.5;
    context.strokeRect(LEFT + (start / total) * room(), 1, Math.max(3, (n / total) * room()), STRIP - 2);
  }

  function slotUnder(event: { clientX: number }): Slot | null {
    if (!data) return null;
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * width()) / (box.width || width());
    const list = slots();
    const step = list.length > 1 ? list[1]!.mid - list[0]!.mid : WIDEST;
    return list.find((one) => Math.abs(one.mid - x) <= step / 2) ?? null;
  }

  function pick(i: number): void {
    if (!data) return;
    const at = data.order.indexOf(i);
    const n = perPage();
    if (at < start) start = at - Math.floor(n / 4);
    else if (at >= start + n) start = at - Math.ceil((3 * n) / 4);
    choose(indexAt(data.detail, i));
  }

  svg.addEventListener(
    "click",
    (event) => {
      const own = (event.target as Element).closest("[data-i]")?.getAttribute("data-i");
      const at = own !== null && own !== undefined ? Number(own) : slotUnder(event)?.i;
      svg.focus({ preventScroll: true });
      if (at !== undefined) pick(at);
    },
    { signal },
  );
  svg.addEventListener(
    "pointermove",
    (event) => {
      const at = slotUnder(event);
      if (!at || !data) {
        tip.hide();
        return put(hover, { hidden: true });
      }
      put(hover, { hidden: false, x: at.x - 2, y: TOP - 4, width: at.w + 4, height: HEIGHT - 10 });
      tip.show(data.describe(at.i), event.clientX, event.clientY);
    },
    { signal },
  );
  svg.addEventListener(
    "pointerleave",
    () => {
      tip.hide();
      put(hover, { hidden: true });
    },
    { signal },
  );
  svg.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      widen(Math.exp(-event.deltaY * 0.004));
    },
    { signal, passive: false },
  );
  svg.addEventListener(
    "keydown",
    (event) => {
      if (!data || event.ctrlKey || event.metaKey || event.altKey) return;
      const now = data.order.indexOf(data.selected);
      const last = data.order.length - 1;
      const step: Record<string, number> = {
        ArrowRight: now + 1,
        ArrowLeft: now < 0 ? 0 : now - 1,
        ArrowDown: now + 1,
        ArrowUp: now < 0 ? 0 : now - 1,
        PageDown: now + perPage(),
        PageUp: now - perPage(),
        Home: 0,
        End: last,
      };
      if (event.key === "+" || event.key === "-") widen(event.key === "+" ? 1.4 : 0.7);
      else if (event.key in step && last >= 0) pick(data.order[Math.min(Math.max(step[event.key]!, 0), last)]!);
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
  const drag = (event: PointerEvent): void => {
    if (!data || (event.type === "pointermove" && !event.buttons)) return;
    if (event.type === "pointerdown") strip.setPointerCapture?.(event.pointerId);
    const box = strip.getBoundingClientRect();
    start = Math.round(((event.clientX - box.left - LEFT) / room()) * data.order.length - perPage() / 2);
    drawSoon();
  };
  strip.addEventListener("pointerdown", drag, { signal });
  strip.addEventListener("pointermove", drag, { signal });
  onResize(
    el,
    () => {
      const before = measured;
      measure();
      if (measured !== before) drawSoon();
    },
    signal,
  );
  ctx.onTheme(drawSoon);

  return {
    el,
    svg,
    pager,
    show(next) {
      const nextKey = next ? `${next.detail.header.node} ${next.detail.header.window}` : "";
      if (nextKey !== key) {
        key = nextKey;
        start = 0;
        slot = 0;
      }
      const moved = next && data && next.selected !== data.selected;
      data = next;
      if (next && next.selected >= 0 && (moved || start === 0)) {
        const at = next.order.indexOf(next.selected);
        if (at >= 0 && (at < start || at >= start + perPage())) start = at - Math.floor(perPage() / 2);
      }
      draw();
    },
    focus: () => svg.focus({ preventScroll: true }),
  };
}

/** Reuses the children of `layer` with this class; makes or removes what is too few or too many. */
export function pool<K extends "rect" | "path" | "circle">(layer: SVGGElement, tag: K, name: string, n: number): SVGElementTagNameMap[K][] {
  const have = [...layer.querySelectorAll<SVGElementTagNameMap[K]>(`:scope > .${name}`)];
  while (have.length > n) have.pop()!.remove();
  while (have.length < n) {
    const made = s(tag, { class: name });
    layer.append(made);
    have.push(made);
  }
  return have;
}
