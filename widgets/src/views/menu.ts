// A small menu that opens under a button: arrow keys walk, Esc closes, a click elsewhere closes.

import { h, put } from "./dom.js";
import type { Context } from "./frame.js";

export interface MenuItem {
  label: string;
  title?: string;
  /** what the entry is for, in small type below it */
  note?: string;
  act(): void;
}

export function menuButton(ctx: Context, label: string, title: string, items: () => MenuItem[]): HTMLButtonElement {
  const { root, signal } = ctx;
  const opener = h("button", { type: "button", class: "wb-btn wb-flat", title, "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": title }, label);
  let menu: HTMLElement | null = null;
  const close = (refocus = true): void => {
    if (!menu) return;
    menu.remove();
    menu = null;
    put(opener, { "aria-expanded": "false" });
    if (refocus) opener.focus();
  };
  const open = (): void => {
    menu = h("div", { class: "wb-menu", role: "menu", "aria-label": title });
    for (const item of items()) {
      const entry = h("button", { type: "button", class: "wb-btn wb-flat", role: "menuitem", title: item.title }, item.note ? h("span", {}, h("code", {}, item.label), h("small", {}, item.note)) : item.label);
      entry.addEventListener(
        "click",
        () => {
          close();
          item.act();
        },
        { signal },
      );
      menu.append(entry);
    }
    root.append(menu);
    const [box, at] = [root.getBoundingClientRect(), opener.getBoundingClientRect()];
    menu.style.right = `${Math.max(4, Math.min(box.right - at.right, box.width - menu.offsetWidth - 4))}px`;
    const below = at.bottom - box.top + 4;
    menu.style.top = `${below + menu.offsetHeight > box.height ? Math.max(4, at.top - box.top - menu.offsetHeight - 4) : below}px`;
    put(opener, { "aria-expanded": "true" });
    (menu.firstElementChild as HTMLElement | null)?.focus();
    menu.addEventListener(
      "keydown",
      (event) => {
        event.stopPropagation();
        const all = [...menu!.children] as HTMLElement[];
        const now = all.indexOf(document.activeElement as HTMLElement);
        if (event.key === "Escape" || event.key === "Tab") close();
        else if (event.key === "ArrowDown") all[(now + 1) % all.length]?.focus();
        else if (event.key === "ArrowUp") all[(now - 1 + all.length) % all.length]?.focus();
        else return;
        event.preventDefault();
      },
      { signal },
    );
  };
  opener.addEventListener("click", () => (menu ? close() : open()), { signal });
  root.addEventListener(
    "pointerdown",
    (event) => {
      if (menu && !menu.contains(event.target as Node) && !opener.contains(event.target as Node)) close(false);
    },
    { signal },
  );
  return opener;
}
