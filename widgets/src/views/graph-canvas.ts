// Draws large graphs on a canvas: only what is in sight, and only what can be read at that size.

import { clip, shapeText, short } from "../core/format.js";
import { BOX } from "../core/layout.js";
import { viridisRGB } from "../core/scales.js";
import type { Camera } from "./camera.js";
import { boxName, boxTitle, hulls, overlayValue, phaseSum, type Hull, type Paint, type Scene } from "./graph-svg.js";

export interface Palette {
  bg: string;
  bg2: string;
  line: string;
  tx: string;
  tx2: string;
  tx3: string;
  acc: string;
  int: string;
  int2: string;
  rnd: string;
  font: string;
  mono: string;
}

const SHADES = 32;
// below these scales a box has no text, and below the second it is written as pixels
const FAR = 0.28;
const PIXELS = 0.09;

/** What does not change while a person pans and zooms. */
export interface Prepared {
  scene: Scene;
  paint: Paint;
  /** shade of each box, or -1 */
  shade: Int16Array;
  hit: Uint8Array;
  cursor: number;
  hulls: Hull[];
}

export function prepare(scene: Scene, paint: Paint): Prepared {
  const n = scene.visible.boxes.length;
  const shade = new Int16Array(n).fill(-1);
  const hit = new Uint8Array(n);
  let cursor = -1;
  scene.visible.boxes.forEach((box, i) => {
    const t = paint.ramp?.at(overlayValue(box, paint)) ?? null;
    if (t !== null) shade[i] = Math.round(t * (SHADES - 1));
    if (paint.hits.size && box.members.some((id) => paint.hits.has(id))) hit[i] = 1;
    if (box.id === paint.cursor) cursor = i;
  });
  return { scene, paint, shade, hit, cursor, hulls: hulls(scene) };
}

/** Draws what lies in the w×h window; returns how many boxes that was. */
export function drawCanvas(ctx: CanvasRenderingContext2D, p: Prepared, camera: Camera, w: number, h: number, ratio: number, palette: Palette): number {
  const { placed, visible } = p.scene;
  const { k } = camera;
  const pixels = k < PIXELS;
  const [x0, y0] = [-camera.x / k, -camera.y / k];
  const [x1, y1] = [x0 + w / k, y0 + h / k];
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  const seen = inSight(p, x0, y0, x1, y1);
  if (pixels) {
    drawPixels(ctx, p, seen, camera, Math.round(w * ratio), Math.round(h * ratio), ratio, palette);
    ctx.globalCompositeOperation = "destination-over"; // the edges go under the boxes that are there already
  } else ctx.clearRect(0, 0, w, h);
  ctx.setTransform(k * ratio, 0, 0, k * ratio, camera.x * ratio, camera.y * ratio);

  ctx.lineWidth = 1 / k;
  ctx.strokeStyle = palette.line;
  for (const hull of p.hulls) {
    if (hull.x > x1 || hull.y > y1 || hull.x + hull.w < x0 || hull.y + hull.h < y0) continue;
    ctx.strokeRect(hull.x, hull.y, hull.w, hull.h);
  }

  ctx.strokeStyle = palette.tx3;
  ctx.globalAlpha = k < 0.2 ? 0.35 : 0.8;
  ctx.lineWidth = Math.max(1, 0.6 / k) * (k < 0.2 ? 0.8 : 1);
  const { edges } = visible;
  const { ends, rank } = placed;
  // so far away that the gap between two layers is no pixel high, only edges that skip layers can be seen
  const skipping = k * BOX.row < 1.2;
  ctx.beginPath();
  for (let i = 0; i < edges.length; i++) {
    const [ax, ay, bx, by] = [ends[4 * i]!, ends[4 * i + 1]!, ends[4 * i + 2]!, ends[4 * i + 3]!];
    if ((ay < y0 && by < y0) || (ay > y1 && by > y1) || (ax < x0 && bx < x0) || (ax > x1 && bx > x1)) continue;
    if (skipping && rank[edges[i]![1]]! - rank[edges[i]![0]]! < 2) continue;
    ctx.moveTo(ax, ay);
    ctx.lineTo(bx, by);
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
  if (p.cursor >= 0) {
    ctx.strokeStyle = palette.acc;
    ctx.lineWidth = 1.6 / k;
    ctx.beginPath();
    for (let i = 0; i < edges.length; i++) {
      if (edges[i]![0] !== p.cursor && edges[i]![1] !== p.cursor) continue;
      ctx.moveTo(ends[4 * i]!, ends[4 * i + 1]!);
      ctx.lineTo(ends[4 * i + 2]!, ends[4 * i + 3]!);
    }
    ctx.stroke();
  }

  ctx.globalCompositeOperation = "source-over";
  if (!pixels && k < FAR) drawFar(ctx, p, seen, palette);
  else if (!pixels) for (const i of seen) drawNear(ctx, p, i, k, palette);
  outline(ctx, p, seen, k, palette);
  return seen.length;
}

function inSight(p: Prepared, x0: number, y0: number, x1: number, y1: number): number[] {
  const { x, y } = p.scene.placed;
  const [W, H] = [BOX.width / 2, BOX.height / 2];
  const seen: number[] = [];
  for (let i = 0; i < x.length; i++) {
    if (x[i]! + W >= x0 && x[i]! - W <= x1 && y[i]! + H >= y0 && y[i]! - H <= y1) seen.push(i);
  }
  return seen;
}

/** Thousands of boxes of a few pixels: writing the pixels is several times faster than filling rectangles. */
function drawPixels(ctx: CanvasRenderingContext2D, p: Prepared, seen: readonly number[], camera: Camera, w: number, h: number, ratio: number, palette: Palette): void {
  const { placed } = p.scene;
  const image = ctx.createImageData(Math.max(w, 1), Math.max(h, 1));
  const data = new Uint32Array(image.data.buffer);
  const pack = ([r, g, b]: readonly number[]): number => ((255 << 24) | (b! << 16) | (g! << 8) | r!) >>> 0;
  const shades = Array.from({ length: SHADES }, (_, i) => pack(viridisRGB(i / (SHADES - 1))));
  const plain = pack(parseColour(palette.tx3));
  const [k, bw, bh] = [camera.k * ratio, BOX.width * camera.k * ratio, BOX.height * camera.k * ratio];
  for (const i of seen) {
    const colour = p.shade[i]! < 0 ? plain : shades[p.shade[i]!]!;
    const left = placed.x[i]! * k + camera.x * ratio - bw / 2;
    const top = placed.y[i]! * k + camera.y * ratio - bh / 2;
    const [c0, c1] = [Math.max(0, Math.round(left)), Math.min(w, Math.max(Math.round(left) + 1, Math.round(left + bw)))];
    const [r0, r1] = [Math.max(0, Math.round(top)), Math.min(h, Math.max(Math.round(top) + 1, Math.round(top + bh)))];
    for (let r = r0; r < r1; r++) data.fill(colour, r * w + c0, r * w + c1);
  }
  ctx.putImageData(image, 0, 0);
}

/** The channels of "#rgb", "#rrggbb" or "rgb(...)"; grey for anything else. */
export function parseColour(text: string): [number, number, number] {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text)?.[1];
  if (hex) {
    const parts = hex.length === 3 ? [...hex].map((c) => c + c) : hex.match(/../g)!;
    return parts.map((part) => parseInt(part, 16)) as [number, number, number];
  }
  const numbers = text.match(/[\d.]+/g)?.map(Number) ?? [];
  return numbers.length >= 3 ? [numbers[0]!, numbers[1]!, numbers[2]!] : [128, 128, 128];
}

/** Far away a box is one rectangle in the overlay's colour; rectangles of one colour are filled together. */
function drawFar(ctx: CanvasRenderingContext2D, p: Prepared, seen: readonly number[], palette: Palette): void {
  const { placed } = p.scene;
  const byShade: number[][] = Array.from({ length: SHADES + 1 }, () => []);
  for (const i of seen) byShade[p.shade[i]! + 1]!.push(i);
  byShade.forEach((boxes, shade) => {
    if (!boxes.length) return;
    ctx.fillStyle = shade ? `rgb(${viridisRGB((shade - 1) / (SHADES - 1)).join()})` : palette.tx3;
    for (const i of boxes) ctx.fillRect(placed.x[i]! - BOX.width / 2, placed.y[i]! - BOX.height / 2, BOX.width, BOX.height);
  });
}

function drawNear(ctx: CanvasRenderingContext2D, p: Prepared, i: number, k: number, palette: Palette): void {
  const { placed, visible } = p.scene;
  const box = visible.boxes[i]!;
  const [x, y] = [placed.x[i]! - BOX.width / 2, placed.y[i]! - BOX.height / 2];
  ctx.fillStyle = palette.bg;
  ctx.strokeStyle = palette.tx3;
  ctx.lineWidth = 1;
  if (box.group) ctx.strokeRect(x + 4, y + 4, BOX.width, BOX.height);
  ctx.fillRect(x, y, BOX.width, BOX.height);
  ctx.strokeRect(x, y, BOX.width, BOX.height);
  if (p.shade[i]! >= 0) {
    ctx.fillStyle = `rgb(${viridisRGB(p.shade[i]! / (SHADES - 1)).join()})`;
    ctx.fillRect(x, y, 6, BOX.height);
    ctx.strokeRect(x, y, 6, BOX.height);
  }
  ctx.fillStyle = palette.tx;
  ctx.font = `600 12px ${palette.font}`;
  ctx.fillText(clip(box.group ? `\u229e ${boxTitle(box)}` : boxTitle(box), 20), x + 16, y + 16);
  if (k < 0.5) return;
  ctx.fillStyle = palette.tx2;
  ctx.font = `11px ${palette.font}`;
  ctx.fillText(clip(boxName(box), 19), x + 16, y + 30);
  ctx.font = `10.5px ${palette.mono}`;
  ctx.textAlign = "right";
  if (box.node) ctx.fillText(clip(shapeText(box.node.shape), 15), x + BOX.width - 10, y + 16);
  const sum = phaseSum(box, p.paint.phases);
  const value = overlayValue(box, p.paint);
  if (!sum && value !== null) ctx.fillText(`${short(value)} ${p.paint.overlay.unit ?? ""}`.trim(), x + BOX.width - 10, y + 30);
  ctx.textAlign = "left";
  if (sum) bar(ctx, sum, x + BOX.width - 106, y + 22.5, palette);
}

function bar(ctx: CanvasRenderingContext2D, sum: readonly number[], x: number, y: number, palette: Palette): void {
  const total = sum.reduce((a, b) => a + b, 0) || 1;
  sum.forEach((part, i) => {
    const w = (96 * part) / total;
    ctx.fillStyle = [palette.int, palette.int2, palette.bg][i]!;
    ctx.strokeStyle = palette.int;
    ctx.lineWidth = 0.8;
    if (!w) return;
    ctx.fillRect(x, y, w, 7);
    ctx.strokeRect(x, y, w, 7);
    if (i === 1) {
      // hatching: colour is never the only mark
      ctx.save();
      ctx.beginPath();
      ctx.rect(x, y, w, 7);
      ctx.clip();
      ctx.beginPath();
      for (let d = -7; d < w; d += 5) {
        ctx.moveTo(x + d, y + 7);
        ctx.lineTo(x + d + 7, y);
      }
      ctx.lineWidth = 2;
      ctx.stroke();
      ctx.restore();
    }
    x += w;
  });
}

function outline(ctx: CanvasRenderingContext2D, p: Prepared, seen: readonly number[], k: number, palette: Palette): void {
  const { placed } = p.scene;
  const rim = Math.max(2, 2 / k);
  for (const i of seen) {
    if (i !== p.cursor && !p.hit[i]) continue;
    ctx.strokeStyle = i === p.cursor ? palette.acc : palette.rnd;
    ctx.setLineDash(i === p.cursor ? [] : [4 / k, 2 / k]);
    ctx.lineWidth = rim;
    ctx.strokeRect(placed.x[i]! - BOX.width / 2, placed.y[i]! - BOX.height / 2, BOX.width, BOX.height);
  }
  ctx.setLineDash([]);
}
