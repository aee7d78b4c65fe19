// TrainingView: the curves of a training while it trains, and its brake.  Python trains, and describes the traits and
// messages in workbench/views/trainingview.py; here rows are put together and drawn.

import { clip, count, seconds } from "../core/format.js";
import { addRows, column, emptyRows, epochsCsv, nearest, toCsv, type Epoch, type RowsHeader } from "../core/series.js";
import { button, h, n1, onResize, put, s, safeName, save, say, scheduler } from "./dom.js";
import type { Context } from "./frame.js";
import { savePng, standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import { drawPanel, panelsOf, sample, stepAt, told, valueAt, valueText, type Panel } from "./training-panel.js";
import css from "./training.css";

interface Judged {
  n: number;
  of: number;
  eps: number | null;
  method: string;
  clip: [number, number] | null;
}
interface About {
  module: string;
  optimizer: string;
  objective: string;
  parameters: number;
  judged: Judged | null;
}
interface State {
  state: string;
  message: string;
  step: number;
  epoch: number;
  epochs: number | null;
  total: number | null;
  seconds: number;
  left: number | null;
  rate: number | null;
  can: string[];
}
interface Snapshot {
  every: number;
  columns: string[];
  rows: (number | null)[][];
  epochs: Epoch[];
}
export interface TrainingModel {
  get(name: "about"): Partial<About> | undefined;
  get(name: "state"): Partial<State> | undefined;
  get(name: "snapshot"): Partial<Snapshot> | undefined;
  get(name: "code" | "notice"): string | undefined;
  on(event: string, act: (...given: never[]) => void): void;
  off(event: string, act: (...given: never[]) => void): void;
  send(content: { type: string }): void;
}

const ACTIONS: Record<string, [string, string]> = {
  start: ["\u25b6 Train", "train in the background, or go on from where it stopped (t)"],
  pause: ["\u2016 Pause", "hold after the step under way (p)"],
  resume: ["\u25b6 Go on", "go on training (p)"],
  stop: ["\u25a0 Stop", "end after the step under way; nothing is lost (s)"],
};
const STATES: Record<string, string> = { idle: "not started", running: "training", watching: "training in a cell", ended: "trained in a cell", paused: "\u2016 paused", stopped: "\u25a0 stopped", done: "\u2713 all epochs done", failed: "\u2715 failed" };
const METHODS: Record<string, string> = { ibp: "IBP", "crown-ibp": "CROWN-IBP", crown: "CROWN" };
const HEIGHT = 138;
const MANY = 60_000; // rows

export function trainingView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as TrainingModel;
  root.classList.add("wb-training");
  root.append(h("style", {}, css));
  const rows = emptyRows();
  const logs = new Map<string, boolean>();
  let cursor: number | null = null;
  let width = 420;

  const about = (): Partial<About> => model.get("about") ?? {};
  const state = (): Partial<State> => model.get("state") ?? {};
  const judgedShort = (): string => {
    const j = about().judged;
    return j && j.eps !== null && j.eps !== undefined ? `proved, ${METHODS[j.method] ?? j.method}, \u03b5 ${j.eps}` : "proved";
  };

  // ---- the bar
  const chip = h("span", { class: "wb-c-state", role: "status" });
  const doing = h("span", { class: "wb-row", style: "gap:4px" });
  const progress = h("div", { class: "wb-prog", role: "progressbar", "aria-label": "training", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
  const where = h("span", { class: "wb-lab" });
  const exports = menuButton(ctx, "Export", "copy or save the curves", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(model.get("code") ?? "", "the code") },
    { label: "Save CSV, a row a step", act: () => text("steps.csv", toCsv(rows), "text/csv") },
    { label: "Save CSV, a row an epoch", act: () => text("epochs.csv", epochsCsv(rows), "text/csv") },
    { label: "Save SVG", act: () => text("curves.svg", picture(), "image/svg+xml") },
    { label: "Save PNG", act: () => void savePng(picture(), fileName()).catch((error: Error) => ctx.toast(error.message)) },
    { label: "Save JSON", act: () => text("curves.json", `${JSON.stringify({ about: about(), state: state(), ...rows })}\n`, "application/json") },
  ]);
  const fileName = (): string => safeName(`training-${about().module ?? "network"}`);
  const text = (name: string, content: string, type: string): void => save(`${fileName()}-${name}`, new Blob([content], { type }));
  const buttons = Object.fromEntries(Object.entries(ACTIONS).map(([key, [label, hint]]) => [key, button(label, hint, () => act(key), signal, key === "start" || key === "resume" ? "wb-main wb-c-do" : "wb-c-do")]));
  doing.append(...Object.values(buttons));
  const act = (type: string): void => {
    if ((state().can ?? []).includes(type)) model.send({ type });
  };
  root.append(h("div", { class: "wb-bar" }, doing, chip, progress, where, h("span", { class: "wb-grow" }), exports));

  // ---- the panels
  const grid = h("div", { class: "wb-c-grid" });
  const body = h("div", { class: "wb-c-body", tabindex: 0, role: "group", "aria-label": "curves: arrow keys move over the steps, l changes to a logarithmic axis and back, Esc ends" }, grid);
  const empty = h("div", { class: "wb-empty" }, h("b", {}, "Nothing is recorded yet"), h("span", {}));
  const said = h("div", { class: "wb-c-said" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  root.append(body, empty, said, notice);
  const made = new Map<string, { el: HTMLElement; now: HTMLElement; plot: HTMLElement; turn: HTMLButtonElement; note: HTMLElement }>();

  function panelEl(panel: Panel): NonNullable<ReturnType<typeof made.get>> {
    const held = made.get(panel.key);
    if (held) return held;
    const now = h("div", { class: "wb-c-key" });
    const note = h("span", { class: "wb-lab" });
    const plot = h("div", {});
    const turn = button("log", "logarithmic axis (l)", () => toggle(panel), signal);
    const el = h("div", { class: "wb-c-panel", "data-panel": panel.key }, h("div", { class: "wb-c-head" }, h("b", {}, panel.title), h("span", { class: "wb-grow" }), note, panel.log ? turn : null), now, plot);
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      point(stepAt(rows, box.width, event.clientX - box.left));
    }, { signal });
    plot.addEventListener("pointerleave", () => point(null), { signal });
    const one = { el, now, plot, turn, note };
    made.set(panel.key, one);
    return one;
  }
  const isLog = (panel: Panel): boolean => logs.get(panel.key) ?? panel.log === "first";
  function toggle(panel: Panel): void {
    logs.set(panel.key, !isLog(panel));
    redraw();
  }
  function point(step: number | null): void {
    const steps = column(rows, "step");
    const i = step === null ? -1 : nearest(steps, Math.min(Math.max(step, steps[0] ?? 0), steps.at(-1) ?? 0));
    cursor = i < 0 ? null : steps[i]!;
    redraw();
  }

  const redraw = scheduler(draw, signal);
  function draw(): void {
    const panels = panelsOf(rows, judgedShort());
    empty.hidden = panels.length > 0;
    body.hidden = !panels.length;
    const wanted = panels.map((panel) => panelEl(panel).el);
    if (wanted.length !== grid.childElementCount || wanted.some((el, i) => grid.children[i] !== el)) grid.replaceChildren(...wanted);
    for (const panel of panels) {
      const one = panelEl(panel);
      const log = isLog(panel);
      width = one.plot.clientWidth || width; // 0 while a page is hidden
      const { svg, left } = drawPanel(rows, panel, log, Math.max(width, 240), HEIGHT, cursor);
      one.plot.replaceChildren(svg);
      one.now.replaceChildren(...panel.lines.map((line) => h("span", { class: "wb-c-now", "data-key": line.key, "data-look": line.look }, sample(line.look), `${line.label ? `${line.label} ` : ""}${valueText(panel, valueAt(rows, line, cursor))}`)));
      put(one.turn, { "aria-pressed": String(log), style: log ? "color:var(--acc);font-weight:600" : null });
      say(one.note, left ? `${count(left)} not drawn: ${log ? "not above 0, or " : ""}not finite` : "");
    }
    put(root, { "data-rows": rows.data[0]?.length ?? 0, "data-upto": rows.upto, "data-epochs": rows.epochs.length, "data-cursor": cursor });
    tell();
  }

  function tell(): void {
    const now = state();
    const name = now.state ?? "idle";
    say(chip, STATES[name] ?? name);
    put(chip, { "data-state": name });
    put(root, { "data-state": name });
    for (const [key, el] of Object.entries(buttons)) el.hidden = !(now.can ?? []).includes(key);
    const share = now.total ? Math.min(1, (now.step ?? 0) / now.total) : 0;
    progress.hidden = !now.total;
    progress.firstElementChild!.setAttribute("style", `width:${n1(100 * share)}%`);
    put(progress, { "aria-valuenow": Math.round(100 * share) });
    const parts = [
      now.epochs ? `epoch ${Math.min((now.epoch ?? 0) + (name === "done" ? 0 : 1), now.epochs)} of ${now.epochs}` : `${now.epoch ?? 0} epochs done`,
      `step ${count(now.step ?? 0)}${now.total ? ` of ${count(now.total)}` : ""}`,
      now.seconds ? seconds(now.seconds) : "",
      now.left && name === "running" ? `about ${seconds(Math.max(1, Math.round(now.left)))} left` : "",
    ];
    say(where, cursor === null ? parts.filter(Boolean).join(" \u00b7 ") : `at step ${count(cursor)}`);
    const a = about();
    const j = a.judged;
    const box = j?.clip ? ` and ${j.clip[0]} \u2264 x\u2032 \u2264 ${j.clip[1]}` : "";
    const judged = j ? ` Clean${j.eps !== null && j.eps !== undefined ? " and proved" : ""} accuracy: ${j.n < j.of ? `the first ${count(j.n)} of ${count(j.of)}` : `all ${count(j.n)}`} validation examples, after every epoch.${j.eps !== null && j.eps !== undefined ? ` Proved: right, and sound ${METHODS[j.method] ?? j.method} bounds in real arithmetic show that the label stays the largest output for all x\u2032 with \u2016x\u2032 \u2212 x\u2016\u221e \u2264 ${j.eps}${box}.` : ""}` : "";
    say(said, `${a.module ?? "network"}, ${count(a.parameters ?? 0)} parameters, ${a.objective ?? ""}, ${a.optimizer ?? ""}.${judged}${rows.every > 1 ? ` Of each ${rows.every} earlier steps the one with the largest loss is drawn.` : ""}`);
    say(empty.lastElementChild as HTMLElement, (now.can ?? []).includes("start") ? "Press Train, or call view.start()." : "Curves appear with the first step of trainer.fit.");
    const told = [name === "failed" ? `Training ended: ${clip(now.message ?? "", 600)}` : name === "watching" ? (now.message ?? "") : "", model.get("notice") ?? ""].filter(Boolean).join(" \u00b7 ");
    notice.hidden = !told;
    say(notice, told);
    put(notice, { style: name === "watching" ? "background:var(--un2);color:var(--tx2)" : null });
  }

  // ---- keys
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest("[role=menu]")) return;
    const steps = column(rows, "step");
    const i = cursor === null ? steps.length : nearest(steps, cursor);
    const by = event.shiftKey ? Math.max(10, Math.round(steps.length / 20)) : 1;
    const to = { ArrowLeft: i - by, ArrowRight: i + by, Home: 0, End: steps.length - 1 }[event.key];
    const can = state().can ?? [];
    if (to !== undefined && steps.length && body.contains(event.target as Node)) {
      point(steps[Math.min(Math.max(to, 0), steps.length - 1)]!);
      ctx.announce(`step ${cursor}: ${panelsOf(rows, "proved").map((panel) => `${panel.title} ${told(rows, panel, cursor)}`).join("; ")}`);
    } else if (event.key === "Escape") point(null);
    else if (event.key === "l") {
      const panels = panelsOf(rows, "").filter((panel) => panel.log);
      const all = panels.every(isLog);
      for (const panel of panels) logs.set(panel.key, !all);
      redraw();
    } else if (event.key === "p") act(can.includes("resume") ? "resume" : "pause");
    else if (event.key === "t") act(can.includes("resume") ? "resume" : "start");
    else if (event.key === "s") act("stop");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  // ---- what arrives
  const arrived = (content: Record<string, unknown>, buffers: DataView[]): void => {
    if (content["type"] !== "rows") return;
    const whole = addRows(rows, content as unknown as RowsHeader, buffers[0]!);
    if (whole) redraw();
    // something is missing, or there is more than a page needs: then Python thins it
    if (!whole || ((rows.data[0]?.length ?? 0) > MANY && content["from"] !== 0)) model.send({ type: "sync" });
  };
  model.on("msg:custom", arrived as never);
  signal.addEventListener("abort", () => model.off("msg:custom", arrived as never), { once: true });

  /** What was kept for a page whose kernel is gone; an answer of the kernel replaces it. */
  function still(): void {
    const kept = model.get("snapshot");
    if (rows.run >= 0 || !kept?.columns?.length) return;
    Object.assign(rows, { every: kept.every ?? 1, columns: kept.columns, data: kept.rows!.map((list) => list.map((v) => v ?? NaN)), epochs: [...(kept.epochs ?? [])] });
  }

  /** All panels as one picture. */
  function picture(): string {
    const [w, step] = [460, HEIGHT + 30];
    const panels = panelsOf(rows, judgedShort());
    const height = Math.ceil(panels.length / 2) * step + 40;
    const svg = s("svg", { viewBox: `0 0 ${2 * w + 30} ${height}`, width: 2 * w + 30, height });
    svg.append(s("rect", { width: 2 * w + 30, height, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 10, y: 16 }, clip(said.textContent ?? "", 170)));
    panels.forEach((panel, i) => {
      const { svg: own } = drawPanel(rows, panel, isLog(panel), w, HEIGHT, null);
      const g = s("g", { transform: `translate(${10 + (i % 2) * (w + 10)} ${42 + Math.floor(i / 2) * step})` }, s("text", { class: "wb-t", x: 0, y: -2 }, `${panel.title}${isLog(panel) ? ", log" : ""}`), s("text", { class: "wb-n", x: w - 10, y: -2, "text-anchor": "end" }, told(rows, panel, null)));
      g.append(...own.childNodes);
      svg.append(g);
    });
    return standalone(root, svg);
  }

  ctx.watch(["about", "state", "notice", "code"] as never[], tell);
  ctx.watch(["snapshot"] as never[], () => {
    still();
    redraw();
  });
  onResize(grid, redraw, signal);
  still();
  draw();
  model.send({ type: "sync" });
}
