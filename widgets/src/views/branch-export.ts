// A proof tree as a picture in a file.

import { short } from "../core/format.js";
import { isLeaf, type ProofTree, type TreeNode } from "../core/tree.js";
import { colourOf, palette } from "./branch-canvas.js";
import { n1, s } from "./dom.js";
import type { Context } from "./frame.js";

const MOST = 4000; // leaves that are drawn one by one

export function treeSvg(ctx: Context, tree: ProofTree, title: string, plane: SVGElement | null, words: (node: TreeNode) => string): SVGSVGElement {
  const p = palette(ctx);
  const sx = Math.max(2, Math.min(60, 1200 / Math.max(1, tree.leaves)));
  const sy = 34;
  const [w, t] = [Math.max(360, tree.leaves * sx + 40), tree.deepest * sy + 70];
  const wide = w + (plane ? 280 : 0);
  const svg = s("svg", { viewBox: `0 0 ${n1(wide)} ${Math.max(t, plane ? 300 : 0)}`, width: Math.round(wide), height: Math.max(t, plane ? 300 : 0) });
  svg.append(s("title", {}, title), s("rect", { width: "100%", height: "100%", fill: getComputedStyle(ctx.root).backgroundColor }), s("text", { x: 10, y: 16 }, title));
  const at = (node: TreeNode): [number, number] => [20 + node.x * sx, 40 + node.depth * sy];
  const small = tree.leaves > MOST;
  for (const node of tree.order) {
    const [x, y] = at(node);
    if (!isLeaf(node)) {
      if (small && (node.to - node.from) * sx < 2) continue;
      const [a, b] = [at(node.low!), at(node.high!)];
      svg.append(s("path", { d: `M${n1(x)} ${n1(y)}V${n1(y + sy / 2)}M${n1(a[0])} ${n1(a[1])}V${n1(y + sy / 2)}H${n1(b[0])}V${n1(b[1])}`, fill: "none", stroke: p.line }));
      if (sx > 46) svg.append(s("text", { class: "wb-n", x: n1(x), y: n1(y - 6), "text-anchor": "middle" }, words(node)));
    } else {
      const colour = colourOf(tree, node.status, node.bound, p);
      const r = Math.min(7, Math.max(1, sx * 0.34));
      const mark = node.status === "open" ? s("path", { d: `M${n1(x)} ${n1(y - r * 1.2)}l${n1(r * 1.2)} ${n1(r * 1.2)}l${n1(-r * 1.2)} ${n1(r * 1.2)}l${n1(-r * 1.2)} ${n1(-r * 1.2)}Z`, fill: colour, stroke: p.tx, "stroke-width": 0.6 }) : node.status === "unsafe" ? s("path", { d: `M${n1(x - r)} ${n1(y - r)}l${n1(2 * r)} ${n1(2 * r)}m0 ${n1(-2 * r)}l${n1(-2 * r)} ${n1(2 * r)}`, stroke: colour, "stroke-width": 2, fill: "none" }) : s("circle", { cx: n1(x), cy: n1(y), r: n1(r), fill: node.status === "proved" ? colour : "none", stroke: colour });
      mark.append(s("title", {}, `part ${node.id}: ${node.status}, bound ${short(node.bound)}`));
      svg.append(mark);
    }
  }
  if (plane) svg.append(s("g", { transform: `translate(${n1(w + 8)} 24)` }, plane));
  return svg;
}
