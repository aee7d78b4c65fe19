// The gauge of a proof in floats: how much the real margin is, what rounding uses up of it, layer by layer, what is left.

export interface Piece {
  layer: number;
  from: number;
  to: number;
}
export interface Gauge {
  /** what the whole width stands for */
  full: number;
  room: number;
  /** each layer's part of the rounding error, side by side from 0 */
  pieces: Piece[];
  error: number;
  holds: boolean;
}

/** Null where there is nothing to draw: no finite margin, or nothing known of the error. */
export function gauge(room: number | null | undefined, error: number | null | undefined, shares: readonly number[], holds: boolean): Gauge | null {
  if (room === null || room === undefined || error === null || error === undefined) return null;
  const full = Math.max(room, error, 0) * 1.04 || 1;
  let from = 0;
  const pieces = shares.map((share, layer) => {
    const to = from + share * error;
    const piece = { layer, from, to };
    from = to;
    return piece;
  });
  return { full, room, pieces, error, holds };
}

/** Bits as people say them. */
export function size(bits: number): string {
  const bytes = bits / 8;
  if (bytes < 1024) return `${Math.ceil(bytes)} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toPrecision(3)} KiB` : `${(bytes / 1048576).toPrecision(3)} MiB`;
}

// told apart by people who see few colours, light and dark (after Okabe and Ito)
const COLOURS = ["#d9730d", "#2f7fe0", "#009e73", "#b1467f", "#b8960c", "#6f6fd8"] as const;
export const layerColour = (layer: number): string => COLOURS[layer % COLOURS.length]!;
