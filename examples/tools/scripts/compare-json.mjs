#!/usr/bin/env node
// usage: compare-json.mjs BEFORE AFTER
import { readFileSync } from "node:fs";

const KEPT = 200;
const [before, after] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")));
const differences = { added: [], removed: [], changed: [] };

const isTree = (value) => value !== null && typeof value === "object";
// A path as in JSON Pointer (RFC 6901).
const below = (path, key) => `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;

function compare(one, other, path) {
  if (!isTree(one) || !isTree(other) || Array.isArray(one) !== Array.isArray(other)) {
    if (one !== other) differences.changed.push(path || "/");
    return;
  }
  for (const key of Object.keys(one)) {
    if (Object.hasOwn(other, key)) compare(one[key], other[key], below(path, key));
    else differences.removed.push(below(path, key));
  }
  for (const key of Object.keys(other)) {
    if (!Object.hasOwn(one, key)) differences.added.push(below(path, key));
  }
}

compare(before, after, "");
const same = Object.values(differences).every((paths) => paths.length === 0);
for (const kind of Object.keys(differences)) differences[kind] = differences[kind].slice(0, KEPT);
console.log(JSON.stringify({ same, ...differences }));
