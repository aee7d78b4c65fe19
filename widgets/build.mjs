// Builds each view into one ES module that is complete by itself: workbench/static/{graph,bounds,rounding,workbench,float,roundoff,replay,relaxation,branch,certificate,tuner,training,tensor,confusion,tape,shape}.js.
// `node build.mjs --dev` builds the stand-alone page in dev/ instead.
import { build, transform } from "esbuild";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const names = ["graph", "bounds", "rounding", "workbench", "float", "roundoff", "replay", "relaxation", "branch", "certificate", "tuner", "training", "tensor", "confusion", "tape", "shape"];

/** The stylesheet travels as text inside the module: no second file, nothing to load. */
const cssAsText = {
  name: "css-as-text",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** Members of dagre's graph class that nothing else has, and that are never written as strings: they may be shortened. */
const DAGRE_NAMES = /^(_[a-z]\w*|(is|set)(Compound|Multigraph|Directed|Parent|Path|Graph|Edge|Nodes?)|(has|remove)(Node|Edge)|setDefault(Node|Edge)Label|(node|edge)Count|predecessors?|successors|neighbors|nodeEdges|edge(Obj|Label)|dummyChains|selfEdges|lowlink|filter(Nodes|Edges)|edgeAsObj)$/;

/**
 * Says of dagre what its package does not: that a view without a graph may leave it out, and that of its
 * namespace object `alg` only two walks are used, so that the others (shortest paths, which no layout needs) can go too.
 */
const dagreIsPure = {
  name: "dagre-is-pure",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@dagrejs\/dagre$/ }, () => ({ path: join(here, "node_modules/@dagrejs/dagre/dist/dagre.esm.js"), sideEffects: false }));
    onLoad({ filter: /dagre\.esm\.js$/ }, async ({ path }) => ({ contents: (await readFile(path, "utf8")).replace(/(\{)CycleException:[^}]*?(postorder:[^}]*?preorder:\(\)=>[\w$]+)[^}]*/, "$1$2"), loader: "js" }));
  },
};

/** Bundles the views (or the dev page, or `entries`); with `write: false` only returns what would be written. */
export function bundle({ dev = false, write = true, entries = dev ? ["dev/page.ts"] : names.map((name) => `src/entries/${name}.ts`) } = {}) {
  return build({
    absWorkingDir: here,
    entryPoints: entries,
    outdir: dev ? join(here, "dev", "built") : join(here, "..", "workbench", "static"),
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: !dev,
    mangleProps: DAGRE_NAMES,
    define: { "Number.POSITIVE_INFINITY": "Infinity" },
    plugins: [cssAsText, dagreIsPure],
    legalComments: "none",
    logLevel: write ? "info" : "error",
    write,
    metafile: true,
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await bundle({ dev: process.argv.includes("--dev") });
