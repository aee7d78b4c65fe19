// The graph as text for other tools.  Names are quoted, so that no name can break out of its string.

import { shapeText } from "./format.js";
import type { Overlay, Phases, Stamp, WireGraph } from "./wire.js";

const quote = (text: string): string => JSON.stringify(text).replaceAll("\\u", "\\\\u");

export function toDot(graph: WireGraph): string {
  const known = new Set(graph.nodes.map((node) => node.id));
  const lines = ["digraph {", "  node [shape=box];"];
  for (const node of graph.nodes) {
    lines.push(`  ${quote(node.id)} [label=${quote(`${node.op}\n${node.id}\n${shapeText(node.shape)}`)}];`);
    for (const input of node.inputs) if (known.has(input)) lines.push(`  ${quote(input)} -> ${quote(node.id)};`);
  }
  return [...lines, "}", ""].join("\n");
}

export function toJson(graph: WireGraph, overlay: Partial<Overlay>, phases: Phases, stamp: Stamp | null): string {
  return `${JSON.stringify({ graph, stamp, overlay, phases }, null, 1)}\n`;
}
