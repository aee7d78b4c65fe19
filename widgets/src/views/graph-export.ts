// Pictures of the graph as files: SVG with every style written into it (so that any program shows it), and PNG.

import type { Placed } from "../core/layout.js";
import { put, s, save } from "./dom.js";
import { buildSvg, definitions, paintSvg, type Paint, type Scene } from "./graph-svg.js";

const STYLED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "font-family", "font-size", "font-weight"] as const;

/** The whole graph as a stand-alone SVG text: no stylesheet, no custom property, no pointer to anything outside. */
export function svgText(root: HTMLElement, scene: Scene, paint: Paint, title: string): string {
  const { width, height } = scene.placed as Placed;
  const unique = "x";
  const svg = s("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `-10 -10 ${width + 60} ${height + 20}`, width: width + 60, height: height + 20 });
  const back = s("rect", { x: -10, y: -10, width: width + 60, height: height + 20, fill: getComputedStyle(root).backgroundColor });
  const world = buildSvg(scene, unique);
  paintSvg(world, scene, paint, unique);
  svg.append(s("title", {}, title), definitions(unique), back, world);
  return standalone(root, svg);
}

/** Any picture of ours as text, its computed styles written into it. */
export function standalone(root: HTMLElement, svg: SVGSVGElement): string {
  svg.style.cssText = "position:absolute;visibility:hidden";
  root.append(svg); // styles are only computed for what is in the page
  for (const el of svg.querySelectorAll<SVGElement>("rect, path, text, circle, line")) {
    const style = getComputedStyle(el);
    const own: Record<string, string> = {};
    for (const key of STYLED) {
      const value = style.getPropertyValue(key);
      if (value && !(key.startsWith("font") && el.tagName !== "text")) own[key] = value.replaceAll('"', "'");
    }
    if (el.getAttribute("fill")?.startsWith("url(")) delete own["fill"];
    put(el, own);
  }
  for (const el of svg.querySelectorAll("[class]")) el.removeAttribute("class");
  svg.remove();
  svg.removeAttribute("style");
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(svg);
}

/** The same as PNG at twice the size, smaller where a browser's canvas would not hold it. */
export async function savePng(text: string, name: string): Promise<void> {
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error("the browser could not draw the picture"));
      image.src = url;
    });
    const scale = Math.min(2, 16_000 / image.width, 16_000 / image.height, Math.sqrt(1e8 / (image.width * image.height)));
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(image.width * scale);
    canvas.height = Math.ceil(image.height * scale);
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("the picture is too large for this browser: save it as SVG");
    save(`${name}.png`, blob);
  } finally {
    URL.revokeObjectURL(url);
  }
}
