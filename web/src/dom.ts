// Makes elements. Text becomes text nodes and nothing is ever parsed as markup:
// names of tabs and clients are data, whatever is in them.

export type Child = Node | string | number | null | undefined | false;
type Attr = string | number | boolean | undefined | ((e: never) => void);

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attrs: Record<string, Attr> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) set(el, name, value);
  append(el, children);
  return el;
}

const svgSpace = "http://www.w3.org/2000/svg";

export function svg(tag: string, attrs: Record<string, Attr> = {}, ...children: Child[]): SVGElement {
  const el = document.createElementNS(svgSpace, tag) as SVGElement;
  for (const [name, value] of Object.entries(attrs)) set(el, name, value);
  append(el, children);
  return el;
}

function set(el: Element, name: string, value: Attr): void {
  if (value === undefined || value === false) return;
  if (typeof value === "function") el.addEventListener(name.slice(2), value as (e: Event) => void);
  else el.setAttribute(name, value === true ? "" : String(value));
}

function append(el: Element, children: Child[]): void {
  for (const c of children) {
    if (c === null || c === undefined || c === false) continue;
    el.append(typeof c === "number" ? String(c) : c);
  }
}

/** Replaces what is in el. */
export function fill(el: Element, ...children: Child[]): void {
  el.replaceChildren();
  append(el, children);
}

/** Changes the text of el if it is another one: what is selected stays so. */
export function say(el: Element, text: string): void {
  if (el.textContent !== text) el.textContent = text;
}
