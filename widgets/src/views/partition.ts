// Where two inputs vary: the plane cut into the parts of the proof, in the colours of the tree.

import { n1, h, put, s, scheduler } from "./dom.js";
import { short } from "../core/format.js";
import { ticks } from "../core/scales.js";
import { isLeaf, leafAt, type ProofTree, type TreeNode } from "../core/tree.js";
import { colourOf, palette } from "./branch-canvas.js";
import type { Context } from "./frame.js";

/** Which leaf each point of a grid lies in: where neurons were split, parts are no boxes. */
export interface Raster {
  serial: number;
  size: number;
  ids: Int32Array;
}
export interface PlaneHost {
  tree(): ProofTree;
  raster(): Raster | null;
  selected(): number;
  choose(id: number): void;
  words(node: TreeNode): string[];
  /** both ends of both inputs, and their names */
  ends(): { low: number[]; high: number[]; names: string[] };
  /** an input that leads to unsafe outputs */
  point(): number[] | null;
}

const SIZE = 262;
const [LEFT, TOP, RIGHT, BOTTOM] = [38, 6, 8, 22];

export function partition(ctx: Context, host: PlaneHost): { el: HTMLElement; draw(): void; fresh(): void; svg(): SVGElement } {
  const { signal, tip } = ctx;
  // the parts are drawn on one canvas, now and then while the tree grows; what is selected on another, at once
  const parts = h("canvas", { class: "wb-t-plane", "aria-hidden": "true" });
  const canvas = h("canvas", { role: "img", class: "wb-t-plane" });
  const el = h("div", { class: "wb-t-planes" }, parts, canvas);
  const drawSoon = scheduler(draw, signal);
  let [drawnAt, drawnSerial, drawnFor] = [0, -1, null as ProofTree | null];
  let later: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(later), { once: true });
  const [w, t] = [SIZE - LEFT - RIGHT, SIZE - TOP - BOTTOM];
  const X = (v: number): number => LEFT + ((v - host.ends().low[0]!) / (host.ends().high[0]! - host.ends().low[0]!)) * w;
  const Y = (v: number): number => TOP + ((host.ends().high[1]! - v) / (host.ends().high[1]! - host.ends().low[1]!)) * t;
  const hasSigns = (): boolean => host.tree().order.some((n) => n.kind === "sign");

  function draw(): void {
    const tree = host.tree();
    const { low, high, names } = host.ends();
    if (low.length < 2) return;
    put(canvas, { "aria-label": `the plane of ${names.join(" and ")}, cut into ${tree.leaves} parts`, "data-parts": tree.leaves });
    const wait = drawnAt + Math.min(400, tree.leaves / 10) - performance.now();
    if (tree !== drawnFor || (tree.serial !== drawnSerial && wait <= 0)) drawParts();
    else if (tree.serial !== drawnSerial) {
      clearTimeout(later);
      later = setTimeout(drawSoon, wait);
    }
    const g = cleared(canvas);
    if (!g) return;
    const p = palette(ctx);
    const chosen = tree.nodes.get(host.selected());
    if (chosen?.box) {
      g.strokeStyle = p.acc;
      g.lineWidth = 2;
      const [a, b, c, d] = [X(chosen.box[0]), X(chosen.box[1]), Y(chosen.box[3]), Y(chosen.box[2])];
      g.strokeRect(a, c, Math.max(2, b - a), Math.max(2, d - c));
    }
    const point = host.point();
    if (point) {
      const [x, y] = [X(point[0]!), Y(point[1]!)];
      g.strokeStyle = p.no;
      g.lineWidth = 2.5;
      g.beginPath();
      g.moveTo(x - 5, y - 5);
      g.lineTo(x + 5, y + 5);
      g.moveTo(x + 5, y - 5);
      g.lineTo(x - 5, y + 5);
      g.stroke();
    }
    g.strokeStyle = p.line;
    g.lineWidth = 1;
    g.strokeRect(LEFT, TOP, w, t);
    g.fillStyle = p.tx;
    g.font = "10.5px ui-monospace, monospace";
    g.textAlign = "center";
    for (const v of ticks(low[0]!, high[0]!, 4)) g.fillText(short(v), Math.min(X(v), SIZE - 16), SIZE - 8);
    g.textAlign = "right";
    for (const v of ticks(low[1]!, high[1]!, 4)) g.fillText(short(v), LEFT - 4, Math.max(Y(v) + 3, 10));
  }

  function cleared(on: HTMLCanvasElement): CanvasRenderingContext2D | null {
    const sharp = Math.min(window.devicePixelRatio || 1, 2);
    on.width = on.height = Math.round(SIZE * sharp);
    on.style.width = on.style.height = `${SIZE}px`;
    const g = on.getContext("2d");
    g?.setTransform(sharp, 0, 0, sharp, 0, 0);
    return g;
  }

  function drawParts(): void {
    const tree = host.tree();
    [drawnAt, drawnSerial, drawnFor] = [performance.now(), tree.serial, tree];
    const g = cleared(parts);
    if (!g) return;
    const p = palette(ctx);
    const raster = host.raster();
    if (hasSigns() && raster) {
      const n = raster.size;
      for (let row = 0; row < n; row++) {
        for (let start = 0; start < n; ) {
          const id = raster.ids[row * n + start]!;
          let stop = start + 1;
          while (stop < n && raster.ids[row * n + stop] === id) stop++;
          const node = tree.nodes.get(id);
          if (node) {
            g.globalAlpha = 0.72;
            g.fillStyle = colourOf(tree, node.status, node.bound, p);
            g.fillRect(LEFT + (start / n) * w, TOP + t - ((row + 1) / n) * t, ((stop - start) / n) * w + 0.4, t / n + 0.4);
            if (stop < n) {
              g.fillStyle = p.bg;
              g.fillRect(LEFT + (stop / n) * w - 0.4, TOP + t - ((row + 1) / n) * t, 0.8, t / n);
            }
          }
          start = stop;
        }
      }
      g.globalAlpha = 1;
    } else {
      for (const node of tree.order) {
        if (!node.box || !isLeaf(node)) continue;
        const [a, b, c, d] = [X(node.box[0]), X(node.box[1]), Y(node.box[3]), Y(node.box[2])];
        g.globalAlpha = 0.72;
        g.fillStyle = colourOf(tree, node.status, node.bound, p);
        g.fillRect(a, c, b - a, d - c);
        g.globalAlpha = 1;
        if (b - a > 3 && d - c > 3) {
          g.strokeStyle = p.bg;
          g.lineWidth = 1;
          g.strokeRect(a, c, b - a, d - c);
        }
        if ((node.status === "stuck" || node.status === "unsafe") && b - a > 2) {
          g.strokeStyle = node.status === "unsafe" ? p.no : p.tx;
          g.beginPath();
          g.moveTo(a, d);
          g.lineTo(b, c);
          g.stroke();
        }
      }
    }
  }

  /** The same as an SVG group, for a file. */
  function svg(): SVGElement {
    const tree = host.tree();
    const p = palette(ctx);
    return s("g", {}, ...tree.order.filter((n) => n.box && isLeaf(n)).map((n) => s("rect", { x: n1(X(n.box![0])), y: n1(Y(n.box![3])), width: n1(X(n.box![1]) - X(n.box![0])), height: n1(Y(n.box![2]) - Y(n.box![3])), fill: colourOf(tree, n.status, n.bound, p), "fill-opacity": 0.72, stroke: p.bg, "stroke-width": 0.6 })));
  }

  /** The part below the pointer. */
  function under(event: MouseEvent): TreeNode | null {
    const box = canvas.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left - LEFT) / w, 1 - (event.clientY - box.top - TOP) / t];
    if (u < 0 || u > 1 || v < 0 || v > 1) return null;
    const raster = host.raster();
    if (hasSigns() && raster) {
      const at = (f: number): number => Math.min(raster.size - 1, Math.floor(f * raster.size));
      return host.tree().nodes.get(raster.ids[at(v) * raster.size + at(u)]!) ?? null;
    }
    const { low, high } = host.ends();
    return leafAt(host.tree(), low[0]! + u * (high[0]! - low[0]!), low[1]! + v * (high[1]! - low[1]!));
  }
  canvas.addEventListener("click", (event) => {
    const node = under(event);
    if (node) host.choose(node.id);
  }, { signal });
  canvas.addEventListener("pointermove", (event) => {
    const node = under(event);
    if (!node) return tip.hide();
    const [head, ...rest] = host.words(node);
    tip.show([h("b", {}, head || `part ${node.id}`), ...rest.map((line) => h("div", { class: "wb-num" }, line))], event.clientX, event.clientY);
  }, { signal });
  canvas.addEventListener("pointerleave", () => tip.hide(), { signal });
  const again = (): void => {
    drawnSerial = -1;
    drawSoon();
  };
  ctx.onTheme(again);
  return { el, draw: drawSoon, fresh: again, svg };
}
