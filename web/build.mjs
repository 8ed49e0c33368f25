// Bundles src into dist, which package web embeds: a script and a style sheet
// whose names have a hash of what is in them, so that browsers may keep them
// for ever, each with a compressed copy; and the page that names them.
import { build } from "esbuild";
import { readFileSync, writeFileSync, rmSync, mkdirSync, existsSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync, constants } from "node:zlib";

const dist = new URL("./dist/", import.meta.url);
if (existsSync(dist)) rmSync(new URL("assets", dist), { recursive: true, force: true });
mkdirSync(new URL("assets", dist), { recursive: true });

const { metafile } = await build({
  entryPoints: { app: "src/main.ts", style: "src/style.css" },
  absWorkingDir: new URL(".", import.meta.url).pathname,
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "eof",
  metafile: true,
});

const outputs = Object.keys(metafile.outputs);
const named = (ending) => "/assets/" + basename(outputs.find((f) => f.endsWith(ending)));
const page = readFileSync(new URL("./src/index.html", import.meta.url), "utf8")
  .replace("{{script}}", named(".js"))
  .replace("{{style}}", named(".css"));
writeFileSync(new URL("assets/favicon.svg", dist), readFileSync(new URL("./src/favicon.svg", import.meta.url)));

let total = 0;
for (const file of [...outputs.map((f) => "assets/" + basename(f)), "assets/favicon.svg"]) {
  const squeezed = gzipSync(readFileSync(new URL(file, dist)), { level: constants.Z_BEST_COMPRESSION });
  writeFileSync(new URL(file + ".gz", dist), squeezed);
  total += squeezed.length;
}
writeFileSync(new URL("index.html", dist), page); // the last: its being there says that all is
console.log(`the page: ${((total + page.length) / 1000).toFixed(1)} kB compressed`);
