// CertificateView: a proof that somebody else can check.  Python reads, checks and changes it
// (workbench/views/certificateview.py describes the traits and messages); here it is drawn.

import { clip, count, seconds } from "../core/format.js";
import { icicle, stateOf, walk, type Icicle, type PartState, type Progress, type Row } from "../core/icicle.js";
import css from "./certificate.css";
import { button, h, n1, onResize, picker, put, s, safeName, save, say, scheduler } from "./dom.js";
import type { Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";

interface About {
  statement: string;
  network: string;
  sha256: string;
  compared: string | null;
  made_by: string;
  assumptions: string[];
  level: string;
}
interface Trees {
  cases: { nodes: Row[]; left: number }[];
  steps: number;
  broken: string;
}
interface Checking extends Progress {
  done: number;
  of: number;
  kind: string;
  open: number;
  seconds: number | null;
  step: string;
  why: string;
  rows: [string, string][];
}
interface Part {
  case: number;
  id: number;
  path: string[];
  steps: { number: number; words: string; text: string }[];
  leaf: boolean;
  split: string;
}
interface Numbers {
  group: string;
  items: { path: string; label: string; value: string; near: string; stored: string }[];
  count: number;
}
interface CertificateModel {
  get(name: "about"): Partial<About> | undefined;
  get(name: "trees"): Partial<Trees> | undefined;
  get(name: "checking"): Partial<Checking> | undefined;
  get(name: "part"): Partial<Part> | undefined;
  get(name: "groups"): { key: string; label: string }[] | undefined;
  get(name: "numbers"): Partial<Numbers> | undefined;
  get(name: "edits"): { path: string; label: string; was: string; near: string; now: string }[] | undefined;
  get(name: "chosen"): { case?: number; id?: number } | undefined;
  get(name: "notice"): string | undefined;
  get(name: "pace"): number | undefined;
  set(name: "chosen", value: { case: number; id: number }): void;
  set(name: "pace", value: number): void;
  save_changes(): void;
  send(content: Record<string, unknown>): void;
  on(event: string, act: (content: Record<string, unknown>, buffers: DataView[]) => void): void;
  off(event: string, act: (content: Record<string, unknown>, buffers: DataView[]) => void): void;
}

const SIGNS: Record<string, string> = { idle: "NOT CHECKED", checking: "\u2026 CHECKING", accepted: "\u2713 ACCEPTED", rejected: "\u2717 REJECTED", cannot: "? CANNOT CHECK", stopped: "STOPPED" };
const STATES: { key: PartState; label: string }[] = [
  { key: "waiting", label: "not checked yet" },
  { key: "open", label: "begun" },
  { key: "now", label: "being checked" },
  { key: "proved", label: "proved" },
  { key: "failed", label: "\u2717 failed here" },
];
const PACES = [
  { key: "0", label: "full speed" },
  { key: "0.1", label: "10 steps a second" },
  { key: "0.5", label: "2 steps a second" },
  { key: "-1", label: "step by step" },
];
const TALL = 22;
const DRAWN = 4000; // boxes of a saved picture

export function certificateView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as CertificateModel;
  root.classList.add("wb-certificate", "wb-alone");
  root.append(h("style", {}, css));
  const checking = (): Partial<Checking> => model.get("checking") ?? {};
  const about = (): Partial<About> => model.get("about") ?? {};
  const chosen = (): { case: number; id: number } => ({ case: model.get("chosen")?.case ?? 0, id: model.get("chosen")?.id ?? 0 });
  const busy = (): boolean => checking().state === "checking";
  const send = (content: Record<string, unknown>): void => model.send(content);
  const choose = (id: number): void => {
    model.set("chosen", { case: chosen().case, id });
    model.save_changes();
    ctx.announce(words(id).join(", "));
    show();
  };

  // ---- controls
  const run = button("Check", "let the exact checker prove every step again (space)", () => send({ type: busy() ? "stop" : "check" }), signal, "wb-main");
  const next = button("Next step", "let the checker judge one step (Enter)", () => send({ type: "next" }), signal, "");
  const pace = picker("pace of the checker", (key) => {
    model.set("pace", Number(key));
    model.save_changes();
    show();
  }, signal);
  const undo = button("Undo", "take back the last change (u)", () => send({ type: "undo" }), signal, "");
  const reset = button("Original", "take back every change", () => send({ type: "reset" }), signal, "");
  const exports = menuButton(ctx, "Export", "save the certificate, or the picture of its proof", () => [
    { label: "Save certificate", title: "what `workbench check` reads, gzip-compressed", act: () => send({ type: "file", kind: "certificate" }) },
    { label: "Save report", title: "a page that opens without a kernel, the certificate inside", act: () => send({ type: "file", kind: "report" }) },
    { label: "Save SVG", act: () => save(`${name()}.svg`, new Blob([standalone(root, picture())], { type: "image/svg+xml" })) },
    { label: "Save JSON", title: "what is shown", act: () => save(`${name()}.json`, new Blob([`${JSON.stringify({ about: about(), checking: checking(), edits: model.get("edits"), trees: model.get("trees") })}\n`], { type: "application/json" })) },
    { label: "Copy code", title: "the Python that does the same changes", act: () => ctx.copy(code(), "the code") },
  ]);
  const cases = picker("box of the region", (key) => {
    model.set("chosen", { case: Number(key), id: 0 });
    model.save_changes();
    show();
  }, signal);
  const bar = h("div", { class: "wb-bar" }, run, next, pace.el, undo, reset, cases.el, h("span", { class: "wb-grow" }), exports);

  // ---- the claim
  const claim = h("p", {});
  const facts = h("span", { class: "wb-lab" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });

  // ---- the tree
  const canvas = h("canvas", { tabindex: 0, role: "application" });
  const scroll = h("div", { class: "wb-c-scroll" }, canvas);
  const none = h("div", { class: "wb-empty", hidden: true });
  const swatches = STATES.map(({ key }) => [key, h("i", { "aria-hidden": "true" })] as const);
  const key = h("div", { class: "wb-c-key" }, ...STATES.map(({ label }, k) => h("span", { class: "wb-chip" }, swatches[k]![1], label)));
  const stage = h("div", { class: "wb-c-stage" }, scroll, none, key);

  // ---- the chosen part
  const title = h("b", {});
  const path = h("div", { class: "wb-c-path" });
  const steps = h("ol", { "aria-label": "steps of the chosen part's proof" });
  const side = h("div", { class: "wb-c-side" }, title, path, steps);

  // ---- tampering
  const group = picker("where the number stands", (key) => send({ type: "group", key }), signal);
  const which = picker("number to change", () => fill(), signal);
  const value = h("input", { class: "wb-text", type: "text", "aria-label": "its new value, such as 0.3, 1/3 or 2^-24", spellcheck: "false", autocomplete: "off" });
  const change = button("Change and check", "change this number of a copy, and check it", () => tamper(), signal, "");
  const stored = h("span", { class: "wb-lab wb-num" });
  const edits = h("div", { class: "wb-c-edits" });
  value.addEventListener("keydown", (event) => event.key === "Enter" && tamper(), { signal });
  const tampering = h("div", { class: "wb-c-tamper", role: "group", "aria-label": "change one number of a copy" }, h("b", {}, "Tamper:"), group.el, which.el, h("span", { class: "wb-lab" }, "becomes"), value, change, stored, edits);

  // ---- what is proved, what is assumed
  const table = h("tbody", {});
  const summary = h("summary", {});
  const rows = h("details", { class: "wb-c-rows", open: true }, summary, h("table", {}, table));
  const pill = h("span", { class: "wb-verdict" });
  const said = h("span", { class: "wb-c-said", role: "status" });
  const progress = h("span", { class: "wb-prog", role: "progressbar", "aria-label": "steps of the proof that are judged", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
  const told = h("span", { class: "wb-lab" });
  root.append(bar, notice, h("div", { class: "wb-c-claim" }, claim, facts), h("div", { class: "wb-c-main" }, stage, side), tampering, rows, h("div", { class: "wb-stat" }, pill, said, progress, told));

  let made: unknown = null;
  let trees: Icicle[] = [];
  let listed: unknown = null;
  let shown: unknown = null;
  let unit = 10;
  const tree = (): Icicle | null => trees[chosen().case] ?? null;

  function words(id: number): string[] {
    const t = tree();
    const row = t?.rows[id];
    if (!t || !row) return [];
    const state = STATES.find((one) => one.key === stateOf(t, id, chosen().case, checking()))!.label;
    return [id ? `part ${id}` : "the whole region", row[5] ? `split: ${row[5]}` : "proved at once", `${count(t.leaves[id]!)} ${t.leaves[id] === 1 ? "leaf" : "leaves"}, steps ${row[3]}\u2013${row[4]}`, state];
  }
  const colours = (): Record<PartState, string> => ({ waiting: ctx.colour("--un2"), open: ctx.colour("--ok2"), now: ctx.colour("--acc"), proved: ctx.colour("--ok"), failed: ctx.colour("--no") });

  function fill(): void {
    const item = (model.get("numbers")?.items ?? []).find((one) => one.path === which.el.value);
    value.value = "";
    put(value, { "aria-invalid": null, placeholder: item?.near });
    say(stored, item ? `${item.path} is ${item.stored}` : "");
    change.disabled = !item;
  }
  function tamper(): void {
    const text = value.value.trim();
    put(value, { "aria-invalid": text ? null : "true" });
    if (text && which.el.value) send({ type: "tamper", path: which.el.value, value: text });
  }

  function show(): void {
    const [a, c, t] = [about(), checking(), model.get("trees") ?? {}];
    if (made !== t) {
      made = t;
      trees = (t.cases ?? []).map((one) => icicle(one.nodes));
    }
    const [at, state, changed] = [chosen(), c.state ?? "idle", model.get("edits") ?? []];
    say(run, busy() ? "Stop" : "Check");
    put(run, { title: busy() ? "stop before the next step (space)" : "let the exact checker prove every step again (space)" });
    const slow = model.get("pace") ?? 0;
    pace.update(PACES, String(PACES.find((p) => Number(p.key) === slow)?.key ?? "0"));
    next.hidden = slow >= 0;
    undo.disabled = reset.disabled = !changed.length;
    cases.el.hidden = trees.length < 2;
    cases.update(trees.map((_, k) => ({ key: String(k), label: `box ${k} of the region` })), String(at.case));
    say(claim, a.statement ?? "");
    say(facts, `${changed.length ? "A CHANGED COPY of a certificate" : "A certificate"} about ${clip(a.network ?? "", 60)}, SHA-256 ${(a.sha256 ?? "").slice(0, 16)}\u2026${a.compared ? `, compared with ${clip(a.compared, 40)}` : ", not compared with a file"}; made by ${clip(a.made_by ?? "", 80)}`);
    const text = [model.get("notice") ?? "", t.broken ? `${t.broken}; drawn is the tree from before` : ""].filter(Boolean).join("; ");
    notice.hidden = !text;
    say(notice, text);
    scroll.hidden = key.hidden = !tree();
    none.hidden = tree() !== null;
    if (!tree()) none.replaceChildren(h("b", {}, "No tree"), a.statement?.startsWith("An input") ? "The proof is one input, which the checker runs in rational numbers." : "The proof's lists form no tree.");
    put(canvas, { "aria-label": `proof of ${clip(a.network ?? "", 60)}: ${count(tree()?.leaves[0] ?? 0)} parts. Arrow keys walk, space checks, Enter judges one step, f goes to where it failed, u takes a change back` });
    tell(c, state, changed.length);
    showPart(c, state);
    showNumbers(changed);
    put(root, { "data-checking": state, "data-done": c.done ?? 0, "data-edits": changed.length, "data-part": at.id, "data-step": c.step || null });
    paint();
  }

  function tell(c: Partial<Checking>, state: string, changed: number): void {
    put(pill, { "data-state": state });
    say(pill, SIGNS[state] ?? "?");
    const where = c.at ? `step ${count((c.done ?? 0) + 1)} of ${count(c.of ?? 0)}${c.kind ? `, ${c.kind}` : ""}; ${count(c.open ?? 0)} part${c.open === 1 ? "" : "s"} wait${c.open === 1 ? "s" : ""} for a proof` : "";
    const texts: Record<string, string> = {
      idle: "What stands above is a claim. Nobody has checked it yet.",
      checking: where || "reading the claim",
      accepted: `${about().level ?? ""}: every step was proved again, in exact arithmetic.${changed ? ` What stands above now is another claim than the original's, and this is a proof of it${about().compared ? "" : ", if the network is the one in this copy: compare it with a file to know"}.` : ""}`,
      rejected: `Rule ${c.step}: ${c.why}. Nothing is proved.`,
      cannot: `${c.why}. Neither accepted nor rejected.`,
      stopped: `Stopped. ${where ? `It was at ${where}. ` : ""}Nothing is proved.`,
    };
    say(said, texts[state] ?? "");
    const share = c.of ? Math.round((100 * (c.done ?? 0)) / c.of) : state === "accepted" ? 100 : 0;
    put(progress, { "aria-valuenow": share });
    (progress.firstElementChild as HTMLElement).style.width = `${share}%`;
    say(told, c.of ? `${count(c.done ?? 0)} of ${count(c.of)} steps${c.seconds ? `, ${seconds(c.seconds)}` : ""}` : c.seconds ? seconds(c.seconds) : "");
    const proved = c.rows?.length ? c.rows : ([["proved", "nothing yet"], ...(about().assumptions ?? []).map((text, k) => [k ? "" : "assumed", text])] as [string, string][]);
    say(summary, c.rows?.length ? "What was proved, and what is assumed" : "What is assumed");
    table.replaceChildren(...proved.map(([label, text]) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, text))));
  }

  function showPart(c: Partial<Checking>, state: string): void {
    const p = model.get("part") ?? {};
    side.hidden = p.id === undefined;
    if (p.id === undefined) return;
    if (shown !== p) {
      shown = p;
      say(title, p.id ? `Part ${p.id}${p.leaf ? ", a leaf" : ""}` : "The whole region");
      path.replaceChildren(...(p.path?.length ? p.path.map((one) => h("span", {}, one)) : [h("span", { class: "wb-lab" }, "all of it")]));
      steps.replaceChildren(...(p.steps ?? []).map((one) => h("li", { "data-number": one.number }, h("span", { class: "wb-lab" }, `step ${one.number} `), one.words, h("code", {}, one.text))));
    }
    const place = state === "rejected" ? c.place : c.at;
    for (const li of steps.children) {
      const number = Number((li as HTMLElement).dataset["number"]);
      const before = place && (place[0] > (p.case ?? 0) || (place[0] === p.case && number < place[1]));
      const here = place && place[0] === p.case && place[1] === number;
      put(li, { "data-state": state === "accepted" || before ? "done" : here && state !== "idle" ? (state === "rejected" ? "failed" : "now") : null });
    }
  }

  function showNumbers(changed: { path: string; label: string; was: string; near: string; now: string }[]): void {
    const numbers = model.get("numbers") ?? {};
    group.update(model.get("groups") ?? [], numbers.group ?? "");
    if (listed !== numbers) {
      listed = numbers;
      const items = numbers.items ?? [];
      const before = which.el.value;
      which.update(items.map((one) => ({ key: one.path, label: `${clip(one.label, 60)}: ${one.near}` })), items.some((one) => one.path === before) ? before : (items[0]?.path ?? ""));
      put(which.el, { title: (numbers.count ?? 0) > items.length ? `the first ${items.length} of ${count(numbers.count ?? 0)}; any other by its path: view.tamper(path, value)` : "number to change" });
      fill();
    }
    edits.replaceChildren(...changed.map((one) => h("span", { title: `${one.path} was ${one.was}` }, `${one.label}: `, h("s", {}, one.near), " \u2192 ", h("b", {}, clip(one.now, 28)))));
  }

  // ---- the picture
  let across = 600; // kept while the page lays it out anew and it has no size
  function paint(): void {
    const t = tree();
    if (!t) return;
    if (scroll.clientWidth) across = scroll.clientWidth;
    const total = t.leaves[0] || 1;
    unit = Math.max((across - 8) / total, 0.4);
    const [w, tall] = [Math.max(across - 2, 8 + unit * total), (t.depth + 1) * TALL + 8];
    const sharp = Math.min(window.devicePixelRatio || 1, 2);
    const wide = Math.min(w, 16_000 / sharp);
    unit = (wide - 8) / total;
    canvas.width = wide * sharp;
    canvas.height = Math.min(tall, 16_000 / sharp) * sharp;
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${Math.min(tall, 16_000 / sharp)}px`;
    const g = canvas.getContext("2d");
    if (!g) return;
    g.scale(sharp, sharp);
    const [fills, bg, tx, on, acc] = [colours(), ctx.colour("--bg"), ctx.colour("--tx"), ctx.colour("--on-acc"), ctx.colour("--acc")];
    g.textBaseline = "middle";
    g.font = "10.5px ui-monospace, monospace";
    t.rows.forEach((row, i) => {
      const [x, y, width] = [4 + t.left[i]! * unit, 4 + row[2] * TALL, t.leaves[i]! * unit];
      const state = stateOf(t, i, chosen().case, checking());
      g.fillStyle = fills[state];
      g.fillRect(x, y, Math.max(width - (width > 3 ? 1 : 0), 0.4), TALL - 2);
      if (width < 26) return;
      g.fillStyle = state === "waiting" || state === "open" ? tx : state === "now" ? on : bg;
      const text = row[5] || (state === "proved" ? "\u2713" : state === "failed" ? "\u2717" : `${row[3]}\u2013${row[4]}`);
      const fits = Math.floor((width - 8) / 6.4);
      if (text.length <= fits || (row[5] && fits > 4)) g.fillText(clip(text, Math.max(fits, 1)), x + 4, y + TALL / 2 - 0.5);
    });
    const i = chosen().id;
    if (t.rows[i]) {
      g.strokeStyle = ["waiting", "open"].includes(stateOf(t, i, chosen().case, checking())) ? acc : tx;
      g.lineWidth = 2;
      g.strokeRect(4 + t.left[i]! * unit, 4 + t.rows[i]![2] * TALL - 1, Math.max(t.leaves[i]! * unit - 1, 2), TALL);
    }
    for (const [state, el] of swatches) el.style.background = fills[state];
  }

  const under = (event: MouseEvent): number | null => {
    const t = tree();
    const box = canvas.getBoundingClientRect();
    const [leaf, depth] = [(event.clientX - box.left - 4) / unit, Math.floor((event.clientY - box.top - 4) / TALL)];
    const found = t?.rows.findIndex((row, i) => row[2] === depth && t.left[i]! <= leaf && leaf < t.left[i]! + t.leaves[i]!) ?? -1;
    return found < 0 ? null : found;
  };
  canvas.addEventListener("pointermove", (event) => {
    const i = under(event);
    if (i === null) return ctx.tip.hide();
    const [head, ...rest] = words(i);
    ctx.tip.show([h("b", {}, head!), ...rest], event.clientX, event.clientY);
  }, { signal });
  canvas.addEventListener("pointerleave", () => ctx.tip.hide(), { signal });
  canvas.addEventListener("click", (event) => {
    const i = under(event);
    if (i !== null) choose(i);
  }, { signal });
  canvas.addEventListener("keydown", (event) => {
    const t = tree();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (t && event.key.startsWith("Arrow")) {
      const i = walk(t, chosen().id, event.key);
      choose(i);
      const y = t.rows[i]![2] * TALL;
      if (y < scroll.scrollTop) scroll.scrollTop = y;
      else if (y + TALL + 8 > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = y + TALL + 8 - scroll.clientHeight;
    } else if (event.key === " ") run.click();
    else if (event.key === "Enter") send({ type: "next" });
    else if (event.key === "u") undo.click();
    else if (event.key === "f" && t) {
      const i = t.rows.findIndex((_, k) => stateOf(t, k, chosen().case, checking()) === "failed");
      if (i >= 0) choose(i);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  const arrived = (content: Record<string, unknown>, buffers: DataView[]): void => {
    if (content["type"] === "file" && buffers[0]) save(safeName(String(content["name"])), new Blob([buffers[0] as DataView<ArrayBuffer>], { type: String(content["mime"]) }));
  };
  model.on("msg:custom", arrived);
  signal.addEventListener("abort", () => model.off("msg:custom", arrived), { once: true });

  // ---- files
  const name = (): string => safeName(`certificate-${about().network ?? "network"}`);
  const code = (): string => [`view = wb.certificate_view(certificate)  # yours, of ${clip(about().network ?? "", 60)}`, ...(model.get("edits") ?? []).map((one) => `view.tamper(${JSON.stringify(one.path)}, ${JSON.stringify(one.now)})`), "view.check().wait()"].join("\n");
  function picture(): SVGSVGElement {
    const t = tree();
    const [w, tall] = [960, ((t?.depth ?? 0) + 1) * TALL + 56];
    const heading = clip(`${about().statement ?? ""} ${SIGNS[checking().state ?? "idle"]}`, 400);
    const svg = s("svg", { viewBox: `0 0 ${w} ${tall}`, width: w, height: tall }, s("title", {}, heading), s("rect", { width: w, height: tall, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 6, y: 16 }, clip(about().statement ?? "", 130)), s("text", { x: 6, y: 34 }, `${SIGNS[checking().state ?? "idle"]} ${checking().step ?? ""}`));
    const fills = colours();
    t?.rows.slice(0, DRAWN).forEach((row, i) => {
      const [x, width] = [6 + (t.left[i]! / t.leaves[0]!) * 948, (t.leaves[i]! / t.leaves[0]!) * 948];
      const box = s("rect", { x: n1(x), y: 46 + row[2] * TALL, width: Math.max(0.3, width - 1).toFixed(2), height: TALL - 2, fill: fills[stateOf(t, i, chosen().case, checking())] });
      box.append(s("title", {}, words(i).join(", ")));
      svg.append(box);
      if (row[5] && width > 60) svg.append(s("text", { class: "wb-n", x: n1(x + 4), y: 60 + row[2] * TALL }, clip(row[5], Math.floor(width / 6.8))));
    });
    return svg;
  }

  ctx.watch(["about", "trees", "checking", "part", "groups", "numbers", "edits", "chosen", "notice", "pace"] as never[], scheduler(show, signal));
  ctx.onTheme(paint);
  onResize(scroll, scheduler(paint, signal), signal);
  show();
}
