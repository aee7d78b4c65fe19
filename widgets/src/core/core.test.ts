import { describe, expect, test } from "vitest";
import { chain, goldenTraits } from "../fake.js";
import { toDot } from "./export.js";
import { clip, epsilon, outward, short } from "./format.js";
import { chunks, findGroups, initialCollapse, nick, pathTo, visible } from "./groups.js";
import { BOX, layered, layoutDagre, neighbour, ranks } from "./layout.js";
import { drawn, order, phase, pictures, positionOf, range } from "./neurons.js";
import { decades, epsToSlider, ramp, sliderToEps, sticky, ticks, viridis } from "./scales.js";
import { decodeDetail, isStale, type DetailHeader } from "./wire.js";

const golden = goldenTraits();
const detail = decodeDetail(golden.detail, golden.detail_data)!;

describe("wire", () => {
  test("the golden arrays decode to what Python packed", () => {
    expect(detail.header.node).toBe("r");
    expect([...detail.arrays["center"]!]).toEqual([0, 0, 1]);
    expect([...detail.arrays["pre_lower"]!]).toEqual([-0.5, -1.25, 0.5]);
    expect([...detail.arrays["upper"]!]).toEqual([0.5, 0.5, 1.5]);
    expect(detail.arrays["samples"]!.length).toBe(2 * 3);
  });

  test("bytes that do not belong to the description show nothing", () => {
    expect(decodeDetail(golden.detail, new DataView(new ArrayBuffer(8)))).toBeNull();
    expect(decodeDetail({ node: null }, golden.detail_data)).toBeNull();
    expect(decodeDetail(golden.detail, null)).toBeNull();
  });

  test("an unaligned buffer is copied, not refused", () => {
    const source = golden.detail_data as DataView;
    const moved = new Uint8Array(source.byteLength + 3);
    moved.set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), 3);
    const again = decodeDetail(golden.detail, new DataView(moved.buffer, 3))!;
    expect([...again.arrays["upper"]!]).toEqual([...detail.arrays["upper"]!]);
  });

  test.each(["eps", "norm", "method", "format", "example"] as const)("another %s makes a result stale", (key) => {
    const now = { eps: 0.25, norm: "inf", method: "crown", format: "binary32", example: 0 };
    expect(isStale(golden.stamp, now)).toBe(false);
    expect(isStale(golden.stamp, { ...now, [key]: key === "eps" ? 0.25 + Number.EPSILON : key === "example" ? 1 : "other" })).toBe(true);
  });
});

describe("format", () => {
  test("outward rounding never crosses the value", () => {
    for (let i = 0; i < 400; i++) {
      const v = (Math.random() - 0.5) * 10 ** (Math.random() * 30 - 15);
      const read = (text: string): number => Number(text.replaceAll("\u2212", "-"));
      expect(read(outward(v, true))).toBeGreaterThanOrEqual(v);
      expect(read(outward(v, false))).toBeLessThanOrEqual(v);
      expect(Math.abs(read(outward(v, true)) - v)).toBeLessThan(Math.abs(v) * 0.03);
    }
  });

  test("numbers read well", () => {
    expect([short(0.0203), short(-1234.5), short(1e-7), short(Infinity), short(NaN), short(0)]).toEqual(["0.0203", "\u22121230", "1e\u22127", "\u221e", "NaN", "0"]);
    expect([epsilon(0.1 + 0.2), epsilon(0), epsilon(0.02)]).toEqual(["0.3", "0", "0.02"]);
    expect(clip("layer1/block0/conv1", 11)).toBe("layer\u2026conv1");
  });
});

describe("scales", () => {
  test("viridis runs from dark to light and takes anything", () => {
    expect([viridis(0), viridis(1), viridis(NaN), viridis(7)]).toEqual(["rgb(68,1,84)", "rgb(253,231,37)", "rgb(68,1,84)", "rgb(253,231,37)"]);
  });

  test("a ramp ignores what cannot be placed", () => {
    const r = ramp([1, 100, null, NaN, Infinity, 0, -3], true)!;
    expect([r.low, r.high, r.at(10), r.at(null), r.at(NaN), r.at(0), r.at(1e9)]).toEqual([1, 100, 0.5, null, null, 0, 1]);
    expect(ramp([null, NaN], true)).toBeNull();
    expect(ramp([3, 3], false)!.at(3)).toBe(0.5);
  });

  test("a constant's rounding does not take the colours from everything else, and the legend can say so", () => {
    const r = ramp([1.78e-15, 0.04, 4], true)!;
    expect([r.cut, r.high, r.at(1.78e-15), r.at(4)]).toEqual([true, 4, 0, 1]);
    expect(r.low).toBeCloseTo(4e-6, 12);
    expect([ramp([1e-3, 4], true)!.cut, ramp([1e-15, 4], false)!.cut]).toEqual([false, false]);
  });

  test("ticks are round and inside", () => {
    expect(ticks(-1.07, 1.3, 5)).toEqual([-1, -0.5, 0, 0.5, 1]);
    expect(ticks(2, 2)).toEqual([2]);
    expect(decades(3e-9, 2e-6)).toEqual([1e-8, 1e-7, 1e-6]);
  });

  test("an axis grows at once and shrinks late", () => {
    const first = sticky(null, [-1, 1]);
    expect(sticky(first, [-0.9, 0.9])).toEqual(first);
    expect(sticky(first, [-2, 1])[0]).toBeLessThan(-2);
    expect(sticky(first, [-0.1, 0.1])[1]).toBeLessThan(0.2);
  });

  test("slider and epsilon are inverse, and 0 can be reached", () => {
    expect(sliderToEps(0, 0.1)).toBe(0);
    expect(sliderToEps(1, 0.1)).toBe(0.1);
    for (const eps of [1e-4, 0.003, 0.02, 0.1]) expect(Math.abs(sliderToEps(epsToSlider(eps, 0.1), 0.1) - eps)).toBeLessThan(eps * 0.006);
  });
});

describe("groups", () => {
  const graph = chain(300, (i) => (i ? `layer${Math.floor(i / 100)}/block${Math.floor(i / 20) % 5}` : ""));
  const groups = findGroups(graph);

  test("nested paths make nested groups", () => {
    expect(groups.size).toBe(3 + 15);
    expect(groups.get("layer1/block2")).toMatchObject({ parent: "layer1", depth: 2 });
    expect(groups.get("layer1")!.members).toHaveLength(100);
  });

  test("a large graph starts collapsed, a small one open", () => {
    const set = initialCollapse(graph, groups);
    expect(visible(graph, groups, set).boxes.length).toBeLessThan(20);
    expect(initialCollapse(chain(200, () => "g"), findGroups(chain(200, () => "g"))).size).toBe(0);
  });

  test("what opens is few enough to read, and one group of everything is not closed", () => {
    const deep = chain(104, (i) => `${Math.floor(i / 30)}/${Math.floor(i / 5)}`);
    expect(visible(deep, findGroups(deep), initialCollapse(deep, findGroups(deep))).boxes).toHaveLength(4);
    expect(initialCollapse(chain(30, (i) => `g${i % 3}`), findGroups(chain(30, (i) => `g${i % 3}`))).size).toBe(0);
  });

  test("a name is shown without its group's path and an exporter's ending", () => {
    const named = (id: string, group: string): string => nick({ ...chain(1).nodes[0]!, id, group });
    expect([named("/1/1.0/fn/Add_1_output_0", "1/1.0/fn"), named("1/Add", "1"), named("/0/Conv", "1"), named("fc1", ""), named("_output_0", "")]).toEqual(["Add_1", "Add", "/0/Conv", "fc1", "_output_0"]);
  });

  test("every node is in exactly one box, whatever is collapsed", () => {
    for (const set of [new Set<string>(), new Set(["layer1"]), new Set(["layer1/block2", "layer2"]), new Set(groups.keys())]) {
      const all = visible(graph, groups, set);
      expect(all.boxes.flatMap((box) => box.members).sort()).toEqual(graph.nodes.map((n) => n.id).sort());
      for (const [a, b] of all.edges) expect(a).not.toBe(b);
      expect(new Set(all.edges.map(String)).size).toBe(all.edges.length);
    }
  });

  test("a graph without groups is cut into runs at narrow places", () => {
    const flat = chain(1000);
    const names = chunks(flat);
    const sizes = [...new Set(names)].map((name) => names.filter((other) => other === name).length);
    expect(sizes.length).toBeGreaterThan(15);
    expect(Math.max(...sizes)).toBeLessThan(60);
    expect(findGroups(chain(50)).size).toBe(0);
  });

  test("what hides a node is named", () => {
    expect(pathTo(groups, new Set(groups.keys()), "n150").sort()).toEqual(["layer1", "layer1/block2"]);
  });
});

describe("layout", () => {
  const edges: [number, number][] = [[0, 1], [1, 2], [0, 3], [3, 2], [2, 4]];

  test("ranks are longest paths, and a cycle does not hang", () => {
    expect([...ranks(5, edges)]).toEqual([0, 1, 2, 1, 3]);
    expect([...ranks(3, [[0, 1], [1, 2], [2, 0]])]).toEqual([0, 1, 2]);
  });

  test.each(["own", "dagre"])("%s: boxes do not overlap and edges go down", (which) => {
    const placed = which === "own" ? layered(5, edges, false) : layoutDagre(5, edges, false);
    for (let a = 0; a < 5; a++) for (let b = 0; b < a; b++) expect(Math.abs(placed.x[a]! - placed.x[b]!) >= BOX.width || Math.abs(placed.y[a]! - placed.y[b]!) >= BOX.height).toBe(true);
    for (const [a, b] of edges) expect(placed.y[b]!).toBeGreaterThan(placed.y[a]!);
  });

  test("left to right turns it", () => {
    const placed = layered(5, edges, true);
    for (const [a, b] of edges) expect(placed.x[b]!).toBeGreaterThan(placed.x[a]!);
  });

  test("ten thousand nodes: every one is placed, layers are right", () => {
    const graph = chain(10_000);
    const all = visible(graph, new Map(), new Set());
    const placed = layered(all.boxes.length, all.edges, false);
    expect(placed.rows.reduce((sum, row) => sum + row.length, 0)).toBe(10_000);
    for (const [a, b] of all.edges) expect(placed.rank[b]!).toBeGreaterThan(placed.rank[a]!);
  });

  test("arrow keys follow edges, and neighbours sideways", () => {
    const placed = layered(5, edges, false);
    const go = (from: number, key: string): number | null => neighbour(placed, edges, from, key, false);
    expect([go(2, "ArrowDown"), go(4, "ArrowUp"), go(4, "ArrowDown"), go(0, "ArrowUp")]).toEqual([4, 2, null, null]);
    const [first, second] = placed.rows[1]!;
    expect([go(first!, "ArrowRight"), go(second!, "ArrowLeft"), go(first!, "ArrowLeft")]).toEqual([second, first, null]);
  });
});

describe("neurons", () => {
  test("phases come from before the activation", () => {
    expect([0, 1, 2].map((i) => phase(detail, i))).toEqual(["unstable", "off", "on"]);
    expect(drawn(detail, "input")!.lower).toBe(detail.arrays["pre_lower"]);
    expect(drawn(detail, "output")!.lower).toBe(detail.arrays["lower"]);
  });

  test("orders, and the filter", () => {
    expect([...order(detail, "input", "center", "all")]).toEqual([2, 0, 1]);
    expect([...order(detail, "input", "index", "unstable")]).toEqual([0]);
  });

  test("NaN and infinity come first by width, and do not stretch the axis", () => {
    const lower = Float64Array.of(0, NaN, -Infinity, 1);
    const upper = Float64Array.of(1, 2, 0, 1.5);
    const header = { ...detail.header, rows: 4 } as DetailHeader;
    const odd = { header, arrays: { lower, upper } };
    expect([...order(odd, "output", "width", "all")]).toEqual([1, 2, 0, 3]);
    expect(range(drawn(odd, "output")!)).toEqual([0, 2]);
  });

  test("a binned node finds its worst neurons by index", () => {
    const header = { ...detail.header, rows: 3, bin: 10 } as DetailHeader;
    const binned = { header, arrays: { index: Float64Array.of(7, 12, 29), lower: new Float64Array(3), upper: new Float64Array(3) } };
    expect([positionOf(binned, 12), positionOf(binned, 13), positionOf(binned, null), positionOf(detail, 2), positionOf(detail, 3)]).toEqual([1, -1, -1, 2, -1]);
  });

  test("shapes that look like pictures", () => {
    expect(pictures([1, 16, 8, 9])).toEqual({ channels: 16, height: 8, width: 9 });
    expect(pictures([1, 28, 28])).toEqual({ channels: 1, height: 28, width: 28 });
    expect([pictures([1, 128]), pictures([64]), pictures([1, 64, 1, 1])]).toEqual([null, null, null]);
  });
});

test("DOT cannot be broken out of", () => {
  const dot = toDot({ name: "g", sha256: null, inputs: [], outputs: [], nodes: [{ id: 'a"]; evil', op: "Relu", shape: [1], dtype: "float32", inputs: [], group: "", params: 0 }] });
  expect(dot).toContain('"a\\"]; evil" [label="Relu\\na\\"]; evil\\n1"];');
});
