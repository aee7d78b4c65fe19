// The graph pane: state, layout, keyboard, mouse; drawing is in graph-svg.ts and graph-canvas.ts.

import { toDot, toJson } from "../core/export.js";
import { count, shapeText, short } from "../core/format.js";
import { findGroups, initialCollapse, innermostOpen, pathTo, visible, type Box, type Group } from "../core/groups.js";
import { BOX, DAGRE_LIMIT, DRAW_LIMIT, layered, layoutDagre, neighbour } from "../core/layout.js";
import { ramp } from "../core/scales.js";
import type { Overlay, WireGraph } from "../core/wire.js";
import { fitTo, makeCamera, zoomAt } from "./camera.js";
import { button, h, morph, onResize, picker, put, s, safeName, save, say, scheduler, together } from "./dom.js";
import { forLabel, mark, write, type Context } from "./frame.js";
import { drawCanvas, prepare, type Palette, type Prepared } from "./graph-canvas.js";
import { savePng, svgText } from "./graph-export.js";
import { boxName, boxTitle, buildSvg, definitions, overlayValue, paintSvg, phaseSum, type Paint, type Scene } from "./graph-svg.js";
import { legend } from "./legend.js";
import { menuButton } from "./menu.js";
import { makeSearch } from "./search.js";

export interface GraphPane {
  el: HTMLElement;
  focus(): void;
}

const EMPTY: WireGraph = { name: "", sha256: null, nodes: [], inputs: [], outputs: [] };

export function graphPane(ctx: Context, open: () => void): GraphPane {
  const { model, signal, unique, tip } = ctx;
  let graph = EMPTY;
  let groups = new Map<string, Group>();
  let collapsed = new Set<string>();
  let horizontal = false;
  let cursor: string | null = null;
  let scene: Scene | null = null;
  let world: SVGGElement | null = null;
  let prepared: Prepared | null = null;
  let framed = false;

  const svg = s("svg", { "aria-hidden": "false" });
  const canvas = h("canvas", { hidden: true });
  const stage = h("div", { class: "wb-stage", tabindex: 0, role: "application", "aria-roledescription": "computation graph" }, svg, canvas);
  const title = h("b", {}, "Graph");
  const size = h("span", { class: "wb-lab wb-clip" });
  const shown = h("span", { class: "wb-for" });
  const scale = h("span", { class: "wb-drawn" });
  const more = h("span", { class: "wb-more wb-lab", hidden: true });
  const overlayPick = picker("colour overlay", (key) => write(model, { overlay_key: key }), signal);
  const search = makeSearch(() => graph, paint, reveal, () => stage.focus(), signal);
  stage.append(search.el, more);

  const camera = makeCamera({
    stage,
    signal,
    moved: () => {
      tip.hide();
      drawSoon();
    },
    clicked: (event) => {
      const fold = (event.target as Element).closest("[data-close]")?.getAttribute("data-close");
      stage.focus({ preventScroll: true });
      if (fold) return setCollapsed((set) => set.add(fold), `group:${fold}`);
      const box = boxUnder(event);
      if (!box) return;
      if (box.group && (cursor === box.id || event.detail > 1)) return expand(box.group);
      pick(box);
    },
  });
  const drawSoon = scheduler(draw, signal);

  const dims = (): [number, number] => [stage.clientWidth || 372, stage.clientHeight || 440];

  function settle(): void {
    const all = visible(graph, groups, collapsed);
    const n = all.boxes.length;
    const parents = all.boxes.map((box) => (box.group ? box.group.parent : innermostOpen(box.id, all.open)));
    const above = new Map(all.open.filter((g) => g.members.length > 1).map((g) => [g.path, g.parent]));
    const begun = performance.now();
    const placed = n <= DAGRE_LIMIT ? layoutDagre(n, all.edges, horizontal, parents, n <= 200 ? above : undefined) : layered(n, all.edges, horizontal);
    const took = performance.now() - begun;
    scene = { visible: all, placed, horizontal };
    const large = n > DRAW_LIMIT;
    canvas.hidden = !large;
    put(svg, { hidden: large });
    svg.replaceChildren();
    world = null;
    if (!large) {
      world = buildSvg(scene, unique);
      svg.append(definitions(unique), world);
    }
    put(stage, {
      "aria-label": `computation graph of ${graph.name}, ${n} of ${graph.nodes.length} nodes drawn`,
      "data-renderer": large ? "canvas" : "svg",
      "data-visible": n,
      "data-layout-ms": took.toFixed(1),
    });
    say(size, n === graph.nodes.length ? `${count(n)} nodes` : `${count(n)} of ${count(graph.nodes.length)} nodes`);
    paint();
  }

  function paintNow(): Paint {
    const overlay = model.get("overlay") as Partial<Overlay>;
    return { overlay, ramp: ramp(Object.values(overlay.values ?? {}), overlay.log ?? false), phases: model.get("phases") ?? {}, cursor, hits: search.hits };
  }

  function paint(): void {
    if (!scene) return;
    const now = paintNow();
    if (world) paintSvg(world, scene, now, unique);
    prepared = canvas.hidden ? null : prepare(scene, now);
    const at = scene.visible.boxes.findIndex((box) => box.id === cursor);
    put(stage, { "aria-activedescendant": at >= 0 && world ? `${unique}-b${at}` : null, "data-cursor": cursor });
    overlayPick.update(model.get("overlays") ?? [], now.overlay.key ?? "");
    morph(scale, legend(now.ramp, now.overlay.unit ?? "", `${unique}-v`));
    freshness();
    drawSoon();
  }

  function freshness(): void {
    const stamp = model.get("stamp");
    mark(stage, stamp, model);
    mark(scale, stamp, model);
    forLabel(shown, stamp, model);
  }

  function draw(): void {
    if (!scene) return;
    if (world) {
      world.classList.toggle("wb-far", camera.k < 0.5);
      world.setAttribute("transform", `translate(${camera.x.toFixed(2)} ${camera.y.toFixed(2)}) scale(${camera.k.toFixed(4)})`);
    } else if (prepared) {
      const [w, height] = dims();
      const ratio = Math.min(devicePixelRatio || 1, 2);
      if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(w * ratio);
        canvas.height = Math.round(height * ratio);
      }
      const context = canvas.getContext("2d");
      const begun = performance.now();
      if (context) put(stage, { "data-drawn": drawCanvas(context, prepared, camera, w, height, ratio, palette()) });
      put(stage, { "data-draw-ms": (performance.now() - begun).toFixed(1) });
    }
    put(stage, { "data-zoom": camera.k.toFixed(3) });
    const [w, height] = dims();
    const outside = (at: Float64Array, from: number, most: number): number[] => at.reduce((n, v) => [n[0]! + Number(v * camera.k + from < 0), n[1]! + Number(v * camera.k + from > most)], [0, 0]);
    const [above, below] = outside(scene.placed.y, camera.y, height);
    const beside = outside(scene.placed.x, camera.x, w).reduce((p, q) => p + q);
    const told = [below && `${count(below)} below`, above && `${count(above)} above`, beside && `${count(beside)} beside`].filter(Boolean);
    more.hidden = !told.length;
    say(more, `${told.join(", ")}: drag, or press f to fit`);
  }

  let colours: Palette | null = null;
  function palette(): Palette {
    const c = (name: string): string => ctx.colour(`--${name}`);
    const font = getComputedStyle(ctx.root).fontFamily || "sans-serif";
    colours ??= { bg: c("bg"), bg2: c("bg2"), line: c("line"), tx: c("tx"), tx2: c("tx2"), tx3: c("tx3"), acc: c("acc"), int: c("int"), int2: c("int2"), rnd: c("rnd"), font, mono: c("mono") };
    return colours;
  }

  /** The first look: readable, and where the network begins; a selected output, the usual one, does not scroll away from there. */
  function frame(): void {
    if (!scene || !stage.clientWidth) return;
    framed = true;
    fitTo(camera, scene.placed.width, scene.placed.height, ...dims(), scene.visible.boxes.length > DRAW_LIMIT ? 0.002 : 0.74);
    const first = scene.visible.boxOf.get(graph.inputs[0] ?? "") ?? 0;
    if (scene.visible.boxes[first]) showBox(scene.visible.boxes[first].id);
    if (cursor && !graph.outputs.includes(cursor)) showBox(cursor);
    drawSoon();
  }

  function fit(): void {
    if (!scene) return;
    fitTo(camera, scene.placed.width, scene.placed.height, ...dims());
    drawSoon();
  }

  function showBox(id: string): void {
    const i = scene?.visible.boxes.findIndex((box) => box.id === id) ?? -1;
    if (!scene || i < 0) return;
    const [w, height] = dims();
    if (camera.k < 0.3) camera.k = 0.7;
    const [sx, sy] = [scene.placed.x[i]! * camera.k + camera.x, scene.placed.y[i]! * camera.k + camera.y];
    const [mx, my] = [Math.min((BOX.width / 2) * camera.k + 8, w / 2), (BOX.height / 2) * camera.k + 4];
    if (sx < mx || sx > w - mx) camera.x += w / 2 - sx;
    // what is above comes to the upper edge, what is below to the middle
    if (sy < my || sy > height - my) camera.y += (sy < my ? my + 8 : height / 2) - sy;
    drawSoon();
  }

  function boxUnder(event: { clientX: number; clientY: number; target: EventTarget | null }): Box | null {
    if (!scene) return null;
    const marked = (event.target as Element | null)?.closest?.("[data-box]");
    if (marked) return scene.visible.boxes[Number(marked.getAttribute("data-box"))] ?? null;
    const at = stage.getBoundingClientRect();
    const x = (event.clientX - at.left - camera.x) / camera.k;
    const y = (event.clientY - at.top - camera.y) / camera.k;
    const { placed } = scene;
    const i = scene.visible.boxes.findIndex((_, b) => Math.abs(placed.x[b]! - x) <= BOX.width / 2 && Math.abs(placed.y[b]! - y) <= BOX.height / 2);
    return i < 0 ? null : scene.visible.boxes[i]!;
  }

  function pick(box: Box): void {
    cursor = box.id;
    showBox(cursor);
    if (box.node) {
      if ((model.get("selection") as { node?: string | null }).node !== box.node.id) write(model, { selection: { node: box.node.id, index: null } });
    }
    paint();
    const where = scene!.placed.rank[scene!.visible.boxOf.get(box.members[0]!)!]! + 1;
    ctx.announce(box.node ? `${box.node.op} ${box.node.id}, shape ${shapeText(box.node.shape)}, layer ${where}` : `group ${box.group!.label}, ${box.members.length} nodes, collapsed`);
  }

  function setCollapsed(change: (set: Set<string>) => unknown, then: string | null): void {
    const before = cursor ?? then;
    const old = scene?.visible.boxes.findIndex((box) => box.id === before || box.id === then) ?? -1;
    const from = scene && old >= 0 ? [scene.placed.x[old]! * camera.k + camera.x, scene.placed.y[old]! * camera.k + camera.y] : null;
    const next = new Set(collapsed);
    change(next);
    collapsed = next;
    if (then !== null) cursor = then;
    settle();
    // what the hand is on stays where it is
    const now = scene!.visible.boxes.findIndex((box) => box.id === cursor);
    if (from && now >= 0) {
      camera.x = from[0]! - scene!.placed.x[now]! * camera.k;
      camera.y = from[1]! - scene!.placed.y[now]! * camera.k;
      showBox(cursor!);
    } else fit();
    drawSoon();
  }

  function expand(group: Group): void {
    const first = group.members[0]!;
    setCollapsed((set) => set.delete(group.path), null);
    const box = scene!.visible.boxes[scene!.visible.boxOf.get(first)!]!;
    pick(box);
    ctx.announce(`group ${group.label} opened, ${scene!.visible.boxes.length} boxes`);
  }

  /** `c`: a group opens, a node's group closes; with nothing chosen everything closes or opens. */
  function toggle(): void {
    const box = scene?.visible.boxes.find((b) => b.id === cursor);
    if (box?.group) return expand(box.group);
    const own = box ? innermostOpen(box.id, scene!.visible.open) : null;
    if (own !== null) return setCollapsed((set) => set.add(own), `group:${own}`);
    if (groups.size) setCollapsed((set) => (set.size ? set.clear() : [...groups.keys()].forEach((path) => set.add(path))), null);
    else ctx.toast("this graph has no groups to fold");
  }

  function reveal(id: string): void {
    const closed = pathTo(groups, collapsed, id);
    if (closed.length) {
      cursor = null;
      setCollapsed((set) => closed.forEach((path) => set.delete(path)), null);
    }
    const box = scene?.visible.boxes.find((b) => b.id === id);
    if (box) {
      if (camera.k < 0.5) camera.k = 0.8;
      pick(box);
    }
  }

  function takeSelection(): void {
    const node = (model.get("selection") as { node?: string | null }).node ?? null;
    const i = node === null ? undefined : scene?.visible.boxOf.get(node);
    const box = i === undefined ? null : scene!.visible.boxes[i]!;
    const changed = (box?.id ?? null) !== cursor;
    cursor = box?.id ?? null;
    if (changed && cursor && framed) showBox(cursor);
    paint();
  }

  function takeGraph(): void {
    const next = model.get("graph");
    graph = "nodes" in next ? (next as WireGraph) : EMPTY;
    groups = findGroups(graph);
    collapsed = initialCollapse(graph, groups);
    cursor = (model.get("selection") as { node?: string | null }).node ?? null;
    settle();
    takeSelection();
    frame();
  }

  stage.addEventListener(
    "keydown",
    (event) => {
      if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
      const box = scene?.visible.boxes.find((b) => b.id === cursor);
      const boxes = scene?.visible.boxes ?? [];
      if (event.key.startsWith("Arrow")) {
        const from = box ? boxes.indexOf(box) : -1;
        const to = from < 0 ? 0 : neighbour(scene!.placed, scene!.visible.edges, from, event.key, horizontal);
        if (to !== null && boxes[to]) pick(boxes[to]);
      } else if (event.key === "Home" && boxes.length) pick(boxes[0]!);
      else if (event.key === "End" && boxes.length) pick(boxes[boxes.length - 1]!);
      else if (event.key === "Enter") box?.group ? expand(box.group) : open();
      else if (event.key === "Escape") {
        cursor = null;
        write(model, { selection: { node: null, index: null } });
        paint();
        ctx.announce("nothing selected");
      } else if (event.key === "/") search.open();
      else if (event.key === "f") fit();
      else if (event.key === "c") toggle();
      else if (event.key === "+" || event.key === "=" || event.key === "-") {
        zoomAt(camera, event.key === "-" ? 0.8 : 1.25, dims()[0] / 2, dims()[1] / 2);
        drawSoon();
      } else if (event.key === "[" || event.key === "]") model.send({ type: event.key === "[" ? "back" : "forward" });
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
  stage.addEventListener(
    "pointermove",
    (event) => {
      if (event.buttons || (event.target as Element).closest(".wb-search")) return tip.hide();
      const box = boxUnder(event);
      if (box) tip.show(describe(box), event.clientX, event.clientY);
      else tip.hide();
    },
    { signal },
  );
  stage.addEventListener("pointerleave", () => tip.hide(), { signal });
  stage.addEventListener("dblclick", (event) => !boxUnder(event) && fit(), { signal });

  function describe(box: Box): (string | Node)[] {
    const now = paintNow();
    const value = overlayValue(box, now);
    const sum = phaseSum(box, now.phases);
    const lines: (string | Node)[] = [h("b", {}, boxTitle(box)), box.node?.id ?? boxName(box)];
    if (box.node) {
      const about = graph.ops?.[box.node.op];
      if (about?.formula) lines.push(h("div", { class: "wb-num" }, about.formula));
      lines.push(h("div", { class: "wb-num" }, `${box.node.dtype} ${shapeText(box.node.shape)}${box.node.params ? `, ${count(box.node.params)} parameters` : ""}`));
      if (box.node.group) lines.push(h("div", { class: "wb-lab" }, box.node.group));
    } else lines.push(h("div", { class: "wb-lab" }, "Enter, or a second click, opens the group"));
    if (sum) lines.push(`${count(sum[0])} on, ${count(sum[1])} unstable, ${count(sum[2])} off`);
    if (value !== null) lines.push(`${now.overlay.label ?? ""}: ${short(value, 4)} ${now.overlay.unit ?? ""}${model.get("stamp") ? ` (\u03b5 ${short(model.get("stamp")!.eps, 6)})` : ""}`);
    return lines;
  }

  const file = (): string => safeName(graph.name);
  const picture = (): string => svgText(ctx.root, scene!, paintNow(), graph.name);
  const menu = menuButton(ctx, "\u22ef", "graph: layout, export, code", () => [
    { label: horizontal ? "lay out top down" : "lay out left to right", act: turn },
    { label: "open all groups", act: () => setCollapsed((set) => set.clear(), null) },
    { label: "close all groups", act: () => setCollapsed((set) => [...groups.keys()].forEach((path) => set.add(path)), null) },
    { label: "save SVG", act: () => save(`${file()}.svg`, new Blob([picture()], { type: "image/svg+xml" })) },
    { label: "save PNG", act: () => void savePng(picture(), file()).catch((error: Error) => ctx.toast(error.message)) },
    { label: "save DOT", act: () => save(`${file()}.dot`, new Blob([toDot(graph)], { type: "text/vnd.graphviz" })) },
    { label: "save JSON", act: () => save(`${file()}.json`, new Blob([toJson(graph, model.get("overlay"), model.get("phases"), model.get("stamp"))], { type: "application/json" })) },
    { label: "copy code", act: () => ctx.copy(model.get("code")["graph"] ?? "", "the code of this view") },
  ]);

  function turn(): void {
    horizontal = !horizontal;
    put(stage, { "data-direction": horizontal ? "LR" : "TB" });
    settle();
    frame();
  }

  const tool = (key: string, label: string, hint: string, act: () => void): HTMLButtonElement => {
    const el = button("", hint, act, signal);
    el.append(h("span", { class: "wb-key" }, key), label);
    return el;
  };
  const el = h(
    "div",
    { class: "wb-pane wb-graph" },
    h(
      "div",
      { class: "wb-head" },
      title,
      size,
      h("span", { class: "wb-grow" }),
      tool("/", "search", "search nodes (/)", () => search.open()),
      tool("f", "fit", "show the whole graph (f)", fit),
      tool("c", "fold", "close or open the group (c)", toggle),
      menu,
    ),
    stage,
    h("div", { class: "wb-foot" }, h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, "colour"), overlayPick.el), h("div", { class: "wb-row" }, scale, h("span", { class: "wb-grow" }), shown)),
  );

  ctx.watch(["graph"], takeGraph);
  ctx.watch(["selection"], takeSelection);
  ctx.watch(["overlay", "overlays", "phases", "stamp"], together(paint, signal));
  ctx.watch(["eps", "method", "format", "example", "controls", "status"], freshness);
  ctx.onTheme(() => {
    colours = null;
    drawSoon();
  });
  onResize(stage, () => (framed ? drawSoon() : frame()), signal);
  takeGraph();
  return { el, focus: () => stage.focus({ preventScroll: true }) };
}
