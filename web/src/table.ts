// Tables whose rows stay the same elements while their numbers change: what is
// focused or selected stays so.
import { h, say, type Child } from "./dom";

export interface Column<R> {
  label: string;
  /** What the cell shows: text, which is compared and changed in place, or an element, made anew. */
  cell: (row: R) => string | Node;
  number?: boolean; // right-aligned
  wide?: boolean; // not shown on a phone
  title?: string;
}

export class Table<R> {
  readonly el: HTMLElement;
  private readonly body = h("tbody");
  private rows = new Map<string, HTMLTableRowElement>();

  constructor(
    label: string,
    private readonly columns: Column<R>[],
    private readonly key: (row: R) => string,
    private readonly href?: (row: R) => string,
  ) {
    const head = columns.map((c) => h("th", { scope: "col", class: classes(c), title: c.title }, c.label));
    this.el = h("div", { class: "scroll" },
      h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, ...head)), this.body));
  }

  update(list: R[]): void {
    const rows = new Map<string, HTMLTableRowElement>();
    list.forEach((row, i) => {
      const key = this.key(row);
      const tr = this.rows.get(key) ?? this.make(row);
      rows.set(key, tr);
      this.write(tr, row);
      if (this.body.children[i] !== tr) this.body.insertBefore(tr, this.body.children[i] ?? null);
    });
    for (const [key, tr] of this.rows) if (!rows.has(key)) tr.remove();
    this.rows = rows;
  }

  private make(row: R): HTMLTableRowElement {
    return h("tr", {}, ...this.columns.map((c, i) => {
      if (i > 0) return h("td", { class: classes(c) });
      const inner: Child = this.href ? h("a", { href: this.href(row), "data-row": true }) : h("span");
      return h("th", { scope: "row", class: classes(c) }, inner);
    }));
  }

  private write(tr: HTMLTableRowElement, row: R): void {
    this.columns.forEach((c, i) => {
      const cell = tr.cells[i]!;
      const holder = i === 0 ? cell.firstElementChild! : cell;
      const made = c.cell(row);
      if (typeof made === "string") say(holder, made);
      else holder.replaceChildren(made);
    });
  }
}

function classes<R>(c: Column<R>): string | undefined {
  return [c.number && "number", c.wide && "wide"].filter(Boolean).join(" ") || undefined;
}
