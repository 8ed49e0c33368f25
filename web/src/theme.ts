// Light or dark: as the system says, until a person says otherwise.

const key = "taba-theme";
const themes = ["auto", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export function theme(): Theme {
  const kept = localStorage.getItem(key);
  return themes.find((t) => t === kept) ?? "auto";
}

export function useTheme(t: Theme): void {
  if (t === "auto") {
    localStorage.removeItem(key);
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem(key, t);
    document.documentElement.dataset["theme"] = t;
  }
  document.dispatchEvent(new Event("taba:theme"));
}

/** From what is seen to the other; the system's choice is kept by not making one. */
export function toggled(): Theme {
  const system: Theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = theme() === "auto" ? system : theme();
  const other: Theme = now === "dark" ? "light" : "dark";
  return other === system ? "auto" : other;
}
