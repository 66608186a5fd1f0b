// SPDX-License-Identifier: MIT
// Chart: uPlot with our colours: bars on each other over time. Histogram and spark line are drawn by hand.
import { html, useEffect, useRef, useState } from "./html.js";
import uPlot from "../vendor/uplot.js";
import { colour, useTheme } from "./theme.js";
import { short, count, clock, absolute } from "./format.js";

// Sums of each series and those before it, topmost first, as bars are drawn over each other.
function stack(rows) {
    const sums = [];
    let below = null;
    for (const row of rows) {
        below = row.map((n, i) => n + (below ? below[i] : 0));
        sums.push(below);
    }
    return sums.reverse();
}

function axisTime(values, span) {
    return values.map((s) => {
        const date = new Date(s * 1000);
        return span > 2 * 86400 ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })
            : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    });
}

function makeOptions(series, step, width, height, times, hover) {
    const line = colour("--line");
    const text = colour("--faint");
    const span = times.length ? times[times.length - 1] - times[0] : 0;
    const bars = uPlot.paths.bars({ size: [0.86, 40], align: 1, gap: 0 });
    const axis = { stroke: text, font: "11px system-ui", ticks: { show: false }, grid: { stroke: line, width: 1 } };
    return { width, height, legend: { show: false }, padding: [8, 18, 0, 0],
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: { x: { time: true, range: (u, min, max) => [min, max + step] }, y: { range: (u, min, max) => [0, Math.max(max * 1.08, 4)] } },
        axes: [{ ...axis, grid: { show: false }, size: 28, space: 70, values: (u, values) => axisTime(values, span) },
            { ...axis, size: 46, space: 34, values: (u, values) => values.map((n) => (n % 1 ? "" : short(n))) }],
        series: [{}, ...[...series].reverse().map((one) => ({ label: one.label, width: 0, fill: colour(one.colour), paths: bars, points: { show: false } }))],
        hooks: { setCursor: [(u) => hover(u.cursor.left >= 0 ? u.cursor.idx : null)] } };
}

/**
 * Counts over time, on each other.
 * @param {{times: number[], step: number, series: {label: string, colour: string, values: number[]}[], height?: number, label: string}} props
 *     times and step in seconds; colour is a variable of css/base.css; the first series is the lowest
 */
export function StackedChart({ times, step, series, height = 220, label }) {
    const place = useRef(null);
    const plot = useRef(null);
    const [at, hover] = useState(null);
    const scheme = useTheme() + matchMedia("(prefers-color-scheme: dark)").matches;
    const data = [times, ...stack(series.map((one) => one.values))];
    const shape = series.map((one) => one.label).join() + step + scheme + height;
    const latest = useRef(data);
    latest.current = data;
    useEffect(() => {
        const size = () => Math.max(200, place.current.clientWidth);
        const u = new uPlot(makeOptions(series, step, size(), height, times, hover), latest.current, place.current);
        plot.current = u;
        const watch = new ResizeObserver(() => u.setSize({ width: size(), height }));
        watch.observe(place.current);
        return () => { watch.disconnect(); u.destroy(); plot.current = null; };
    }, [shape]);
    useEffect(() => { if (plot.current) plot.current.setData(latest.current); }, [JSON.stringify(data)]);
    const index = at === null || at >= times.length ? null : at;
    const sum = (one) => one.values.reduce((n, v) => n + v, 0);
    return html`<figure class="chart"><figcaption class="legend"><span class="legend-when">${index === null ? label
        : html`<span title=${absolute(times[index] * 1000)}>${clock(times[index] * 1000)} – ${clock((times[index] + step) * 1000)}</span>`}</span>
        ${series.map((one) => html`<span key=${one.label} class="legend-one"><i class=${"fill-" + one.kind}></i>${one.label}
        <b>${count(index === null ? sum(one) : one.values[index])}</b></span>`)}</figcaption>
        <div ref=${place} class="chart-place" role="img" aria-label=${label + ": " + series.map((one) => one.label + " " + sum(one)).join(", ")}></div></figure>`;
}

/** A small line without axes. */
export function Spark({ values, kind = "accent", width = 96, height = 26 }) {
    if (!values || values.length < 2) return html`<svg class="spark" width=${width} height=${height} aria-hidden="true"></svg>`;
    const top = Math.max(...values, 1);
    const points = values.map((v, i) => [((width - 2) * i) / (values.length - 1) + 1, height - 2 - ((height - 5) * v) / top]);
    const line = points.map(([x, y]) => x.toFixed(1) + "," + y.toFixed(1)).join(" L");
    return html`<svg class=${"spark stroke-" + kind} viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height} preserveAspectRatio="none" aria-hidden="true">
        <path class="spark-area" d=${`M1,${height} L${line} L${width - 1},${height} Z`} /><path class="spark-line" d=${"M" + line} /></svg>`;
}

/** A distribution as bars. buckets: [{label, count, title, kind?}]; marks: [{at (0..1 of the width), label}] */
export function Histogram({ buckets, marks = [], label }) {
    const top = Math.max(...buckets.map((b) => b.count), 1);
    return html`<div class="histogram" role="img" aria-label=${label + ": " + buckets.filter((b) => b.count).map((b) => b.title).join("; ")}>
        <div class="histogram-bars">${buckets.map((b, i) => html`<div key=${i} class="histogram-bar" title=${b.title}>
            <i style=${{ height: b.count ? Math.max(2, (100 * b.count) / top) + "%" : "0" }}></i></div>`)}
        ${marks.map((m) => html`<span key=${m.label} class="histogram-mark" style=${{ left: 100 * m.at + "%" }}><em>${m.label}</em></span>`)}</div>
        <div class="histogram-axis">${buckets.map((b, i) => html`<span key=${i}>${b.label}</span>`)}</div></div>`;
}
