// @vitest-environment node
import { expect, test } from "vitest";
import { bundle } from "../build.mjs";
import { layoutDagre } from "./core/layout.ts";

test("each bundle is complete by itself and under 150 kB", async () => {
  const { outputFiles, metafile } = await bundle({ write: false });
  expect(outputFiles.map((file) => file.path.split("/").pop()).sort()).toEqual(["bounds.js", "branch.js", "certificate.js", "confusion.js", "float.js", "graph.js", "relaxation.js", "replay.js", "rounding.js", "roundoff.js", "shape.js", "tape.js", "tensor.js", "training.js", "tuner.js", "workbench.js"]);
  for (const output of Object.values(metafile.outputs)) expect(output.imports).toEqual([]);
  for (const file of outputFiles) {
    expect(file.contents.byteLength, file.path).toBeLessThan(150_000);
    expect(file.text, "never writes HTML").not.toMatch(/\.(innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write/);
  }
});

test("dagre in a bundle, its private names shortened, lays out as dagre itself does", async () => {
  const { outputFiles } = await bundle({ write: false, entries: ["src/core/layout.ts"] });
  const lean = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
  const edges = [[0, 1], [1, 2], [0, 3], [3, 2], [2, 4], [0, 4], [0, 5], [5, 6], [6, 4], [1, 6]];
  const groups = new Map([["g", null], ["g/h", "g"]]);
  for (const [horizontal, above] of [[false, groups], [true, undefined]]) {
    const given = [7, edges, horizontal, ["g", "g", "g/h", null, null, "g/h", null], above];
    const [own, short] = [layoutDagre(...given), lean.layoutDagre(...given)].map((placed) => [...placed.x, ...placed.y, ...placed.routes.flatMap((r) => [...r]), placed.width]);
    expect(new Set(own).size).toBeGreaterThan(8);
    expect(short).toEqual(own);
  }
  // both rankers
  const long = Array.from({ length: 180 }, (_, i) => [Math.floor(i / 2), i + 1]);
  expect([...lean.layoutDagre(181, long, false).x]).toEqual([...layoutDagre(181, long, false).x]);
});
