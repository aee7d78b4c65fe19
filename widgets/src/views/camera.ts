// Pan and zoom of a stage.  The wheel zooms only where the stage has focus (or with ctrl), so that a page scrolls past it.

export interface Camera {
  x: number;
  y: number;
  k: number;
}

export interface CameraOptions {
  stage: HTMLElement;
  signal: AbortSignal;
  moved(): void;
  /** A press and release in one place. */
  clicked(event: PointerEvent): void;
}

const LEAST = 0.002;
const MOST = 3;

export function zoomAt(camera: Camera, factor: number, px: number, py: number): void {
  const k = Math.min(Math.max(camera.k * factor, LEAST), MOST);
  camera.x = px - ((px - camera.x) * k) / camera.k;
  camera.y = py - ((py - camera.y) * k) / camera.k;
  camera.k = k;
}

export function fitTo(camera: Camera, width: number, height: number, w: number, h: number, least = LEAST): void {
  const k = Math.min(Math.max(Math.min(w / Math.max(width, 1), h / Math.max(height, 1)), least), 1);
  camera.k = k;
  camera.x = (w - width * k) / 2;
  camera.y = height * k <= h ? (h - height * k) / 2 : 6;
}

export function makeCamera({ stage, signal, moved, clicked }: CameraOptions): Camera {
  const camera: Camera = { x: 0, y: 0, k: 1 };
  const held = new Map<number, { x: number; y: number }>();
  let far = false;
  const local = (event: { clientX: number; clientY: number }): [number, number] => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  stage.addEventListener(
    "wheel",
    (event) => {
      const focused = stage.contains(document.activeElement) || (stage.getRootNode() as Document).activeElement === stage;
      if (!event.ctrlKey && !event.metaKey && !focused) return;
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      if (event.shiftKey && !event.ctrlKey) camera.x -= (event.deltaY || event.deltaX) * unit;
      else zoomAt(camera, Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), ...local(event));
      moved();
    },
    { signal, passive: false },
  );
  stage.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button > 1) return;
      if ((event.target as Element).closest?.("input, button")) return;
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      far = held.size > 1;
      stage.setPointerCapture?.(event.pointerId);
    },
    { signal },
  );
  stage.addEventListener(
    "pointermove",
    (event) => {
      const old = held.get(event.pointerId);
      if (!old) return;
      const [dx, dy] = [event.clientX - old.x, event.clientY - old.y];
      if (!far && Math.hypot(dx, dy) < 4) return;
      far = true;
      if (held.size === 2) {
        const other = [...held].find(([id]) => id !== event.pointerId)![1];
        const before = Math.hypot(old.x - other.x, old.y - other.y);
        const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
        if (before > 0) zoomAt(camera, after / before, ...local({ clientX: other.x, clientY: other.y }));
      } else {
        camera.x += dx;
        camera.y += dy;
      }
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      moved();
    },
    { signal },
  );
  const release = (event: PointerEvent): void => {
    if (!held.delete(event.pointerId)) return;
    if (event.type === "pointerup" && !far) clicked(event);
  };
  stage.addEventListener("pointerup", release, { signal });
  stage.addEventListener("pointercancel", release, { signal });
  return camera;
}
