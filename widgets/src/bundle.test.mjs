// @vitest-environment node
import { expect, test } from "vitest";
import { bundle } from "../build.mjs";

test("each bundle is complete by itself and under 150 kB", async () => {
  const { outputFiles, metafile } = await bundle({ write: false });
  expect(outputFiles.map((file) => file.path.split("/").pop()).sort()).toEqual(["bounds.js", "graph.js", "rounding.js", "workbench.js"]);
  for (const output of Object.values(metafile.outputs)) expect(output.imports).toEqual([]);
  for (const file of outputFiles) {
    expect(file.contents.byteLength, file.path).toBeLessThan(150_000);
    expect(file.text, "never writes HTML").not.toMatch(/\.(innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write/);
  }
});
