// Builds each view into one ES module that is complete by itself: workbench/static/{graph,bounds,rounding,workbench}.js.
// `node build.mjs --dev` builds the stand-alone page in dev/ instead.
import { build, transform } from "esbuild";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dev = process.argv.includes("--dev");
const names = ["graph", "bounds", "rounding", "workbench"];

await build({
  absWorkingDir: here,
  entryPoints: dev ? ["dev/page.ts"] : names.map((name) => `src/entries/${name}.ts`),
  outdir: dev ? join(here, "dev", "built") : join(here, "..", "workbench", "static"),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: !dev,
  plugins: [
    {
      // the stylesheet travels as text inside the module: no second file, nothing to load
      name: "css-as-text",
      setup({ onLoad }) {
        onLoad({ filter: /\.css$/ }, async ({ path }) => {
          const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
          return { contents: code.trim(), loader: "text" };
        });
      },
    },
  ],
  legalComments: "none",
  logLevel: "info",
});
