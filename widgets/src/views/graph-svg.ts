// Draws the graph as SVG: used for up to some hundred boxes, and for every exported picture.

import { clip, count, shapeText, short } from "../core/format.js";
import { BOX, type Placed } from "../core/layout.js";
import { nick, type Box, type Group, type Visible } from "../core/groups.js";
import { type Ramp, viridis } from "../core/scales.js";
import type { Overlay, Phases } from "../core/wire.js";
import { put, s } from "./dom.js";

export interface Scene {
  visible: Visible;
  placed: Placed;
  horizontal: boolean;
}

export interface Paint {
  overlay: Partial<Overlay>;
  ramp: Ramp | null;
  phases: Phases;
  cursor: string | null;
  hits: ReadonlySet<string>;
}

export interface Hull {
  group: Group;
  x: number;
  y: number;
  w: number;
  h: number;
}

const PAD = 7;
const HEAD = 16;

/** The worst value of the overlay in a box: a group shows its worst member. */
export function overlayValue(box: Box, paint: Paint): number | null {
  const values = paint.overlay.values ?? {};
  let worst: number | null = null;
  for (const id of box.members) {
    const value = values[id];
    if (value !== null && value !== undefined && (worst === null || value > worst)) worst = value;
  }
  return worst;
}

export function phaseSum(box: Box, phases: Phases): [number, number, number] | null {
  let sum: [number, number, number] | null = null;
  for (const id of box.members) {
    const own = phases[id];
    if (own) sum = [(sum?.[0] ?? 0) + own[0], (sum?.[1] ?? 0) + own[1], (sum?.[2] ?? 0) + own[2]];
  }
  return sum;
}

export const boxTitle = (box: Box): string => (box.node ? box.node.op : box.group!.label);
export const boxName = (box: Box): string => (box.node ? nick(box.node) : `${count(box.members.length)} nodes`);

/** The frames of open groups, around whatever of them is visible. */
export function hulls(scene: Scene): Hull[] {
  const { visible, placed } = scene;
  return visible.open.map((group) => {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const id of group.members) {
      const i = visible.boxOf.get(id)!;
      x0 = Math.min(x0, placed.x[i]! - BOX.width / 2);
      x1 = Math.max(x1, placed.x[i]! + BOX.width / 2);
      y0 = Math.min(y0, placed.y[i]! - BOX.height / 2);
      y1 = Math.max(y1, placed.y[i]! + BOX.height / 2);
    }
    const nested = Math.max(...visible.open.filter((g) => g.path.startsWith(`${group.path}/`)).map((g) => g.depth - group.depth), 0);
    const pad = PAD + nested * 4;
    const head = HEAD * (nested + 1);
    return { group, x: x0 - pad, y: y0 - head, w: x1 - x0 + 2 * pad, h: y1 - y0 + pad + head };
  });
}

function route(points: Float64Array, horizontal: boolean): string {
  const n = points.length / 2;
  const at = (i: number): [number, number] => [points[2 * i]!, points[2 * i + 1]!];
  let path = `M${at(0).map((v) => v.toFixed(1)).join(" ")}`;
  for (let i = 1; i < n; i++) {
    const [x0, y0] = at(i - 1);
    const [x1, y1] = at(i);
    const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
    path += horizontal ? `C${cx.toFixed(1)} ${y0.toFixed(1)} ${cx.toFixed(1)} ${y1.toFixed(1)} ` : `C${x0.toFixed(1)} ${cy.toFixed(1)} ${x1.toFixed(1)} ${cy.toFixed(1)} `;
    path += `${x1.toFixed(1)} ${y1.toFixed(1)}`;
  }
  return path;
}

/** Definitions shared by the graph and the legend: the arrow head and the hatching of unstable neurons. */
export function definitions(unique: string): SVGDefsElement {
  const arrow = s("marker", { id: `${unique}-a`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" });
  arrow.append(s("path", { class: "wb-g-arrow", d: "M0 0L8 4L0 8z" }));
  return s("defs", {}, arrow, hatch(`${unique}-h`));
}

export function hatch(id: string): SVGPatternElement {
  const box = { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return s("pattern", box, s("rect", { width: 5, height: 5, class: "wb-hatch-a" }), s("rect", { width: 2.2, height: 5, class: "wb-hatch-b" }));
}

/** The whole graph, once per structure; `paintSvg` then only changes what an answer or a selection changes. */
export function buildSvg(scene: Scene, unique: string): SVGGElement {
  const { visible, placed, horizontal } = scene;
  const world = s("g", { role: "tree", "aria-label": "nodes in the order they are computed" });
  for (const hull of hulls(scene)) {
    world.append(
      s(
        "g",
        { "data-hull": hull.group.path },
        s("rect", { class: "wb-g-hull", x: hull.x, y: hull.y, width: hull.w, height: hull.h, rx: 8 }),
        s("text", { class: "wb-g-hull-label wb-n", "data-close": hull.group.path, x: hull.x + 6, y: hull.y + 11.5 }, `\u229f ${clip(hull.group.label, 28)}`),
      ),
    );
  }
  visible.edges.forEach(([a, b], i) => {
    world.append(s("path", { class: "wb-g-edge", "data-from": a, "data-to": b, d: route(placed.routes?.[i] ?? placed.ends.subarray(4 * i, 4 * i + 4), horizontal), "marker-end": `url(#${unique}-a)` }));
  });
  visible.boxes.forEach((box, i) => {
    const [x, y] = [placed.x[i]! - BOX.width / 2, placed.y[i]! - BOX.height / 2];
    const node = s("g", {
      class: "wb-g-node",
      id: `${unique}-b${i}`,
      role: "treeitem",
      "aria-label": box.node ? `${box.node.op} ${box.node.id}, shape ${shapeText(box.node.shape)}` : `group ${box.group!.path}, ${box.members.length} nodes`,
      "aria-expanded": box.group ? "false" : null,
      "data-id": box.id,
      "data-box": i,
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    });
    if (box.group) for (const d of [6, 3]) node.append(s("rect", { class: "wb-g-box wb-g-group", x: d, y: d, width: BOX.width, height: BOX.height, rx: 6 }));
    node.append(
      s("rect", { class: "wb-g-box", width: BOX.width, height: BOX.height, rx: 6 }),
      s("rect", { class: "wb-g-stripe", width: 6, height: BOX.height, rx: 2 }),
      s("text", { class: "wb-t", x: 16, y: 16 }, clip(box.group ? `\u229e ${boxTitle(box)}` : boxTitle(box), 20)),
      s("text", { class: "wb-g-name", x: 16, y: 30 }, clip(boxName(box), 19)),
      s("text", { class: "wb-n", x: BOX.width - 10, y: 16, "text-anchor": "end" }, box.node ? clip(shapeText(box.node.shape), 15) : ""),
      s("text", { class: "wb-n wb-g-value", x: BOX.width - 10, y: 30, "text-anchor": "end" }),
      s("g", { class: "wb-g-phases" }),
    );
    world.append(node);
  });
  return world;
}

/** Colours, numbers, phases, selection and search hits, on a world made by `buildSvg`. */
export function paintSvg(world: SVGGElement, scene: Scene, paint: Paint, unique: string): void {
  const cursor = scene.visible.boxes.findIndex((box) => box.id === paint.cursor);
  const near = new Set<number>();
  for (const edge of world.querySelectorAll(".wb-g-edge")) {
    const [a, b] = [Number(edge.getAttribute("data-from")), Number(edge.getAttribute("data-to"))];
    const touches = cursor >= 0 && (a === cursor || b === cursor);
    put(edge, { "data-near": touches ? "true" : null });
    if (touches) near.add(a === cursor ? b : a);
  }
  for (const el of world.querySelectorAll(".wb-g-node")) {
    const i = Number(el.getAttribute("data-box"));
    const box = scene.visible.boxes[i]!;
    const value = overlayValue(box, paint);
    const t = paint.ramp?.at(value) ?? null;
    const sum = phaseSum(box, paint.phases);
    put(el, {
      "data-selected": box.id === paint.cursor ? "true" : null,
      "aria-selected": String(box.id === paint.cursor),
      "data-near": near.has(i) ? "true" : null,
      "data-hit": box.members.some((id) => paint.hits.has(id)) ? "true" : null,
      "data-value": value,
      "data-phases": sum ? sum.join(",") : null,
    });
    put(el.querySelector(".wb-g-stripe")!, { fill: t === null ? "none" : viridis(t) });
    const text = el.querySelector(".wb-g-value")!;
    const shown = sum || value === null ? "" : `${short(value)}${paint.overlay.unit ? ` ${paint.overlay.unit}` : ""}`;
    if (text.textContent !== shown) text.textContent = shown;
    phaseBar(el.querySelector(".wb-g-phases")!, sum, unique);
  }
}

function phaseBar(g: Element, sum: [number, number, number] | null, unique: string): void {
  const total = sum ? sum[0] + sum[1] + sum[2] : 0;
  const key = total ? sum!.join() : "";
  if (g.getAttribute("data-key") === key) return;
  put(g, { "data-key": key });
  g.replaceChildren();
  if (!sum || !total) return;
  const W = 96;
  let x = BOX.width - 10 - W;
  (["on", "unstable", "off"] as const).forEach((name, i) => {
    const w = (W * sum[i]!) / total;
    if (w > 0) g.append(s("rect", { class: `wb-p-${name}`, fill: name === "unstable" ? `url(#${unique}-h)` : null, x, y: 22.5, width: w, height: 7, "stroke-width": 0.8 }));
    x += w;
  });
}
