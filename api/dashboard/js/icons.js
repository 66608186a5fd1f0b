// SPDX-License-Identifier: MIT
// Icons: strokes on a grid of 24, drawn for these pages.
import { html } from "./html.js";

const PATHS = {
    overview: "M4 19V5M4 19h16M8 15l3.5-4 3 2.5L20 7",
    jobs: "M5 6h14M5 12h9M5 18h12",
    queues: "M4 7h16v4H4zM4 14h10v4H4z",
    types: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
    schedules: "M12 7v5l3.5 2M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18z",
    batches: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
    nodes: "M5 4h14v6H5zM5 14h14v6H5zM8 7h.01M8 17h.01",
    tokens: "M8 15a4 4 0 1 1 3.5-6H20v3h-2v3h-3v-3h-3.5A4 4 0 0 1 8 15zM8 11h.01",
    failures: "M12 4l9 16H3zM12 10v4M12 17h.01",
    doctor: "M3 12h4l2-6 4 12 2.5-6H21",
    pause: "M9 5v14M15 5v14",
    play: "M7 5l12 7-12 7z",
    retry: "M4 12a8 8 0 1 0 2.5-5.8L4 8.5M4 4v4.5h4.5",
    cancel: "M6 6l12 12M18 6L6 18",
    edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    clone: "M9 9h11v11H9zM5 15H4V4h11v1",
    trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
    plus: "M12 5v14M5 12h14",
    search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16 16l4.5 4.5",
    sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
    moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
    auto: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 3v18M12 7h7M12 11h9M12 15h8",
    menu: "M4 6h16M4 12h16M4 18h16",
    copy: "M9 9h11v11H9zM5 15H4V4h11v1",
    check: "M5 12.5l4.5 4.5L19 7",
    left: "M15 5l-7 7 7 7",
    right: "M9 5l7 7-7 7",
    down: "M5 9l7 7 7-7",
    help: "M9 9a3 3 0 1 1 4.2 2.7c-.8.4-1.2 1-1.2 2.3M12 17.5h.01M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18z",
    keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
    power: "M12 3v9M6.5 7a8 8 0 1 0 11 0",
    out: "M14 4H5v16h9M10 12h10M17 8l4 4-4 4",
    sliders: "M5 4v9M5 17v3M12 4v3M12 11v9M19 4v7M19 15v5M3 13h4M10 11h4M17 15h4"
};

/** @param {{name: string, size?: number}} props a name of the list above */
export function Icon({ name, size = 16 }) {
    return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" fill="none" stroke="currentColor"
        stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${PATHS[name] || ""} /></svg>`;
}

/** The mark of ganger: three of a gang, and who leads them. */
export function Mark({ size = 28 }) {
    return html`<svg class="mark" width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true">
        <rect class="mark-ground" width="32" height="32" rx="8" /><rect class="mark-lead" x="7" y="8" width="18" height="4" rx="2" />
        <rect class="mark-gang" x="7" y="14.5" width="12" height="4" rx="2" />
        <rect class="mark-gang mark-last" x="7" y="21" width="15" height="4" rx="2" /></svg>`;
}
