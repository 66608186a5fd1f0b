// SPDX-License-Identifier: MIT
// Format: numbers, times and sizes as people read them.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

/** 1234567 -> "1,234,567". */
export function count(n) {
    return n === null || n === undefined ? "–" : Number(n).toLocaleString("en-US");
}

/** 1234567 -> "1.2M", for where room is short. */
export function short(n) {
    if (n === null || n === undefined) return "–";
    const value = Number(n);
    if (Math.abs(value) < 10000) return value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 });
    for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
        if (Math.abs(value) >= size) return (value / size).toFixed(value / size < 10 ? 1 : 0).replace(/\.0$/, "") + letter;
    }
    return String(value);
}

/** Seconds -> "1d 3h", "4m 10s", "2.1 s", "38 ms". */
export function seconds(value) {
    if (value === null || value === undefined || Number.isNaN(Number(value))) return "–";
    const s = Number(value);
    if (s < 0) return "-" + seconds(-s);
    if (s === 0) return "0 s";
    if (s < 0.0005) return Math.max(1, Math.round(s * 1e6)) + " µs";
    if (s < 1) return (s * 1000).toFixed(s < 0.01 ? 1 : 0).replace(/\.0$/, "") + " ms";
    if (s < 60) return s.toFixed(s < 10 ? 1 : 0).replace(/\.0$/, "") + " s";
    const whole = Math.round(s);
    const parts = [];
    let rest = whole;
    for (const [letter, size] of UNITS) {
        const n = Math.floor(rest / size);
        rest -= n * size;
        if (n) parts.push(n + letter);
        else if (parts.length) break;
        if (parts.length === 2) break;
    }
    return parts.join(" ");
}

/** What PostgreSQL says of an interval ("1 day 00:01:30", "00:00:02.5", or ISO 8601 "PT1M30S") -> seconds, null when it is neither. */
export function intervalSeconds(text) {
    if (text === null || text === undefined) return null;
    if (typeof text === "number") return text;
    const iso = /^P(?:([\d.]+)Y)?(?:([\d.]+)M)?(?:([\d.]+)D)?(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?$/.exec(text);
    if (iso) {
        const sizes = [31557600, 2592000, 86400, 3600, 60, 1];
        return sizes.reduce((sum, size, i) => sum + Number(iso[i + 1] || 0) * size, 0);
    }
    let sum = 0;
    let known = false;
    for (const [, n, unit] of text.matchAll(/(-?[\d.]+) (year|mon|day)s?/g)) {
        sum += Number(n) * { year: 31557600, mon: 2592000, day: 86400 }[unit];
        known = true;
    }
    const clock = /(-?)(\d+):(\d\d):(\d\d(?:\.\d+)?)/.exec(text);
    if (clock) {
        sum += (clock[1] ? -1 : 1) * (Number(clock[2]) * 3600 + Number(clock[3]) * 60 + Number(clock[4]));
        known = true;
    }
    return known ? sum : null;
}

/** An interval of PostgreSQL as people read it. */
export function interval(text) {
    const s = intervalSeconds(text);
    return s === null ? (text || "–") : seconds(s);
}

/** Bytes -> "12.3 MiB". */
export function bytes(value) {
    if (value === null || value === undefined) return "–";
    let n = Number(value);
    for (const unit of ["B", "KiB", "MiB", "GiB"]) {
        if (n < 1024 || unit === "GiB") return (n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)) + " " + unit;
        n /= 1024;
    }
    return "";
}

/** 0.1234 -> "12 %". */
export function share(value) {
    if (value === null || value === undefined) return "–";
    const percent = Number(value) * 100;
    if (percent > 0 && percent < 0.1) return "<0.1 %";
    return (percent < 10 ? percent.toFixed(1).replace(/\.0$/, "") : Math.round(percent)) + " %";
}

/** An instant as "3m ago" or "in 2h". @param {string|number} at @param {number} [now] milliseconds */
export function relative(at, now = Date.now()) {
    const ms = new Date(at).getTime();
    if (Number.isNaN(ms)) return String(at);
    const s = (now - ms) / 1000;
    const size = Math.abs(s);
    if (size < 1.5) return "now";
    const text = size < 60 ? Math.round(size) + "s" : seconds(size < 3600 ? Math.floor(size / 60) * 60
        : size < 86400 ? Math.floor(size / 300) * 300 : Math.floor(size / 3600) * 3600);
    return s >= 0 ? text + " ago" : "in " + text;
}

/** An instant in full, in the zone of this browser. */
export function absolute(at) {
    const date = new Date(at);
    if (Number.isNaN(date.getTime())) return String(at);
    return date.toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "medium" }) +
        "." + String(date.getMilliseconds()).padStart(3, "0") + " " + zone(date) + " (" + date.toISOString() + ")";
}

/** The zone of the browser at an instant, "GMT+2", "UTC". @param {Date|string} at @returns {string} */
export function zone(at) {
    const part = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(new Date(at)).find((one) => one.type === "timeZoneName");
    return part ? part.value : "";
}

/** Day and time, as a schedule needs it, with the zone of the browser: "01-31 03:00 GMT+1". @param {string} at @returns {string} */
export function dayAndTime(at) {
    return new Date(at).toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "short" }).slice(5) + " " + zone(at);
}

/** The time of day, "14:03:22". */
export function clock(at) {
    return new Date(at).toLocaleTimeString("sv-SE");
}

/** Seconds between two instants; the second may be open. */
export function between(from, to) {
    if (!from) return null;
    return ((to ? new Date(to).getTime() : Date.now()) - new Date(from).getTime()) / 1000;
}

/** How long something took; instants are known to a millisecond here. */
export function took(from, to) {
    const s = between(from, to);
    return s === 0 ? "<1 ms" : seconds(s);
}

/** "1 job", "2 jobs". */
export function plural(n, word, many) {
    return count(n) + " " + (Number(n) === 1 ? word : many || word + "s");
}
