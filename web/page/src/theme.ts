/** Light or dark colours: those of the system, until the user chooses. */

import { ref } from "vue";
import { kept } from "./kept.js";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const before = kept.get("theme");
export const theme = ref<Theme>(THEMES.find(one => one === before) ?? "system");

export function showTheme(chosen: Theme = theme.value): void {
    theme.value = chosen;
    kept.set("theme", chosen);
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
}
