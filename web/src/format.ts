// Numbers, durations and times as people read them.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const none = "–";

/** A count: all its digits, in groups. */
export function count(n: number | null | undefined): string {
  return n === null || n === undefined ? none : grouped.format(n);
}

/** A measured value: four digits that matter, or all before the point; whole numbers as they are. */
export function value(n: number | null | undefined): string {
  if (n === null || n === undefined) return none;
  const size = Math.abs(n);
  if (size >= 1e15 || (size > 0 && size < 1e-6)) return n.toExponential(3);
  if (size >= 1000) return grouped.format(n);
  return Number.isInteger(n) ? String(n) : n.toPrecision(4);
}

/** Events per second; fewer than ten with decimals. */
export function rate(n: number | null | undefined): string {
  if (n === null || n === undefined) return none;
  return n >= 100 ? grouped.format(n) : n === 0 ? "0" : n < 0.01 ? "< 0.01" : n.toFixed(n < 10 ? 2 : 1);
}

/** A short number for an axis. */
export function short(n: number): string {
  const size = Math.abs(n);
  for (const [unit, name] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (size >= unit) return Number((n / unit).toPrecision(3)) + name;
  }
  return String(Number(n.toPrecision(3)));
}

const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return none;
  let unit = 0;
  while (n >= 1024 && unit < byteUnits.length - 1) {
    n /= 1024;
    unit++;
  }
  return (unit === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)) + " " + byteUnits[unit];
}

/** Milliseconds with a unit that fits. */
export function millis(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return none;
  if (ms === 0) return "0 ms";
  if (ms < 1) return grouped.format(Math.max(1, ms * 1000)) + " µs";
  if (ms < 1000) return Number(ms.toPrecision(3)) + " ms";
  return duration(ms / 1000);
}

/** Seconds, in the two largest units. */
export function duration(s: number): string {
  if (s < 10) return Number(s.toPrecision(2)) + " s";
  const units: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const parts: string[] = [];
  let rest = Math.round(s);
  for (const [size, name] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(n + " " + name);
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0 s";
}

const pad = (n: number) => String(n).padStart(2, "0");

/** The local time of day of UTC seconds. */
export function clock(t: number): string {
  const d = new Date(t * 1000);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

/** The local date and time of UTC seconds. */
export function when(t: number): string {
  const d = new Date(t * 1000);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clock(t)}`;
}

export function plural(n: number, one: string, many = one + "s"): string {
  return count(n) + " " + (n === 1 ? one : many);
}
