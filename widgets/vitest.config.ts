import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,mjs}"] },
  plugins: [
    {
      // esbuild's text loader for stylesheets, in the tests
      name: "css-as-text",
      enforce: "pre",
      load(id) {
        return id.endsWith(".css") ? import("node:fs").then((fs) => `export default ${JSON.stringify(fs.readFileSync(id, "utf8"))}`) : null;
      },
    },
  ],
});
