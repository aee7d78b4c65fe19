// One operator over a box: its curve, the two lines that hold there, and grips for the box's ends and the lines' slopes.
// What is drawn belongs to the box that Python answered for; the grips run ahead of it while something is dragged.

import { asker, neat } from "../core/ask.js";
import { exact, short } from "../core/format.js";
import { ticks, viridis } from "../core/scales.js";
import { button, h, n1, onResize, picker, put, s, save, safeName, say } from "./dom.js";
import type { Context } from "./frame.js";
import { savePng, standalone } from "./graph-export.js";
import { grip, type Grip } from "./grips.js";
import { menuButton } from "./menu.js";
import { boxFields } from "./onenode-fields.js";
import { codeOf, height, teach, term, type Shown } from "./onenode-words.js";
import type { ExplorerModel, OperatorEntry, Question } from "./relaxation.js";

type Range = [number, number];
interface Wanted {
  low: number[];
  high: number[];
  cut: number | null;
  lower: number[] | null;
  upper: number[] | null;
}

const H = 330;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 16, 10, 34];
const PLAN = 236;
const CELLS = 12;
const SIDES = ["lower", "upper"] as const;
const WORD = { lower: "below", upper: "above" } as const;

export function operatorPane(ctx: Context, model: ExplorerModel): { el: HTMLElement; tools: HTMLElement; show(): void } {
  const { signal } = ctx;
  const shown = (): Shown | null => {
    const found = model.get("shown");
    return found?.low ? (found as Shown) : null;
  };
  const entry = (): OperatorEntry | undefined => (model.get("operators") ?? []).find((o) => o.key === wantedOp);
  let wantedOp = shown()?.op ?? "relu";
  let wanted: Wanted | null = null; // what the grips say; what Python answers may be older
  let xr: Range | null = null;
  let yr: Range | null = null;
  let took: number | null = null;
  let refit = false; // with the next answer
  let width = 560;
  const questions = asker<Omit<Question, "seq">>((question) => {
    model.set("ask", question);
    model.save_changes();
  }, shown()?.seq ?? 0);

  // ---- the row of controls
  const picked = picker("operator", (key) => {
    const chosen = (model.get("operators") ?? []).find((o) => o.key === key);
    if (!chosen) return;
    wantedOp = key;
    wanted = { low: chosen.box.map((b) => b[0]), high: chosen.box.map((b) => b[1]), cut: null, lower: null, upper: null };
    if (chosen.arity === 2) wanted.cut = (wanted.low[1]! + wanted.high[1]!) / 2;
    refit = true;
    ask();
  }, signal);
  const typed = boxFields(signal, () => wanted, () => {
    refit = true;
    ask();
  });
  const reset = button("Rule's lines", "take back the slopes that you chose: the lines that the operator's rule draws", () => {
    if (!wanted) return;
    wanted.lower = wanted.upper = null;
    ask();
  }, signal, "");
  const fit = button("Fit", "show the whole box, as large as it fits (f)", () => {
    xr = yr = null;
    draw();
  }, signal);
  const exports = menuButton(ctx, "Export", "copy or save what is shown", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(codeOf(shown(), model.get("origin") ?? {}), "the code") },
    { label: "Save SVG", act: () => save(`${fileName()}.svg`, new Blob([picture()], { type: "image/svg+xml" })) },
    { label: "Save PNG", act: () => void savePng(picture(), fileName()).catch((error: Error) => ctx.toast(error.message)) },
    { label: "Save JSON", act: () => save(`${fileName()}.json`, new Blob([`${JSON.stringify(shown(), null, 1)}\n`], { type: "application/json" })) },
  ]);
  const state = h("span", { class: "wb-for" });
  const tools = h("div", { class: "wb-row wb-x-tools" }, picked.el, typed.el, reset, fit, h("span", { class: "wb-grow" }), state, exports);

  // ---- the picture: a grid, what Python answered, and the grips
  const svg = s("svg", { class: "wb-x-plot", height: H, role: "group", tabindex: -1 });
  const titled = s("title");
  const grid = s("g");
  const drawn = s("g", { class: "wb-drawn" });
  const ahead = s("g");
  const knob = (): SVGElement => s("g", {}, s("circle", { r: 13, fill: "transparent" }), s("circle", { class: "wb-x-knob", r: 6 }));
  const square = (): SVGElement => s("g", {}, s("circle", { r: 13, fill: "transparent" }), s("rect", { class: "wb-x-knob", x: -5, y: -5, width: 10, height: 10, rx: 2 }));
  const ends = (["l", "u"] as const).map((name, k) =>
    grip(svg, {
      label: `${name}: ${k ? "upper" : "lower"} end of x`,
      shape: knob(),
      cursor: "ew-resize",
      drag: (x) => moveEnd(0, k, unX(x)),
      key: (dx, dy) => wanted && moveEnd(0, k, (k ? wanted.high : wanted.low)[0]! + ((dx || dy) * span(xr)) / 200),
      done: () => fitSoon(),
    }, signal),
  ) as [Grip, Grip];
  let from: { y: number; slope: number } = { y: 0, slope: 0 };
  const slopes = SIDES.map((side) =>
    grip(svg, {
      label: `slope of the line ${WORD[side]}`,
      shape: square(),
      cursor: "ns-resize",
      drag(_, y, start) {
        const [plane, half] = [shown()?.[side], wanted ? (wanted.high[0]! - wanted.low[0]!) / 2 : 0];
        if (!plane || !(half > 0)) return;
        if (start) from = { y: unY(y), slope: plane.slopes[0]! };
        setSlope(side, from.slope + (unY(y) - from.y) / half);
      },
      key(dx, dy) {
        const plane = shown()?.[side];
        const now = wanted?.[side]?.[0] ?? plane?.slopes[0];
        if (plane && now !== undefined) setSlope(side, now + ((dy || dx) * span(yr)) / span(xr) / 50);
      },
      reset() {
        if (!wanted) return;
        wanted[side] = null;
        ask();
      },
    }, signal),
  ) as [Grip, Grip];
  svg.append(titled, grid, drawn, ahead, ...ends.map((g) => g.el), ...slopes.map((g) => g.el));

  // ---- of two operands: the box from above, and where it is cut
  const plan = s("svg", { class: "wb-x-plan", width: PLAN, height: PLAN, viewBox: `0 0 ${PLAN} ${PLAN}`, role: "group" });
  const heat = s("g", { class: "wb-drawn" });
  const planAhead = s("g");
  const planGrips: [Grip, number, number][] = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([axis, end]) => [
    grip(plan, {
      label: `${end ? "upper" : "lower"} end of ${axis ? "y" : "x"}`,
      shape: knob(),
      cursor: axis ? "ns-resize" : "ew-resize",
      drag: (x, y) => moveEnd(axis!, end!, axis ? planY(y) : planX(x)),
      key: (dx, dy) => wanted && moveEnd(axis!, end!, (end ? wanted.high : wanted.low)[axis!]! + ((dx || dy) * span(planRange[axis!]!)) / 100),
      done: () => fitSoon(),
    }, signal), axis!, end!,
  ]);
  const cutGrip = grip(plan, {
    label: "y of the slice that is drawn",
    shape: square(),
    cursor: "ns-resize",
    drag: (_, y) => moveCut(planY(y)),
    key: (dx, dy) => wanted && moveCut((wanted.cut ?? 0) + ((dy || dx) * span(planRange[1]!)) / 100),
  }, signal);
  plan.append(heat, planAhead, ...planGrips.map(([g]) => g.el), cutGrip.el);
  let planRange: [Range, Range] = [[-2, 2], [-2, 2]];
  const planX = (x: number): number => planRange[0][0] + ((x - 30) / (PLAN - 40)) * span(planRange[0]);
  const planY = (y: number): number => planRange[1][1] - ((y - 8) / (PLAN - 36)) * span(planRange[1]);
  const toPlan = (x: number, y: number): [number, number] => [30 + ((x - planRange[0][0]) / span(planRange[0])) * (PLAN - 40), 8 + ((planRange[1][1] - y) / span(planRange[1])) * (PLAN - 36)];

  const words = h("div", { class: "wb-x-words" });
  const table = h("table", { class: "wb-table" });
  const side = h("div", { class: "wb-x-side" }, plan, table, words);
  const stage = h("div", { class: "wb-x-stage" }, svg);
  const el = h("div", { class: "wb-x-body" }, stage, side);
  svg.addEventListener("keydown", (event) => {
    if (event.key !== "f") return;
    xr = yr = null;
    draw();
    event.stopPropagation();
  }, { signal });
  onResize(stage, () => {
    if (stage.clientWidth && Math.abs(stage.clientWidth - width) > 1) {
      width = stage.clientWidth;
      draw();
    }
  }, signal);

  // ---- numbers and pixels
  const span = (r: Range | null): number => (r ? r[1] - r[0] : 1);
  const X = (v: number): number => LEFT + ((v - xr![0]) / span(xr)) * (width - LEFT - RIGHT);
  const Y = (v: number): number => TOP + ((yr![1] - v) / span(yr)) * (H - TOP - BOTTOM);
  const unX = (x: number): number => xr![0] + ((x - LEFT) / (width - LEFT - RIGHT)) * span(xr);
  const unY = (y: number): number => yr![1] - ((y - TOP) / (H - TOP - BOTTOM)) * span(yr);

  // ---- what a person does
  function ask(): void {
    if (!wanted) return;
    questions.ask({ op: wantedOp, ...structuredClone(wanted) });
    draw();
  }
  function moveEnd(axis: number, end: number, value: number): void {
    if (!wanted || !Number.isFinite(value)) return;
    const range = axis === 0 && xr ? span(xr) : span(planRange[axis]!);
    const at = neat(value, range);
    if (end) wanted.high[axis] = Math.max(at, wanted.low[axis]!);
    else wanted.low[axis] = Math.min(at, wanted.high[axis]!);
    if (axis === 1 && wanted.cut !== null) wanted.cut = Math.min(Math.max(wanted.cut, wanted.low[1]!), wanted.high[1]!);
    ask();
  }
  function moveCut(value: number): void {
    if (!wanted) return;
    wanted.cut = Math.min(Math.max(neat(value, span(planRange[1]!)), wanted.low[1]!), wanted.high[1]!);
    ask();
  }
  function setSlope(which: "lower" | "upper", value: number): void {
    const plane = shown()?.[which];
    if (!wanted || !plane || !Number.isFinite(value)) return;
    wanted[which] = [neat(value, Math.max(1, Math.abs(value))), ...(wanted[which] ?? plane.slopes).slice(1)];
    ask();
  }
  let fitting: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(fitting), { once: true });
  /** After a drag the axes follow, where the box has become much smaller than the picture or has left it. */
  function fitSoon(): void {
    clearTimeout(fitting);
    fitting = setTimeout(() => {
      if (!wanted || !xr) return;
      const [l, u] = [wanted.low[0]!, wanted.high[0]!];
      const share = (u - l) / span(xr);
      if (share < 0.25 || share > 0.9 || l < xr[0] || u > xr[1]) {
        xr = yr = null;
        draw();
      }
    }, 400);
  }

  // ---- drawing
  function ranges(now: Shown): void {
    const [l, u] = [now.low[0]!, now.high[0]!];
    if (!xr) {
      const pad = (u - l) * 0.3 || Math.abs(l) * 0.2 || 1;
      xr = [l - pad, u + pad];
    }
    if (!yr) {
      const heights = [...now.curve.map((p) => p[1]), ...SIDES.flatMap((k) => (now[k] ? [l, u].map((x) => height(now[k]!, x, now.cut)) : []))];
      let [a, b] = heights.length ? [Math.min(...heights), Math.max(...heights)] : [-1, 1];
      if (!(b > a)) [a, b] = [a - 1, b + 1];
      yr = [a - 0.1 * (b - a), b + 0.1 * (b - a)];
    }
  }
  let last: unknown = null;
  function show(): void {
    const now = shown();
    if (now && now !== last) {
      const fresh = last === null;
      last = now;
      const newest = questions.newest();
      const latency = questions.answered(now.seq);
      if (latency !== null) took = latency;
      if (refit && now.seq === questions.newest()) {
        xr = yr = null;
        refit = false;
      }
      // a box that Python chose (another neuron, a call of `explore`), not an answer to a drag
      if (fresh || (latency === null && now.seq > newest)) {
        if (wantedOp !== now.op || latency === null) xr = yr = null;
        wantedOp = now.op;
        wanted = { low: [...now.low], high: [...now.high], cut: now.cut, lower: now.lower?.chosen ? [...now.lower.slopes] : null, upper: now.upper?.chosen ? [...now.upper.slopes] : null };
      }
    }
    if (model.get("notice") && now) wanted = { low: [...now.low], high: [...now.high], cut: now.cut, lower: null, upper: null };
    draw();
  }

  function draw(): void {
    const now = shown();
    if (!now || !wanted) return;
    picked.update((model.get("operators") ?? []).map((o) => ({ key: o.key, label: o.label })), wantedOp);
    const answered = now.op === wantedOp;
    const stale = now.seq !== questions.newest();
    if (!answered && xr && yr) return put(svg, { "data-state": "stale" }); // another operator's answer is under way
    ranges(now);
    for (const part of [drawn, heat]) put(part, { "data-state": stale ? "stale" : "fresh" });
    put(svg, { viewBox: `0 0 ${width} ${H}`, width, "data-op": now.op, "data-low": now.low.join(" "), "data-high": now.high.join(" "), "data-state": stale ? "stale" : "fresh", "data-latency": took === null ? null : Math.round(took) });
    grid.replaceChildren(...axes());
    drawn.replaceChildren(...(answered ? lines(now) : []));
    const [l, u] = [wanted.low[0]!, wanted.high[0]!];
    ahead.replaceChildren(...[l, u].map((v, k) => s("g", {}, s("line", { x1: n1(X(v)), x2: n1(X(v)), y1: TOP, y2: H - BOTTOM, stroke: "var(--acc)", "stroke-dasharray": "2 3" }), s("text", { class: "wb-n", x: n1(X(v) + (k ? 5 : -5)), y: TOP + 10, "text-anchor": k ? "start" : "end" }, k ? "u" : "l"))));
    ends.forEach((g, k) => g.move(X([l, u][k]!), H - BOTTOM, [l, u][k]!, `${k ? "u" : "l"} = ${short([l, u][k]!, 4)}`));
    SIDES.forEach((key, k) => {
      const plane = answered ? now[key] : null;
      put(slopes[k]!.el, { hidden: !plane, display: plane ? null : "none" });
      if (plane) slopes[k]!.move(X(now.high[0]!) , Y(height(plane, now.high[0]!, now.cut)), plane.slopes[0]!, `slope ${short(plane.slopes[0]!, 4)}`);
    });
    drawPlan(now, answered);
    typed.show();
    tell(now, stale);
  }

  function axes(): SVGElement[] {
    const out: SVGElement[] = [];
    for (const v of ticks(yr![0], yr![1], 5)) out.push(s("line", { x1: LEFT, x2: width - RIGHT, y1: n1(Y(v)), y2: n1(Y(v)), stroke: v === 0 ? "var(--tx3)" : "var(--line2)" }), s("text", { class: "wb-n", x: LEFT - 6, y: n1(Y(v) + 4), "text-anchor": "end" }, short(v)));
    for (const v of ticks(xr![0], xr![1], 7)) out.push(s("line", { x1: n1(X(v)), x2: n1(X(v)), y1: TOP, y2: H - BOTTOM, stroke: v === 0 ? "var(--tx3)" : "var(--line2)" }), s("text", { class: "wb-n", x: n1(X(v)), y: H - BOTTOM + 24, "text-anchor": "middle" }, short(v)));
    return out;
  }

  function lines(now: Shown): SVGElement[] {
    const out: SVGElement[] = [];
    const [l, u] = [now.low[0]!, now.high[0]!];
    const clipY = (v: number): number => Math.min(Math.max(Y(v), -4000), 4000);
    const p = (x: number, v: number): string => `${n1(X(x))} ${n1(clipY(v))}`;
    const [lo, hi] = now.image;
    if (now.curve.length && lo !== null && hi !== null && lo !== undefined && hi !== undefined && now.cut === null) {
      out.push(s("rect", { x: n1(X(l)), y: n1(clipY(hi)), width: n1(Math.max(0, X(u) - X(l))), height: n1(Math.max(0, clipY(lo) - clipY(hi))), fill: "none", stroke: "var(--tx3)", "stroke-dasharray": "1 3" }, s("title", {}, "the interval of its values")));
    }
    if (now.lower && now.upper) out.push(s("path", { d: `M${p(l, height(now.upper, l, now.cut))}L${p(u, height(now.upper, u, now.cut))}L${p(u, height(now.lower, u, now.cut))}L${p(l, height(now.lower, l, now.cut))}Z`, fill: "var(--int2)", "fill-opacity": 0.42 }));
    for (const key of SIDES) {
      const [own, best] = [now[key], now[`best_${key}`]];
      if (own?.chosen && best) out.push(s("path", { d: `M${p(l, height(best, l, now.cut))}L${p(u, height(best, u, now.cut))}`, stroke: "var(--tx3)", "stroke-width": 1.2, fill: "none", "stroke-dasharray": "4 4" }, s("title", {}, `the rule's own line ${WORD[key]}`)));
      if (own) out.push(s("path", { d: `M${p(l, height(own, l, now.cut))}L${p(u, height(own, u, now.cut))}`, stroke: own.chosen ? "var(--x-own)" : "var(--int)", "stroke-width": 2.2, "stroke-dasharray": key === "lower" ? "6 3" : null, fill: "none" }));
    }
    // a curve with a pole is drawn in pieces
    let path = "";
    now.curve.forEach(([x, v], i) => {
      const before = now.curve[i - 1];
      const jump = before && Math.abs(v - before[1]) > 3 * span(yr) && Math.sign(v) !== Math.sign(before[1]);
      path += `${i === 0 || jump ? "M" : "L"}${p(x, v)}`;
    });
    if (path) out.push(s("path", { d: path, stroke: "var(--pt)", "stroke-width": 2, fill: "none" }));
    const inside = s("clipPath", { id: `${ctx.unique}-x` }, s("rect", { x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: H - TOP - BOTTOM }));
    return [inside, s("g", { "clip-path": `url(#${ctx.unique}-x)` }, ...out)];
  }

  function drawPlan(now: Shown, answered: boolean): void {
    const two = wanted!.low.length === 2;
    plan.toggleAttribute("hidden", !two);
    if (!two) return;
    const held = planRange;
    planRange = [0, 1].map((k) => {
      const [a, b] = [wanted!.low[k]!, wanted!.high[k]!];
      const room = (b - a) * 0.2 || 0.5;
      const old = held[k]!;
      return a >= old[0] && b <= old[1] && b - a > 0.3 * span(old) ? old : [a - room, b + room];
    }) as [Range, Range];
    const cells: SVGElement[] = [];
    if (answered && now.lower && now.upper && now.low.length === 2) {
      const gap = (x: number, y: number): number => now.upper!.offset - now.lower!.offset + (now.upper!.slopes[0]! - now.lower!.slopes[0]!) * x + (now.upper!.slopes[1]! - now.lower!.slopes[1]!) * y;
      const at = (k: number, i: number): number => now.low[k]! + ((i + 0.5) / CELLS) * (now.high[k]! - now.low[k]!);
      const gaps = Array.from({ length: CELLS * CELLS }, (_, i) => gap(at(0, i % CELLS), at(1, Math.floor(i / CELLS))));
      const most = Math.max(...gaps, 0);
      gaps.forEach((g, i) => {
        const [a, b] = [toPlan(now.low[0]! + ((i % CELLS) / CELLS) * (now.high[0]! - now.low[0]!), now.low[1]! + ((Math.floor(i / CELLS) + 1) / CELLS) * (now.high[1]! - now.low[1]!)), toPlan(now.low[0]! + ((i % CELLS) + 1) / CELLS * (now.high[0]! - now.low[0]!), now.low[1]! + (Math.floor(i / CELLS) / CELLS) * (now.high[1]! - now.low[1]!))];
        cells.push(s("rect", { x: n1(a[0]), y: n1(a[1]), width: n1(b[0] - a[0] + 0.3), height: n1(b[1] - a[1] + 0.3), fill: viridis(most > 0 ? g / most : 0) }));
      });
    }
    heat.replaceChildren(s("title", {}, "how far apart the planes are: dark 0, bright most"), ...cells);
    const [a, b] = [toPlan(wanted!.low[0]!, wanted!.low[1]!), toPlan(wanted!.high[0]!, wanted!.high[1]!)];
    const cut = wanted!.cut ?? 0;
    const c = toPlan(wanted!.low[0]!, cut)[1];
    planAhead.replaceChildren(
      s("rect", { x: n1(a[0]), y: n1(b[1]), width: n1(b[0] - a[0]), height: n1(a[1] - b[1]), fill: "none", stroke: "var(--acc)", "stroke-width": 1.5 }),
      s("line", { x1: n1(a[0]), x2: n1(b[0]), y1: n1(c), y2: n1(c), stroke: "var(--pt)", "stroke-width": 1.5 }),
      ...ticks(planRange[0][0], planRange[0][1], 4).map((v) => s("text", { class: "wb-n", x: n1(toPlan(v, 0)[0]), y: PLAN - 8, "text-anchor": "middle" }, short(v))),
      ...ticks(planRange[1][0], planRange[1][1], 4).map((v) => s("text", { class: "wb-n", x: 26, y: n1(toPlan(0, v)[1] + 4), "text-anchor": "end" }, short(v))),
      s("text", { x: PLAN - 8, y: PLAN - 22, "text-anchor": "end" }, "x"), s("text", { x: 34, y: 16 }, "y"),
    );
    for (const [g, axis, end] of planGrips) {
      const value = (end ? wanted!.high : wanted!.low)[axis]!;
      const [x, y] = axis ? [(a[0] + b[0]) / 2, end ? b[1] : a[1]] : [end ? b[0] : a[0], (a[1] + b[1]) / 2];
      g.move(x, y, value, `${axis ? "y" : "x"} ${end ? "at most" : "at least"} ${short(value, 4)}`);
    }
    cutGrip.move(b[0] + 0, c, cut, `slice at y = ${short(cut, 4)}`);
  }

  function tell(now: Shown, stale: boolean): void {
    const origin = model.get("origin") ?? {};
    const of = origin.node !== undefined && origin.node !== null ? `${origin.node}[${origin.index}]` : "";
    say(state, of ? (origin.stale ? `stale: ${of}` : of) : "");
    state.hidden = !of;
    put(state, { "data-state": origin.stale ? "stale" : "fresh" });
    reset.disabled = !(wanted!.lower || wanted!.upper);
    const volume = now.low.length === 2 ? "volume" : "area";
    const { shown: own, best, box } = now.room;
    const most = Math.max(own ?? 0, best ?? 0, box ?? 0) || 1;
    const rows: [string, number | null, string, string][] = [
      [`between these lines`, own, now.lower?.chosen || now.upper?.chosen ? "var(--x-own)" : "var(--int)", "lines"],
      [`between the rule's lines`, best, "var(--int)", "rule"],
      [`of the interval alone`, box, "var(--tx3)", "box"],
    ];
    table.replaceChildren(
      h("caption", { class: "wb-lab" }, `${volume} (a picture: floats)`),
      ...rows.map(([label, value, colour, key]) => h("tr", { "data-room": key, "data-value": value === null ? null : exact(value) }, h("th", { scope: "row" }, label), h("td", { class: "wb-x-bar" }, h("i", { style: `width:${value === null ? 0 : Math.max(0, Math.min(100, (value / most) * 100)).toFixed(1)}%;background:${colour}` })), h("td", {}, value === null ? "\u2013" : short(value, 4)))),
    );
    const plane = (key: "lower" | "upper"): HTMLElement => {
      const own = now[key];
      return h("div", { class: "wb-x-line", "data-side": key, "data-slope": own ? exact(own.slopes[0]!) : null, title: own ? `${own.slopes.map(exact).join(", ")}; offset ${exact(own.offset)}` : null }, h("span", { class: "wb-lab" }, `line ${WORD[key]}`), h("span", { class: "wb-num" }, own ? term(own, key) : "none"), own?.chosen ? h("span", { class: "wb-lab" }, "your slope, its offset proved") : null);
    };
    const formula = entry()?.formula ?? "";
    words.replaceChildren(
      plane("upper"), plane("lower"),
      h("p", {}, now.said || teach(now)),
      h("p", { class: "wb-lab" }, `${formula}${formula ? ". " : ""}Drag l, u and the squares at the lines' ends, or walk them with the arrow keys; Backspace gives a line its own slope back.`),
    );
    put(words, { "data-said": now.said ? "true" : null });
    say(titled, `${entry()?.label ?? now.op} on [${short(now.low[0]!, 4)}, ${short(now.high[0]!, 4)}]${stale ? ", stale" : ""}`);
  }

  const fileName = (): string => safeName(`relaxation-${shown()?.op ?? "none"}`);
  function picture(): string {
    const copy = svg.cloneNode(true) as SVGSVGElement;
    copy.prepend(s("rect", { width, height: H, fill: getComputedStyle(ctx.root).backgroundColor }));
    return standalone(ctx.root, copy);
  }

  return { el, tools, show };
}
