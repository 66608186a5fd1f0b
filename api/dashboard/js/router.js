// SPDX-License-Identifier: MIT
// Router: the page and everything chosen on it stand in the hash of the URL, "#/jobs?status=failed&queue=mail", so that every view
// can be sent to somebody.
import { useState, useEffect } from "./html.js";

/**
 * Reads a hash.
 * @param {string} hash "#/jobs/17?tab=log"
 * @returns {{path: string[], query: Object<string, string>}} path segments and parameters, decoded
 */
export function parseHash(hash) {
    const text = hash.replace(/^#\/?/, "");
    const cut = text.indexOf("?");
    const path = (cut < 0 ? text : text.slice(0, cut)).split("/").filter(Boolean).map(decode);
    const query = {};
    if (cut >= 0) for (const [key, value] of new URLSearchParams(text.slice(cut + 1))) query[key] = value;
    return { path, query };
}

function decode(segment) {
    try { return decodeURIComponent(segment); } catch { return segment; }
}

/**
 * Makes a link to a page.
 * @param {string[]} path segments, not encoded
 * @param {Object<string, any>} [query] empty values are left out
 * @returns {string} a hash
 */
export function link(path, query) {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query || {})) {
        if (value !== undefined && value !== null && value !== "") search.set(key, String(value));
    }
    const text = search.toString();
    return "#/" + path.map(encodeURIComponent).join("/") + (text ? "?" + text : "");
}

/** Goes to a page. @param {string} hash made by link() @param {boolean} [replace] without an entry in the browser's history */
export function go(hash, replace) {
    if (replace) {
        history.replaceState(null, "", hash);
        window.dispatchEvent(new HashChangeEvent("hashchange"));
    } else {
        location.hash = hash;
    }
}

/** Changes parameters of the page that is shown. @param {Object<string, any>} changes @param {boolean} [replace] */
export function setQuery(changes, replace) {
    const now = parseHash(location.hash);
    go(link(now.path, { ...now.query, ...changes }), replace);
}

/** The page that is shown, as parseHash() tells it. */
export function useRoute() {
    const [route, set] = useState(() => parseHash(location.hash));
    useEffect(() => {
        const changed = () => set(parseHash(location.hash));
        window.addEventListener("hashchange", changed);
        return () => window.removeEventListener("hashchange", changed);
    }, []);
    return route;
}
