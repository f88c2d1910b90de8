#!/usr/bin/env node
// usage: check-links.mjs FOLDER [true|false]
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const [folder, anchors = "true"] = process.argv.slice(2);
const SKIPPED = new Set([".git", "node_modules", "target", "vendor"]);

function* markdown(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* markdown(path);
    else if (entry.isFile() && entry.name.endsWith(".md")) yield path;
  }
}

// Lines of a file with code left out: what stands in code is no link and no heading.
function* prose(text) {
  let fence = null;
  for (const [n, line] of text.split("\n").entries()) {
    const mark = line.match(/^ {0,3}(`{3,}|~{3,})/)?.[1];
    if (fence !== null) {
      if (mark?.startsWith(fence)) fence = null;
    } else if (mark) fence = mark;
    else yield [n + 1, line];
  }
}

// The anchor of a heading, as forges make it.
const slug = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");

const headings = new Map();
function anchorsOf(path) {
  if (headings.has(path)) return headings.get(path);
  const seen = new Set();
  for (const [, line] of prose(readFileSync(path, "utf8"))) {
    for (const [, name] of line.matchAll(/<a (?:id|name)="([^"]+)"/g)) seen.add(name);
    const heading = line.match(/^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/)?.[1];
    if (heading === undefined) continue;
    const first = slug(heading);
    let anchor = first;
    for (let n = 1; seen.has(anchor); n++) anchor = `${first}-${n}`;
    seen.add(anchor);
  }
  headings.set(path, seen);
  return seen;
}

// Why a link leads nowhere, or null.
function wrong(from, link) {
  const [path, anchor] = link.split("#", 2);
  const target = path === "" ? from : resolve(dirname(from), decodeURIComponent(path));
  if (!existsSync(target)) return "no such file";
  if (!anchor || anchors !== "true" || !target.endsWith(".md") || !statSync(target).isFile()) return null;
  return anchorsOf(target).has(decodeURIComponent(anchor)) ? null : "no such heading";
}

const broken = [];
let files = 0;
let links = 0;
for (const file of markdown(folder)) {
  files++;
  for (const [line, text] of prose(readFileSync(file, "utf8"))) {
    for (const [, link] of text.replace(/`[^`]*`/g, "").matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g)) {
      if (/^[a-z][a-z+.-]*:|^\/\//i.test(link)) continue;
      links++;
      const why = wrong(file, link);
      if (why) broken.push({ file: relative(folder, file), line, link, why });
    }
  }
}
for (const { file, line, link, why } of broken) console.error(`${file}:${line}: ${link}: ${why}`);
console.log(JSON.stringify({ files, links, broken }));
