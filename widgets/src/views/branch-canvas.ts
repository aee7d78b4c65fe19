// The proof tree on a canvas: leaves in a row, coloured by bound; what is narrower than a pixel is drawn as one mark, the
// worst that is in it, so that ten thousand leaves cost no more than the pixels they stand on.

import { ancestry, beside, isLeaf, nearest, nearness, worstOpen, type ProofTree, type TreeNode } from "../core/tree.js";
import { h, onResize, put, scheduler } from "./dom.js";
import type { Context } from "./frame.js";

export interface TreeHost {
  tree(): ProofTree;
  selected(): number;
  choose(id: number): void;
  words(node: TreeNode): string[];
  /** keys that are not about walking; true where it was one */
  key(key: string): boolean;
  label(): string;
}
export interface TreeCanvas {
  el: HTMLElement;
  canvas: HTMLCanvasElement;
  draw(): void;
  fit(): void;
  show(id: number): void;
}
export interface Palette {
  ok: string;
  no: string;
  un: string;
  tx: string;
  tx3: string;
  line: string;
  bg: string;
  acc: string;
}

// ten anchors of cividis, evenly spaced: no green in it, which says proved
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]] as const;
export function cividis(t: number): string {
  const x = Math.min(Math.max(Number.isNaN(t) ? 0 : t, 0), 1) * (CIVIDIS.length - 1);
  const i = Math.min(Math.floor(x), CIVIDIS.length - 2);
  return `rgb(${[0, 1, 2].map((k) => Math.round(CIVIDIS[i]![k]! + (CIVIDIS[i + 1]![k]! - CIVIDIS[i]![k]!) * (x - i))).join(",")})`;
}

const PAD = 22;
const [THIN, WIDEST, DEEPEST] = [1.4, 150, 46];

export const palette = (ctx: Context): Palette => {
  const c = ctx.colour;
  return { ok: c("--ok"), no: c("--no"), un: c("--un"), tx: c("--tx"), tx3: c("--tx3"), line: c("--tx3"), bg: c("--bg"), acc: c("--acc") };
};

// a colour's text is made once: thousands are asked for in a frame
const SHADES: readonly string[] = Array.from({ length: 65 }, (_, i) => cividis(i / 64));

/** The colour of a part: how far from proved it is, where it is open. */
export function colourOf(tree: ProofTree, status: TreeNode["status"], bound: number, p: Palette): string {
  if (status === "proved") return p.ok;
  if (status === "unsafe") return p.no;
  if (status === "stuck" || status === "empty") return p.un;
  return SHADES[Math.round(64 * nearness(tree, bound))]!;
}

/** One node's mark, told apart by its shape too. */
export function drawMark(g: CanvasRenderingContext2D, x: number, y: number, r: number, status: TreeNode["status"], colour: string, p: Palette): void {
  g.fillStyle = g.strokeStyle = colour;
  g.lineWidth = Math.max(1, r / 4);
  if (r < 2.4) {
    g.fillRect(x - r, y - r, 2 * r, 2 * r);
    return;
  }
  g.beginPath();
  if (status === "unsafe") {
    g.lineWidth = Math.max(1.6, r / 2.4);
    g.moveTo(x - r, y - r);
    g.lineTo(x + r, y + r);
    g.moveTo(x + r, y - r);
    g.lineTo(x - r, y + r);
    g.stroke();
  } else if (status === "open") {
    g.moveTo(x, y - r * 1.25);
    g.lineTo(x + r * 1.25, y);
    g.lineTo(x, y + r * 1.25);
    g.lineTo(x - r * 1.25, y);
    g.closePath();
    g.fill();
    g.strokeStyle = p.tx;
    g.lineWidth = 0.8;
    g.stroke();
  } else if (status === "stuck") {
    g.rect(x - r, y - r, 2 * r, 2 * r);
    g.stroke();
    g.moveTo(x - r, y + r);
    g.lineTo(x + r, y - r);
    g.stroke();
  } else {
    g.arc(x, y, r, 0, 2 * Math.PI);
    if (status === "empty") g.stroke();
    else g.fill();
    if (status === "proved" && r >= 4) {
      g.strokeStyle = p.bg;
      g.lineWidth = r / 3.2;
      g.beginPath();
      g.moveTo(x - r * 0.5, y);
      g.lineTo(x - r * 0.1, y + r * 0.42);
      g.lineTo(x + r * 0.55, y - r * 0.42);
      g.stroke();
    }
  }
}

export function treeCanvas(ctx: Context, host: TreeHost): TreeCanvas {
  const { signal, tip } = ctx;
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "proof tree" });
  const el = h("div", { class: "wb-t-stage" }, canvas);
  let [width, tall, sx, ox, sy, oy] = [600, 370, 20, 0, 30, 0];
  let own = false; // whether a person has moved it
  const drawSoon = scheduler(draw, signal);

  function fit(): void {
    const tree = host.tree();
    sx = Math.min((width - 2 * PAD) / Math.max(tree.leaves, 1), WIDEST);
    sy = Math.min((tall - 2 * PAD) / Math.max(tree.deepest, 1), DEEPEST);
    ox = (width - sx * tree.leaves) / 2;
    oy = PAD;
    own = false;
  }
  const least = (): number => Math.min((width - 2 * PAD) / Math.max(host.tree().leaves, 1), 20);
  function zoom(factor: number, px: number): void {
    const next = Math.min(Math.max(sx * factor, least()), WIDEST);
    ox = px - ((px - ox) * next) / sx;
    sx = next;
    own = true;
    if (sx <= least() * 1.0001) fit();
    drawSoon();
  }
  const X = (x: number): number => ox + x * sx;
  const Y = (depth: number): number => oy + depth * sy;

  /** Moves so that a node is to be seen. */
  function show(id: number): void {
    const node = host.tree().nodes.get(id);
    if (!node) return;
    const [x, y] = [X(node.x), Y(node.depth)];
    if (x < PAD || x > width - PAD) ox += width / 2 - x;
    if (y < PAD || y > tall - PAD) oy += tall / 2 - y;
    if (x < PAD || x > width - PAD || y < PAD || y > tall - PAD) own = true;
    drawSoon();
  }

  let spent = 0;
  function draw(): void {
    const begun = performance.now();
    const tree = host.tree();
    if (!own) fit();
    const sharp = Math.min(window.devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(width * sharp)) canvas.width = Math.round(width * sharp);
    if (canvas.height !== Math.round(tall * sharp)) canvas.height = Math.round(tall * sharp);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${tall}px`;
    put(canvas, { "aria-label": host.label(), "data-leaves": tree.leaves, "data-serial": tree.serial, "data-selected": host.selected(), "data-own": own ? "true" : null });
    const g = canvas.getContext("2d");
    if (!g) return;
    g.setTransform(sharp, 0, 0, sharp, 0, 0);
    g.clearRect(0, 0, width, tall);
    const p = palette(ctx);
    const [chosen, above] = [host.selected(), ancestry(tree, host.selected())];
    const marks: TreeNode[] = [];
    const lumps: TreeNode[] = [];
    const r = Math.min(Math.max(sx * 0.34, 1.1), 7);
    g.lineWidth = 1;
    g.strokeStyle = p.line;
    g.globalAlpha = 0.55;
    g.beginPath();
    const { order, nodes } = tree;
    for (let i = 0; i < order.length; ) {
      const node = order[i]!;
      const [from, to] = [X(node.from), X(node.to)];
      if (to < -20 || from > width + 20) {
        i = node.end;
        continue;
      }
      const leaf = isLeaf(node);
      if (!leaf && to - from < THIN) {
        lumps.push(node);
        i = node.end;
        continue;
      }
      marks.push(node);
      if (!leaf) {
        const [a, b] = [node.low!, node.high!];
        const [x, y, mid] = [X(node.x), Y(node.depth), Y(node.depth) + sy / 2];
        g.moveTo(x, y);
        g.lineTo(x, mid);
        g.moveTo(X(a.x), Y(a.depth));
        g.lineTo(X(a.x), mid);
        g.lineTo(X(b.x), mid);
        g.lineTo(X(b.x), Y(b.depth));
      }
      i++;
    }
    g.stroke();
    g.globalAlpha = 1;
    // the way from the root to what is selected
    g.strokeStyle = p.acc;
    g.lineWidth = 2;
    g.beginPath();
    for (const id of above) {
      const [node, up] = [nodes.get(id)!, nodes.get(nodes.get(id)!.parent)];
      if (!up) continue;
      g.moveTo(X(node.x), Y(node.depth));
      g.lineTo(X(node.x), Y(up.depth) + sy / 2);
      g.lineTo(X(up.x), Y(up.depth) + sy / 2);
      g.lineTo(X(up.x), Y(up.depth));
    }
    g.stroke();
    for (const node of lumps) {
      // as tall as what it stands for
      g.fillStyle = colourOf(tree, node.worst, node.least, p);
      const deep = Math.min(6, Math.log2(node.to - node.from + 1)) * Math.min(sy, 8) * 0.4;
      g.fillRect(X(node.from), Y(node.depth) - 1.2, Math.max(1, X(node.to) - X(node.from)), 2.4 + deep);
    }
    for (const node of marks) {
      if (isLeaf(node)) drawMark(g, X(node.x), Y(node.depth), r, node.status, colourOf(tree, node.status, node.bound, p), p);
      else if (r >= 2) {
        g.fillStyle = p.tx3;
        g.beginPath();
        g.arc(X(node.x), Y(node.depth), Math.min(2.6, r / 2 + 0.6), 0, 2 * Math.PI);
        g.fill();
      }
    }
    if (sx > 46) {
      g.font = "11px system-ui, sans-serif";
      g.textBaseline = "middle";
      g.fillStyle = p.tx;
      for (const node of marks) {
        const words = host.words(node)[0];
        const room = (node.to - node.from) * sx - 8;
        if (!words || isLeaf(node) || room < 50) continue;
        g.textAlign = "center";
        const y = Y(node.depth) - 10;
        const wide = Math.min(g.measureText(words).width, room);
        g.fillStyle = p.bg;
        g.fillRect(X(node.x) - wide / 2 - 2, y - 7, wide + 4, 14);
        g.fillStyle = p.tx;
        g.fillText(words, X(node.x), y, room);
      }
    }
    const node = nodes.get(chosen);
    if (node) {
      g.strokeStyle = p.acc;
      g.lineWidth = 2;
      g.beginPath();
      g.arc(X(node.x), Y(node.depth), Math.max(r, 2.5) + 4, 0, 2 * Math.PI);
      g.stroke();
    }
    spent = performance.now() - begun;
    put(canvas, { "data-ms": spent.toFixed(2) });
  }

  // ---- what a person does
  const local = (event: { clientX: number; clientY: number }): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const under = (event: { clientX: number; clientY: number }): TreeNode | null => {
    const [x, y] = local(event);
    return nearest(host.tree(), (x - ox) / sx, (y - oy) / sy, sx, sy);
  };
  let held: { x: number; y: number; ox: number; oy: number; far: boolean } | null = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    canvas.setPointerCapture?.(event.pointerId);
    held = { x: event.clientX, y: event.clientY, ox, oy, far: false };
  }, { signal });
  canvas.addEventListener("pointermove", (event) => {
    if (held) {
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      held.far ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (!held.far) return;
      tip.hide();
      ox = held.ox + dx;
      oy = held.oy + dy;
      own = true;
      drawSoon();
      return;
    }
    const node = under(event);
    if (!node) return tip.hide();
    const [head, ...rest] = host.words(node);
    tip.show([h("b", {}, head || `part ${node.id}`), ...rest.map((line) => h("div", { class: "wb-num" }, line))], event.clientX, event.clientY);
  }, { signal });
  canvas.addEventListener("pointerup", (event) => {
    const node = held && !held.far ? under(event) : null;
    held = null;
    canvas.focus({ preventScroll: true });
    if (node) host.choose(node.id);
  }, { signal });
  canvas.addEventListener("pointerleave", () => tip.hide(), { signal });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && canvas.ownerDocument.activeElement !== canvas && (canvas.getRootNode() as Document).activeElement !== canvas) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 0.01 : 0.0016)), local(event)[0]);
  }, { signal, passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tree = host.tree();
    const node = tree.nodes.get(host.selected()) ?? tree.nodes.get(0);
    if (!node) return;
    const go: Record<string, () => TreeNode | null | undefined> = {
      ArrowUp: () => tree.nodes.get(node.parent),
      ArrowDown: () => tree.nodes.get(node.left),
      ArrowLeft: () => beside(tree, node, -1),
      ArrowRight: () => beside(tree, node, 1),
      Home: () => tree.nodes.get(0),
      n: () => worstOpen(tree),
    };
    const to = go[event.key]?.();
    if (event.key in go) {
      if (to) {
        host.choose(to.id);
        show(to.id);
      }
    } else if (event.key === "f") {
      fit();
      drawSoon();
    } else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5, X(node.x));
    else if (!host.key(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  onResize(el, () => {
    if (el.clientWidth && (Math.abs(el.clientWidth - width) > 1 || Math.abs(el.clientHeight - tall) > 1)) {
      [width, tall] = [el.clientWidth, Math.max(200, el.clientHeight)];
      drawSoon();
    }
  }, signal);
  ctx.onTheme(drawSoon);
  return { el, canvas, draw: drawSoon, fit, show };
}
