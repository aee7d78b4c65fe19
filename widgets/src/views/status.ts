// The status line: what is stated, in words and in mathematics, for which settings, in which time; and work in progress.

import { ball, epsilon, methodLabel, seconds } from "../core/format.js";
import { inputCode, isStale, settingsNow, type Status, type Verdict } from "../core/wire.js";
import { h, morph, put, say, together } from "./dom.js";
import { mark, type Context } from "./frame.js";
import { codeLine } from "./inspect.js";
import { SLOW_MS } from "./controls.js";

const SILENT_MS = 3000;
const SIGNS: Record<string, string> = { verified: "\u2713", falsified: "\u2717", unknown: "?" };

/** Python writes plain ASCII here and there; numbers stand in one style everywhere. */
const polish = (text: string): string => text.replaceAll(">=", "\u2265").replace(/(^|[\s([])-(?=[\d.]|inf)/g, "$1\u2212");

export function statusLine(ctx: Context): HTMLElement {
  const { model, signal } = ctx;
  const pill = h("span", { class: "wb-verdict" });
  const asked = h("div", { class: "wb-lab" });
  const words = h("span", {});
  const details = h("span", { class: "wb-row", style: "gap:12px;flex-wrap:wrap" });
  const where = h("span", { class: "wb-math" });
  const choose = h("span", { style: "min-width:0", hidden: true });
  const said = h("span", { class: "wb-row wb-drawn", style: "gap:2px 12px;flex-wrap:wrap" }, h("span", { class: "wb-said" }, asked, words, where), choose, details);
  const statement = h("span", { class: "wb-row wb-grow", style: "flex-basis:440px;gap:12px" }, pill, said);
  const work = h("span", { class: "wb-row", role: "status", style: "flex:0 1 auto" });
  const fill = h("i");
  const bar = h("span", { class: "wb-prog", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const told = h("span", { class: "wb-lab" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  work.append(bar, told);
  const line = h("div", { class: "wb-stat" }, statement, work);
  const el = h("div", { class: "wb-status" }, notice, line);

  let sample: string | null = null;
  let busySince = 0;
  let unanswered: number | null = null;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(waiting), { once: true });

  function show(): void {
    const stamp = model.get("stamp");
    const verdict = model.get("verdict") as Partial<Verdict>;
    const status = model.get("status") as Partial<Status>;
    const now = settingsNow(model);
    const stale = isStale(stamp, now);
    mark(said, stamp, model);
    const state = status.state ?? "idle";
    put(line, { "data-status": state, "data-state": stamp ? (stale ? "stale" : "fresh") : "empty", "data-seq": stamp?.seq, "data-eps": stamp?.eps });

    const sign = verdict.state && SIGNS[verdict.state];
    const failed = state === "failed";
    put(pill, { "data-state": failed ? "failed" : stale ? "stale" : (verdict.state ?? "none") });
    const code = failed ? null : inputCode(model);
    if (code !== sample) {
      sample = code;
      choose.hidden = code === null;
      choose.replaceChildren(...(code === null ? [] : [codeLine(ctx, code)]));
    }
    say(pill, failed ? "\u2717 FAILED" : stale ? "\u25f7 STALE" : sign ? `${sign} ${verdict.state!.toUpperCase()}` : code !== null ? "NO INPUT" : stamp ? "BOUNDS" : "READY");
    // only what is proved holds "for all x"; of anything else the region is named
    const proved = verdict.state === "verified" || verdict.state === "none";
    const math = failed || !verdict.math ? "" : proved ? verdict.math : `region: ${verdict.math.replace(/^for all x (with|in) /, "")}`;
    say(words, failed ? (status.message ?? "") : code !== null ? "choose one, and its region is bounded:" : `${polish(verdict.text ?? "")}${math ? (proved ? ", " : "; ") : ""}`);
    say(where, math);
    say(asked, sign && !failed ? (verdict.question ?? "") : "");
    morph(
      details,
      ...(verdict.details ?? []).map((d) => h("span", { class: "wb-chip", "data-state": d.state }, h("b", { style: `color:var(--${d.state === "verified" ? "ok" : d.state === "falsified" ? "no" : "un"})` }, SIGNS[d.state] ?? "?"), d.semantics)),
    );
    working(state, status, stale);
    const text = model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
  }

  function working(state: string, status: Partial<Status>, stale: boolean): void {
    const stamp = model.get("stamp");
    clearTimeout(waiting);
    if (state === "computing") {
      busySince ||= performance.now();
      const wait = busySince + SLOW_MS - performance.now();
      if (wait > 0) {
        waiting = setTimeout(show, wait);
        return;
      }
      const f = status.for;
      bar.hidden = false;
      const share = status.progress;
      put(bar, { "aria-valuenow": share === null || share === undefined ? null : Math.round(share * 100) });
      fill.style.width = `${100 * (share ?? 0.08)}%`;
      say(told, [`computing ${f ? `${methodLabel(f.method)}, \u03b5 ${epsilon(f.eps)}` : ""}`, status.message, status.eta ? `about ${Math.ceil(status.eta)} s left` : ""].filter(Boolean).join(", "));
      return;
    }
    busySince = 0;
    bar.hidden = true;
    // Live, a change is answered at once: where Python stays silent it is busy with another cell, or not there any more.
    unanswered = stale && model.get("live") && state !== "cancelled" ? (unanswered ?? performance.now()) : null;
    const silence = unanswered === null ? Infinity : unanswered + SILENT_MS - performance.now();
    if (silence > 0 && silence < Infinity) waiting = setTimeout(show, silence);
    if (silence <= 0) return say(told, "no answer from Python: the kernel is busy, or was restarted (then run the cell again)");
    const made = stamp ? `${methodLabel(stamp.method)}, ${stamp.format}, ${ball(stamp.norm)} \u2264 ${epsilon(stamp.eps)}${stamp.seconds === null ? "" : `, ${seconds(stamp.seconds)}`}` : "";
    say(told, made + (stale && state === "cancelled" ? "; the new computation was cancelled" : ""));
  }

  // a person's own change ages the statement at once; what Python sends (many traits together) is drawn once a frame
  ctx.watch(["eps", "method", "format", "example", "notice"], show);
  ctx.watch(["stamp", "verdict", "status", "controls"], together(show, signal));
  show();
  return el;
}
