import { defineConfig } from "vite";

/** One script with the engine and the benchmark's page, for `benchmarks/editor.py`; no part of the application. */
export default defineConfig({
  publicDir: false,
  build: { lib: { entry: "bench/page.ts", formats: ["iife"], name: "bench", fileName: () => "bench.js" } },
});
