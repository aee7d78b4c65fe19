// The hierarchy of methods on a network of two inputs: the rectangle of inputs, cut where neurons bend; the exact image of
// its pieces in the plane of two outputs; and, around it, the polygon that each method proves.

import { asker, neat } from "../core/ask.js";
import { exact, seconds, short } from "../core/format.js";
import { ticks } from "../core/scales.js";
import { button, h, n1, onResize, put, s, save, safeName, say } from "./dom.js";
import type { Context } from "./frame.js";
import { savePng, standalone } from "./graph-export.js";
import { grip } from "./grips.js";
import { menuButton } from "./menu.js";
import type { ExplorerModel, NetQuestion } from "./relaxation.js";

type Point = [number, number];
type Range = [number, number];
export interface Piece {
  inputs: Point[];
  outputs: Point[];
  signs: number[];
}
export interface MethodEntry {
  key: string;
  label: string;
  corners: Point[];
  area: number | null;
  seconds: number | null;
  said: string;
}
export interface Net {
  seq: number;
  name: string;
  lower: number[];
  upper: number[];
  slopes: number[] | null;
  pieces: { cells: Piece[]; neurons: [string, number][]; hull: Point[]; area: number } | null;
  methods: MethodEntry[];
  left: string[];
  said: string;
}

const TALL = 300;
const PAD = { left: 40, right: 10, top: 8, bottom: 24 };
// looser methods paler; each has its own dash too, since colour alone says nothing
const STYLES: Record<string, { stroke: string; dash: string | null; fill?: string }> = {
  ibp: { stroke: "var(--tx3)", dash: "1 3" },
  "crown-ibp": { stroke: "var(--int2)", dash: "8 3" },
  crown: { stroke: "var(--int)", dash: null },
  slopes: { stroke: "var(--x-own)", dash: "6 3" },
  "alpha-crown": { stroke: "var(--acc)", dash: "10 3 2 3" },
  zonotope: { stroke: "var(--rnd2)", dash: "4 2" },
  lp: { stroke: "var(--x-lp)", dash: "5 2" },
  milp: { stroke: "var(--ok)", dash: "2 2" },
};
const OTHER = { stroke: "var(--tx2)", dash: "3 3" };
const HULL = { stroke: "var(--pt)", dash: "3 2" };
// light tints that tell neighbouring pieces apart; what they are, hovering says
const TINTS = ["#8fb8e8", "#e8b98f", "#9fd0a8", "#d5a6cf", "#e3d08a", "#8fd0d6", "#c3b3ea", "#e6a3a3"];
export const tint = (signs: readonly number[]): string => TINTS[signs.reduce((sum, v, k) => sum + (v > 0 ? (2 * k + 1) : 0), 0) % TINTS.length]!;

/** A picture of a plane: where numbers stand, and axes. */
export function plane(width: number, x: Range, y: Range): { X(v: number): number; Y(v: number): number; unX(p: number): number; unY(p: number): number; path(points: readonly Point[]): string; axes(): SVGElement[] } {
  const [w, t] = [width - PAD.left - PAD.right, TALL - PAD.top - PAD.bottom];
  const X = (v: number): number => PAD.left + ((v - x[0]) / (x[1] - x[0])) * w;
  const Y = (v: number): number => PAD.top + ((y[1] - v) / (y[1] - y[0])) * t;
  return {
    X, Y,
    unX: (p) => x[0] + ((p - PAD.left) / w) * (x[1] - x[0]),
    unY: (p) => y[1] - ((p - PAD.top) / t) * (y[1] - y[0]),
    path: (points) => `M${points.map(([a, b]) => `${n1(X(a))} ${n1(Y(b))}`).join("L")}Z`,
    axes: () => [
      ...ticks(x[0], x[1], 6).flatMap((v) => [s("line", { x1: n1(X(v)), x2: n1(X(v)), y1: PAD.top, y2: TALL - PAD.bottom, stroke: v === 0 ? "var(--tx3)" : "var(--line2)" }), s("text", { class: "wb-n", x: n1(X(v)), y: TALL - 8, "text-anchor": "middle" }, short(v))]),
      ...ticks(y[0], y[1], 6).flatMap((v) => [s("line", { x1: PAD.left, x2: width - PAD.right, y1: n1(Y(v)), y2: n1(Y(v)), stroke: v === 0 ? "var(--tx3)" : "var(--line2)" }), s("text", { class: "wb-n", x: PAD.left - 5, y: n1(Y(v) + 4), "text-anchor": "end" }, short(v))]),
    ],
  };
}

const around = (values: number[], share: number): Range => {
  const [a, b] = [Math.min(...values), Math.max(...values)];
  const room = (b - a) * share || 0.5;
  return [a - room, b + room];
};

export function hierarchyPane(ctx: Context, model: ExplorerModel): { el: HTMLElement; tools: HTMLElement; show(): void } {
  const { signal, tip } = ctx;
  const net = (): Net | null => {
    const found = model.get("net");
    return found?.lower ? (found as Net) : null;
  };
  let wanted: { lower: number[]; upper: number[]; slopes: number[] | null } | null = null;
  let last: unknown = null;
  let width = 420;
  let inputs: [Range, Range] | null = null;
  let outputs: [Range, Range] | null = null;
  let took: number | null = null;
  let hot: number | null = null;
  const hidden = new Set<string>(["crown-ibp"]);
  const questions = asker<Omit<NetQuestion, "seq">>((question) => {
    model.set("net_ask", question);
    model.save_changes();
  }, net()?.seq ?? 0);

  const own = button("Choose slopes", "choose the slope below each relu yourself, and see what CROWN proves with it", () => {
    if (!wanted) return;
    const count = net()?.pieces?.neurons.length ?? 0;
    wanted.slopes = wanted.slopes ? null : Array.from({ length: count }, () => 0.5);
    ask();
  }, signal, "");
  const fit = button("Fit", "show everything, as large as it fits (f)", () => refit(), signal);
  const exports = menuButton(ctx, "Export", "copy or save what is shown", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(code(), "the code") },
    { label: "Save SVG", act: () => save(`${fileName()}.svg`, new Blob([picture()], { type: "image/svg+xml" })) },
    { label: "Save PNG", act: () => void savePng(picture(), fileName()).catch((error: Error) => ctx.toast(error.message)) },
    { label: "Save JSON", act: () => save(`${fileName()}.json`, new Blob([`${JSON.stringify(net(), null, 1)}\n`], { type: "application/json" })) },
  ]);
  const state = h("span", { class: "wb-for" });
  const tools = h("div", { class: "wb-row wb-x-tools" }, own, fit, h("span", { class: "wb-grow" }), state, exports);

  const inSvg = s("svg", { class: "wb-x-plot", height: TALL, role: "group" });
  const [inGrid, inDrawn, inAhead] = [s("g"), s("g", { class: "wb-drawn" }), s("g")];
  let held: { x: number; y: number; lower: number[]; upper: number[] } | null = null;
  const body = s("rect", { class: "wb-x-knob", "fill-opacity": 0, "stroke-width": 1.5 });
  const move = grip(inSvg, {
    label: "the rectangle of inputs: drag it, or move it with the arrow keys",
    shape: body,
    cursor: "move",
    drag(x, y, start) {
      if (!wanted) return;
      const p = frameIn();
      const at = { x: p.unX(x), y: p.unY(y) };
      if (start || !held) held = { ...at, lower: [...wanted.lower], upper: [...wanted.upper] };
      const step = [at.x - held.x, at.y - held.y];
      place([0, 1].map((k) => held!.lower[k]! + step[k]!), [0, 1].map((k) => held!.upper[k]! + step[k]!));
    },
    key(dx, dy) {
      if (!wanted) return;
      const step = [(dx * span(inputs![0])) / 100, (dy * span(inputs![1])) / 100];
      place([0, 1].map((k) => wanted!.lower[k]! + step[k]!), [0, 1].map((k) => wanted!.upper[k]! + step[k]!));
    },
    done: () => (held = null),
  }, signal);
  const corner = grip(inSvg, {
    label: "size of the rectangle: its upper right corner",
    shape: s("g", {}, s("circle", { r: 13, fill: "transparent" }), s("circle", { class: "wb-x-knob", r: 6 })),
    cursor: "nesw-resize",
    drag(x, y) {
      if (!wanted) return;
      const p = frameIn();
      resize([p.unX(x), p.unY(y)]);
    },
    key(dx, dy) {
      if (wanted) resize([wanted.upper[0]! + (dx * span(inputs![0])) / 100, wanted.upper[1]! + (dy * span(inputs![1])) / 100]);
    },
  }, signal);
  inSvg.append(inGrid, inDrawn, inAhead, move.el, corner.el);
  const outSvg = s("svg", { class: "wb-x-plot", height: TALL, role: "img" });
  const [outGrid, outDrawn] = [s("g"), s("g", { class: "wb-drawn" })];
  const outTitle = s("title");
  outSvg.append(outTitle, outGrid, outDrawn);

  const list = h("table", { class: "wb-x-list" });
  const sliders = h("div", {});
  const said = h("div", { class: "wb-lab", style: "white-space:normal", role: "status" });
  const left = h("div", {}, h("div", { class: "wb-x-head" }, "inputs, cut where a neuron bends"), inSvg);
  const right = h("div", {}, h("div", { class: "wb-x-head" }, "outputs: the exact image, and what is proved"), outSvg);
  const el = h("div", { class: "wb-x-net" }, h("div", { class: "wb-x-two" }, left, right), said, h("div", { class: "wb-x-low" }, list, sliders));
  onResize(left, () => {
    if (left.clientWidth && Math.abs(left.clientWidth - width) > 1) {
      width = left.clientWidth;
      draw();
    }
  }, signal);
  el.addEventListener("keydown", (event) => {
    if (event.key === "f" && !(event.target instanceof HTMLInputElement)) refit();
  }, { signal });

  const span = (r: Range): number => r[1] - r[0];
  const frameIn = (): ReturnType<typeof plane> => plane(width, ...inputs!);
  function ask(): void {
    if (!wanted) return;
    questions.ask(structuredClone(wanted));
    draw();
  }
  function refit(): void {
    inputs = outputs = null;
    draw();
  }
  function place(lower: number[], upper: number[]): void {
    const size = [0, 1].map((k) => neat(upper[k]! - lower[k]!, span(inputs![k]!)));
    wanted!.lower = lower.map((v, k) => neat(v, span(inputs![k]!)));
    wanted!.upper = wanted!.lower.map((v, k) => Number((v + size[k]!).toPrecision(12)));
    ask();
  }
  function resize(to: number[]): void {
    wanted!.upper = to.map((v, k) => Math.max(neat(v, span(inputs![k]!)), wanted!.lower[k]!));
    ask();
  }

  function show(): void {
    const now = net();
    if (now && now !== last) {
      const fresh = last === null;
      last = now;
      const newest = questions.newest();
      const latency = questions.answered(now.seq);
      if (latency !== null) took = latency;
      if (fresh || (latency === null && now.seq > newest)) {
        wanted = { lower: [...now.lower], upper: [...now.upper], slopes: now.slopes ? [...now.slopes] : null };
        inputs = outputs = null;
      }
    }
    draw();
  }

  function draw(): void {
    const now = net();
    if (!now || !wanted) {
      say(said, model.get("net")?.said ?? "");
      return;
    }
    const stale = now.seq !== questions.newest();
    inputs ??= [0, 1].map((k) => around([wanted!.lower[k]!, wanted!.upper[k]!, 0], 0.35)) as [Range, Range];
    if (!outputs) {
      const corners = [...now.methods.filter((m) => !hidden.has(m.key)).flatMap((m) => m.corners), ...(now.pieces?.hull ?? [])];
      outputs = corners.length ? [around(corners.map((p) => p[0]), 0.06), around(corners.map((p) => p[1]), 0.06)] : [[-1, 1], [-1, 1]];
    }
    for (const part of [inDrawn, outDrawn]) put(part, { "data-state": stale ? "stale" : "fresh" });
    put(el, { "data-state": stale ? "stale" : "fresh", "data-left": now.left.join(" "), "data-lower": now.lower.join(" "), "data-upper": now.upper.join(" "), "data-latency": took === null ? null : Math.round(took) });
    drawInputs(now);
    drawOutputs(now);
    table(now);
    alphas(now);
    const more = now.left.length ? ` Still computing: ${now.left.join(", ")}.` : "";
    say(state, stale ? `stale: for [${short(now.lower[0]!)}, ${short(now.upper[0]!)}] \u00d7 [${short(now.lower[1]!)}, ${short(now.upper[1]!)}]` : now.name);
    put(state, { "data-state": stale ? "stale" : "fresh" });
    say(said, `${now.said || `${now.pieces?.cells.length ?? 0} pieces, on each of which the network is affine; their images are exact (rationals, drawn in floats). No method by half planes proves less than the dashed hull.`}${more}`);
    say(own, wanted.slopes ? "Rule's slopes" : "Choose slopes");
    own.disabled = !now.pieces;
  }

  function drawInputs(now: Net): void {
    const p = frameIn();
    put(inSvg, { viewBox: `0 0 ${width} ${TALL}`, width });
    inGrid.replaceChildren(...p.axes(), s("text", { x: width - PAD.right, y: TALL - PAD.bottom - 4, "text-anchor": "end" }, "input 0"), s("text", { x: PAD.left + 4, y: PAD.top + 10 }, "input 1"));
    inDrawn.replaceChildren(...(now.pieces?.cells ?? []).map((cell, k) => cellShape(p.path(cell.inputs), cell, k)));
    const [a, b] = [[p.X(wanted!.lower[0]!), p.Y(wanted!.upper[1]!)], [p.X(wanted!.upper[0]!), p.Y(wanted!.lower[1]!)]] as [Point, Point];
    put(body, { x: 0, y: 0, width: n1(Math.max(1, b[0] - a[0])), height: n1(Math.max(1, b[1] - a[1])), fill: "transparent", style: "fill:transparent" });
    move.move(a[0], a[1], wanted!.lower[0]!, `from (${short(wanted!.lower[0]!, 4)}, ${short(wanted!.lower[1]!, 4)}) to (${short(wanted!.upper[0]!, 4)}, ${short(wanted!.upper[1]!, 4)})`);
    corner.move(b[0], a[1], wanted!.upper[0]!, `(${short(wanted!.upper[0]!, 4)}, ${short(wanted!.upper[1]!, 4)})`);
  }

  function cellShape(path: string, cell: Piece, k: number): SVGElement {
    return s("path", { class: "wb-x-cell", d: path, fill: tint(cell.signs), "data-cell": k, "data-hot": hot === k ? "true" : null });
  }

  function drawOutputs(now: Net): void {
    const p = plane(width, ...outputs!);
    put(outSvg, { viewBox: `0 0 ${width} ${TALL}`, width, "aria-label": now.methods.map((m) => `${m.label}: area ${m.area === null ? "none" : short(m.area, 4)}`).join(", ") });
    outGrid.replaceChildren(...p.axes(), s("text", { x: width - PAD.right, y: TALL - PAD.bottom - 4, "text-anchor": "end" }, "output 0"), s("text", { x: PAD.left + 4, y: PAD.top + 10 }, "output 1"));
    const polygons = now.methods.filter((m) => m.corners.length && !hidden.has(m.key)).sort((a, b) => (b.area ?? 0) - (a.area ?? 0));
    const cells = now.pieces?.cells ?? [];
    outDrawn.replaceChildren(
      ...polygons.map((m) => s("path", { d: p.path(m.corners), fill: "var(--int2)", "fill-opacity": 0.16, stroke: "none" })),
      ...cells.map((cell, k) => s("path", { ...shapeOf(p.path(cell.outputs), cell, k), stroke: "var(--bg)" })),
      ...(now.pieces ? [s("path", { d: p.path(now.pieces.hull), fill: "none", stroke: HULL.stroke, "stroke-width": 1.2, "stroke-dasharray": HULL.dash, "data-method": "hull" })] : []),
      ...polygons.map((m) => {
        const style = STYLES[m.key] ?? OTHER;
        return s("path", { d: p.path(m.corners), fill: "none", stroke: style.stroke, "stroke-width": 2, "stroke-dasharray": style.dash, "data-method": m.key }, s("title", {}, m.label));
      }),
    );
    say(outTitle, `outputs of ${now.name}`);
  }
  const shapeOf = (d: string, cell: Piece, k: number): Record<string, string | number | null> => ({ class: "wb-x-cell", d, fill: tint(cell.signs), "fill-opacity": 0.9, "data-cell": k, "data-hot": hot === k ? "true" : null });

  for (const svg of [inSvg, outSvg]) {
    svg.addEventListener("pointermove", (event) => {
      // the rectangle's grip lies over the pieces: ask what is below it
      const under = (svg.ownerDocument.elementsFromPoint?.(event.clientX, event.clientY) ?? []).find((e) => e.hasAttribute("data-cell") && svg.contains(e));
      const k = under ? Number(under.getAttribute("data-cell")) : null;
      if (k !== hot) {
        hot = k;
        for (const other of el.querySelectorAll("[data-cell]")) put(other, { "data-hot": Number(other.getAttribute("data-cell")) === k ? "true" : null });
      }
      const [now, cell] = [net(), k === null ? undefined : net()?.pieces?.cells[k]];
      if (!cell || !now?.pieces) return tip.hide();
      tip.show([h("b", {}, `piece ${k! + 1} of ${now.pieces.cells.length}`), ...now.pieces.neurons.map(([node, i], n) => h("div", { class: "wb-num" }, `${node}[${i}] ${cell.signs[n]! > 0 ? "on" : "off"}`)).slice(0, 12)], event.clientX, event.clientY);
    }, { signal });
    svg.addEventListener("pointerleave", () => {
      hot = null;
      tip.hide();
      for (const other of el.querySelectorAll("[data-hot]")) put(other, { "data-hot": null });
    }, { signal });
  }

  let rows = "";
  function table(now: Net): void {
    const best = now.pieces?.area ?? null;
    const entries = [...now.methods].sort((a, b) => (b.area ?? Infinity) - (a.area ?? Infinity));
    const key = JSON.stringify([entries.map((m) => [m.key, m.area, m.said]), best, [...hidden], now.left]);
    if (key === rows) return;
    rows = key;
    const focused = list.querySelector("input:focus")?.getAttribute("data-key");
    list.replaceChildren(
      h("thead", {}, h("tr", {}, ...["method", "area", "times the hull", "time"].map((t) => h("th", { class: "wb-lab", scope: "col" }, t)))),
      h("tbody", {},
        ...entries.map((m) => {
          const style = STYLES[m.key] ?? OTHER;
          const box = h("input", { type: "checkbox", "data-key": m.key });
          box.checked = !hidden.has(m.key);
          box.addEventListener("change", () => {
            if (box.checked) hidden.delete(m.key);
            else hidden.add(m.key);
            draw();
          }, { signal });
          const swatch = s("svg", { width: 26, height: 8 }, s("path", { d: "M0 4h26", stroke: style.stroke, "stroke-width": 2.5, "stroke-dasharray": style.dash }));
          return h("tr", { "data-method": m.key, "data-area": m.area === null ? null : exact(m.area) }, h("td", {}, h("label", {}, box, swatch, m.label)), h("td", { class: "wb-num" }, m.area === null ? m.said || "\u2013" : short(m.area, 4)), h("td", { class: "wb-num" }, m.area !== null && best ? short(m.area / best, 4) : ""), h("td", { class: "wb-num" }, seconds(m.seconds)));
        }),
        ...now.left.map((k) => h("tr", {}, h("td", { class: "wb-lab" }, `\u25f7 ${k.toUpperCase()}`), h("td", { colspan: 3, class: "wb-lab" }, "computing\u2026"))),
        ...(best === null ? [] : [h("tr", { "data-method": "hull" }, h("td", {}, h("label", {}, s("svg", { width: 42, height: 8 }, s("path", { d: "M16 4h26", stroke: HULL.stroke, "stroke-width": 1.5, "stroke-dasharray": HULL.dash })), "convex hull of the truth")), h("td", { class: "wb-num" }, short(best, 4)), h("td", { class: "wb-num" }, "1"), h("td", { class: "wb-lab" }, "exact"))]),
      ),
    );
    if (focused) list.querySelector<HTMLElement>(`input[data-key="${focused}"]`)?.focus();
  }

  function alphas(now: Net): void {
    const count = wanted!.slopes?.length ?? 0;
    const neurons = now.pieces?.neurons ?? [];
    if (sliders.querySelectorAll("input").length !== count) {
      sliders.replaceChildren(
        ...(count ? [h("div", { class: "wb-lab", style: "white-space:normal" }, "slope of the line below each relu; it matters where the neuron's sign is open")] : []),
        h("div", { class: "wb-x-alpha" }, ...neurons.slice(0, count).flatMap(([node, i], k) => {
          const slider = h("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `slope below ${node}[${i}]` });
          slider.addEventListener("input", () => {
            wanted!.slopes![k] = Number(slider.value);
            ask();
          }, { signal });
          return [h("span", { class: "wb-lab" }, `${node}[${i}]`), slider, h("span", { class: "wb-num" })];
        })),
      );
    }
    sliders.querySelectorAll("input").forEach((slider, k) => {
      const value = wanted!.slopes![k]!;
      if (Number(slider.value) !== value) slider.value = String(value);
      slider.style.setProperty("--at", `${100 * value}%`);
      slider.nextElementSibling!.textContent = value.toFixed(2);
    });
  }

  const fileName = (): string => safeName(`hierarchy-${net()?.name ?? "network"}`);
  function code(): string {
    const now = net();
    if (!now) return "";
    const rest = now.slopes ? `, [${now.slopes.map(exact).join(", ")}]` : "";
    return `import workbench as wb\n\nview = wb.relaxation_explorer(pane="network")\nview.look([${now.lower.map(exact).join(", ")}], [${now.upper.map(exact).join(", ")}]${rest})\nview`;
  }
  /** Both planes side by side. */
  function picture(): string {
    const both = s("svg", { viewBox: `0 0 ${2 * width + 20} ${TALL}`, width: 2 * width + 20, height: TALL }, s("title", {}, fileName()), s("rect", { width: 2 * width + 20, height: TALL, fill: getComputedStyle(ctx.root).backgroundColor }));
    const parts = [inSvg, outSvg].map((svg, k) => {
      const g = s("g", { transform: `translate(${k * (width + 20)} 0)` });
      g.append(...[...svg.cloneNode(true).childNodes]);
      return g;
    });
    both.append(...parts);
    return standalone(ctx.root, both);
  }

  return { el, tools, show };
}
