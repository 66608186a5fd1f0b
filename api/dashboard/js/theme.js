// SPDX-License-Identifier: MIT
// Theme: light, dark, or as the system says.
import { useState, useEffect } from "./html.js";

const KEY = "ganger.theme";
const ORDER = ["auto", "light", "dark"];
const watchers = new Set();

/** "auto", "light" or "dark". */
export function theme() {
    return document.documentElement.dataset.theme || "auto";
}

/** Takes the next of the three. */
export function nextTheme() {
    const next = ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
        if (next === "auto") localStorage.removeItem(KEY);
        else localStorage.setItem(KEY, next);
    } catch { /* storage is switched off: it holds for this page */ }
    for (const fn of watchers) fn(next);
}

/** Draws again when the colours change, also by the system. */
export function useTheme() {
    const [value, set] = useState(theme());
    const [, again] = useState(0);
    useEffect(() => {
        const media = matchMedia("(prefers-color-scheme: dark)");
        const changed = () => again((n) => n + 1);
        watchers.add(set);
        media.addEventListener("change", changed);
        return () => {
            watchers.delete(set);
            media.removeEventListener("change", changed);
        };
    }, []);
    return value;
}

/** The colour of a variable of css/base.css as the canvas understands it. @param {string} name "--completed" */
export function colour(name) {
    const probe = document.createElement("span");
    probe.style.color = "var(" + name + ")";
    probe.hidden = true;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
}
