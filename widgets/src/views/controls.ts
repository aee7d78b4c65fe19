// The bar of controls: input, epsilon, method, number format, live, compute or cancel, help.

import { ball, epsilon } from "../core/format.js";
import { epsToSlider, sliderToEps } from "../core/scales.js";
import { inputCode, type Controls, type Status, type Thumbnail } from "../core/wire.js";
import { button, h, picker, put, say, segmented } from "./dom.js";
import { write, type Context } from "./frame.js";
import { menuButton } from "./menu.js";

const STEPS = 400;
/** Answers usually come in some milliseconds: only what takes longer than this is worth showing as work. */
export const SLOW_MS = 180;

function paintThumb(canvas: HTMLCanvasElement, thumb: Thumbnail): void {
  canvas.width = thumb.w;
  canvas.height = thumb.h;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(thumb.w, thumb.h);
  const channels = thumb.channels ?? 1;
  for (let p = 0; p < thumb.w * thumb.h; p++) {
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = thumb.data[channels * p + (channels === 3 ? c : 0)] ?? 0;
    image.data[4 * p + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Room of a fixed size: what changes in it does not make the page around it lay out. */
const fixed = (name: string, inside: HTMLElement): HTMLElement => h("span", { class: `wb-fixed ${name}` }, h("span", {}, inside));

export interface ControlBar {
  el: HTMLElement;
  focusEpsilon(): void;
}

export function controlBar(ctx: Context): ControlBar {
  const { model, signal } = ctx;
  let held = false;
  let typing = false;

  const thumb = h("canvas", { class: "wb-thumb", role: "img", "aria-label": "the input" });
  const name = h("div", { class: "wb-name wb-clip" });
  const pick = picker("input", (key) => write(model, { example: Number(key) }), signal);
  const slider = h("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": "epsilon, the radius of the region" });
  const text = h("input", { class: "wb-text", type: "text", inputmode: "decimal", "aria-label": "epsilon as a number", spellcheck: "false", autocomplete: "off" });
  const norm = h("span", { class: "wb-lab" });
  const methods = segmented("method", (key) => write(model, { method: key }), signal);
  const formats = picker("number format", (key) => write(model, { format: key }), signal);
  const live = h("input", { type: "checkbox" });
  const act = button("Compute", "", press, signal, "wb-main");
  act.style.minWidth = "82px";
  act.style.justifyContent = "center";

  const max = (): number => (model.get("controls") as Partial<Controls>).eps_max || 1;
  const setEps = (value: number): void => {
    if (value !== model.get("eps")) write(model, { eps: value });
    placeSlider(value);
  };
  function placeSlider(value: number): void {
    const t = epsToSlider(value, max());
    if (!held) slider.value = String(Math.round(t * STEPS));
    slider.style.setProperty("--at", `${(100 * Number(slider.value)) / STEPS}%`);
    put(slider, { "aria-valuetext": epsilon(value) });
    if (!typing) {
      text.value = epsilon(value);
      put(text, { "aria-invalid": null });
    }
  }
  // a slider follows the model except under a finger: focus alone must not make it deaf
  slider.addEventListener("pointerdown", () => (held = true), { signal });
  const release = (): void => {
    held = false;
    placeSlider(model.get("eps"));
  };
  for (const event of ["pointerup", "pointercancel", "blur"]) slider.addEventListener(event, release, { signal });
  slider.addEventListener("input", () => setEps(sliderToEps(Number(slider.value) / STEPS, max())), { signal });
  slider.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  const commit = (): void => {
    if (!typing) return;
    const value = Number(text.value.trim().replace(",", ".").replace("\u2212", "-") || NaN);
    if (Number.isFinite(value) && value >= 0) {
      typing = false;
      ctx.toast("");
      setEps(value);
    } else {
      put(text, { "aria-invalid": "true" });
      ctx.toast("epsilon must be a finite number, 0 or more");
    }
  };
  text.addEventListener("input", () => (typing = true), { signal });
  text.addEventListener("change", commit, { signal });
  text.addEventListener(
    "keydown",
    (event) => {
      event.stopPropagation();
      if (event.key === "Enter") commit();
      else if (event.key === "Escape") {
        typing = false;
        placeSlider(model.get("eps"));
      } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        typing = false;
        const now = model.get("eps") || max() / 1000;
        setEps(Number((now * (event.key === "ArrowUp" ? 1.05 : 1 / 1.05)).toPrecision(4)));
      } else return;
      event.preventDefault();
    },
    { signal },
  );
  live.addEventListener("change", () => write(model, { live: live.checked }), { signal });

  const computing = (): boolean => (model.get("status") as Partial<Status>).state === "computing";
  function press(): void {
    model.send({ type: computing() ? "cancel" : "compute" });
  }

  const help = h(
    "div",
    { class: "wb-menu wb-help", role: "dialog", "aria-label": "help", tabindex: -1, hidden: true },
    h(
      "dl",
      {},
      ...(
        [
          ["click", "select a node or a neuron; hover only shows"],
          ["arrows", "walk along the edges, or the neurons"],
          ["Enter", "open a group; on a node, go to its neurons"],
          ["Esc", "clear the selection"],
          ["/", "search; Enter next, Shift+Enter previous"],
          ["f", "fit the graph"],
          ["c", "fold or open a group"],
          ["e", "go to epsilon"],
          ["[ ]", "back and forward through selections"],
          ["wheel", "zoom, once the graph has been clicked (ctrl+wheel always)"],
        ] as const
      ).flatMap(([key, text]) => [h("dt", {}, key), h("dd", {}, text)]),
    ),
    h("p", {}, "A bar holds every value that the neuron can take while the input stays within \u03b5 of the chosen one: proved, not sampled. A faded picture with a clock belongs to older settings."),
  );
  const helpButton = button("?", "keys, and how to read the pictures", () => {
    help.hidden = !help.hidden;
    if (!help.hidden) help.focus();
  }, signal);
  help.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape") return;
      help.hidden = true;
      helpButton.focus();
      event.stopPropagation();
    },
    { signal },
  );
  ctx.root.addEventListener(
    "pointerdown",
    (event) => {
      if (!help.hidden && !help.contains(event.target as Node) && event.target !== helpButton) help.hidden = true;
    },
    { signal },
  );
  ctx.root.append(help);
  const more = menuButton(ctx, "\u22ef", "more", () => [
    { label: "copy code", title: "the Python that reproduces this state", act: () => ctx.copy(model.get("code")["workbench"] ?? "", "the code of this state") },
    { label: "back  [", act: () => model.send({ type: "back" }) },
    { label: "forward  ]", act: () => model.send({ type: "forward" }) },
  ]);

  let painted: Thumbnail | null = null;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(waiting), { once: true });
  function showAction(): void {
    clearTimeout(waiting);
    const draw = (): void => {
      const busy = computing();
      say(act, busy ? "Cancel" : "Compute");
      put(act, { title: busy ? "stop the computation; the last result stays" : "compute for these settings", "data-action": busy ? "cancel" : "compute" });
      act.classList.toggle("wb-main", !busy);
    };
    if (computing()) waiting = setTimeout(draw, SLOW_MS);
    else draw();
  }

  function show(): void {
    const c = model.get("controls") as Partial<Controls>;
    if (c.methods === undefined) return;
    const graph = model.get("graph") as { name?: string };
    say(name, graph.name ?? "");
    put(name, { title: graph.name });
    const small = model.get("thumbnail") ?? null;
    thumb.hidden = !small;
    if (small && small !== painted) paintThumb(thumb, small);
    painted = small;
    const examples = c.examples ?? [];
    const own = model.get("example");
    pick.update(own === null ? [{ key: "", label: "own input" }, ...examples.map((label, i) => ({ key: String(i), label }))] : examples.map((label, i) => ({ key: String(i), label })), own === null ? "" : String(own));
    pick.el.hidden = !examples.length;
    methods.update(c.methods, model.get("method"));
    formats.update(c.formats ?? [], model.get("format"));
    live.checked = model.get("live");
    say(norm, `${ball(c.norm ?? "inf")} \u2264`);
    placeSlider(model.get("eps"));
    showAction();
    const none = inputCode(model) !== null;
    for (const part of [slider, text, act]) part.disabled = none;
  }

  const el = h(
    "div",
    { class: "wb-bar", role: "toolbar", "aria-label": "what is computed" },
    h("div", { class: "wb-row" }, thumb, h("div", { class: "wb-pick", style: "min-width:0" }, name, pick.el)),
    h("label", { class: "wb-row wb-eps", title: "the region: every input within this distance of the chosen one" }, h("span", { class: "wb-lab" }, "\u03b5"), fixed("wb-slide", slider), norm, fixed("", text)),
    h("span", { class: "wb-row" }, h("span", { class: "wb-lab wb-opt" }, "method"), methods.el),
    h("label", { class: "wb-row" }, h("span", { class: "wb-lab wb-opt" }, "runs as"), formats.el),
    h("label", { class: "wb-row", title: "compute as soon as a setting changes", style: "gap:4px" }, live, h("span", { class: "wb-lab" }, "live")),
    h("span", { class: "wb-row", style: "margin-left:auto;gap:2px" }, act, helpButton, more),
  );
  ctx.watch(["controls", "eps", "method", "format", "example", "live", "graph", "thumbnail", "stamp"], show);
  ctx.watch(["status"], showAction);
  show();
  return {
    el,
    focusEpsilon() {
      text.focus();
      text.select();
    },
  };
}
