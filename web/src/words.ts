// Words of the language of queries, and links within the page.

/** A name as a query chooses exactly it. */
export function quoted(text: string): string {
  return '"' + text.replace(/[\\"]/g, (c) => "\\" + c) + '"';
}

/** A glob of names that have text somewhere in them. */
export function containing(text: string): string {
  return "glob " + quoted("*" + text + "*");
}

export interface Tagged {
  name: string;
  tags: [string, string][];
}

/** A tab's name in parts: `name;key=value;key=value`, with bytes that cannot be in it as ~XX. */
export function tagged(tab: string): Tagged {
  const [name, ...rest] = tab.split(";");
  const tags = rest.map((t): [string, string] => {
    const at = t.indexOf("=");
    return at < 0 ? [t, ""] : [t.slice(0, at), t.slice(at + 1)];
  });
  return { name: name ?? "", tags: tags.map(([k, v]) => [unescaped(k), unescaped(v)]) };
}

function unescaped(text: string): string {
  if (!/~[0-9A-Fa-f]{2}/.test(text)) return text;
  const out: number[] = [];
  const bytes = new TextEncoder().encode(text);
  for (let i = 0; i < bytes.length; i++) {
    const hex = bytes[i] === 0x7e ? String.fromCharCode(bytes[i + 1] ?? 0, bytes[i + 2] ?? 0) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      out.push(parseInt(hex, 16));
      i += 2;
    } else {
      out.push(bytes[i] ?? 0);
    }
  }
  return new TextDecoder().decode(new Uint8Array(out));
}

/** The address of a page within the page. */
export function link(page: string, params: Record<string, string> = {}): string {
  const given = Object.entries(params).filter(([, v]) => v !== "");
  const query = new URLSearchParams(given).toString();
  return (page === "" ? "/" : "/ui/" + page) + (query ? "?" + query : "");
}

export const toTab = (name: string, last = "") => link("tab", { name, last });
export const toClient = (name: string) => link("client", { name });
export const toExplain = (name: string) => link("explain", { name });
